"""Models of one cost: the width at which an architecture has so many parameters, so much state, so many FLOPs.

Two architectures of the same width are not of the same size: an LSTM has four thirds of the weights of a GRU. What is
called the same size depends on what is counted, so the rule is part of the answer (the counts of the papers differ, see
`grux.counting.parameters`).
"""

from collections.abc import Callable
from dataclasses import dataclass

from flax import nnx

from grux.counting.model import forward_flops, training_flops
from grux.counting.parameters import RULES, count_parameters
from grux.counting.recurrence import count_layers
from grux.counting.search import Found, find_width
from grux.data.base import Dataset
from grux.errors import UsageError
from grux.tasks.base import Task

PADDED = "2 per multiply-add of matrix products, padded time steps counted"


@dataclass(frozen=True)
class Measure:
    """One way to say what a model costs."""

    count: Callable[[nnx.Module, Task, Dataset], float]
    unit: str
    meaning: str


MEASURES: dict[str, dict[str, Measure]] = {
    "parameters": {
        name: Measure(lambda model, task, dataset, name=name: count_parameters(model, name), "parameters", rule.meaning)
        for name, rule in RULES.items()
    },
    "state": {
        "carried": Measure(
            lambda model, task, dataset: sum(layer.state for layer in count_layers(model)),
            "numbers",
            "what one sequence carries from step to step in all recurrent layers",
        )
    },
    "flops": {
        "training": Measure(training_flops, "FLOPs", f"forward and backward, per training example: {PADDED}"),
        "forward": Measure(forward_flops, "FLOPs", f"forward, per training example: {PADDED}"),
        "step": Measure(
            lambda model, task, dataset: sum(layer.step_flops for layer in count_layers(model)),
            "FLOPs",
            "one step of all recurrent layers on one row, forward: 2 per multiply-add of matrix products",
        ),
    },
}
"""What can be matched, by which rules; the first rule of each is the one that holds where none is named."""


@dataclass(frozen=True)
class Matching:
    """How a width was found: the `matching` of a run record."""

    by: str
    """parameters, state, flops or step_time."""
    rule: str
    meaning: str
    """The rule in words."""
    unit: str
    target: float
    reached: float
    """What the model of this width has; may differ from the target by the tolerance."""
    tolerance: float
    features: int


def match_width(
    make_model: Callable[[int], nnx.Module],
    task: Task,
    dataset: Dataset,
    *,
    by: str,
    rule: str | None,
    budget: float,
    tolerance: float,
    start: int,
) -> Matching:
    """The width whose model has nearest to `budget` of what is counted.

    `make_model` gives the shapes of the model of a width (`nnx.eval_shape`). Raises UsageError, with the nearest
    possible values, where they differ from the budget by more than `tolerance` of it.
    """
    rule = rule or next(iter(MEASURES[by]))
    measure = MEASURES[by][rule]
    found = find_width(lambda width: measure.count(make_model(width), task, dataset), budget, start=start)
    features, reached = found.nearest(budget)
    if abs(reached - budget) > tolerance * budget:
        raise UsageError(out_of_reach(found, by, rule, measure.unit, budget, tolerance))
    return Matching(by, rule, measure.meaning, measure.unit, budget, reached, tolerance, features)


def out_of_reach(found: Found, by: str, rule: str, unit: str, budget: float, tolerance: float) -> str:
    """The sentence for a budget that no width meets."""
    possible = " and ".join(
        f"{number(cost)} at model.features={width} ({deviation(cost, budget)})" for width, cost in found.sides
    )
    lead = "the narrowest possible model has" if found.above else "the widest has"
    lead = "the nearest are" if len(found.sides) == 2 else lead
    return (
        f"match={by} budget={number(budget)}: no width gives {number(budget)} {unit} to {tolerance:.3g} of them "
        f"(match_rule={rule}): {lead} {possible}; choose a budget that can be met, or a larger match_tolerance."
    )


def number(value: float) -> str:
    """A whole number in full with its thousands apart, another one to four digits."""
    return f"{round(value):,}" if value == int(value) and abs(value) < 1e12 else f"{value:.4g}"


def deviation(reached: float, target: float) -> str:
    """ "+1.2 %", "exactly"."""
    return "exactly" if reached == target else f"{100 * (reached / target - 1):+.2g} %"
