"""What a config names, put together: data, task, model, optimizer and the programs that train them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from flax import nnx

from grux.config import build
from grux.config.axes import with_values
from grux.counting.match import Matching
from grux.counting.model import count
from grux.data.base import Dataset
from grux.data.batching import check_batch_size
from grux.errors import UsageError
from grux.matching import matched, of_width
from grux.matching.times import REPEATS
from grux.rates import Rate, as_float32
from grux.tasks.base import Task
from grux.training.length import Length, length_of
from grux.training.mesh import data_mesh
from grux.training.optimizers import make_optimizer
from grux.training.programs import Programs
from grux.training.schedules import at_peak
from grux.training.seeds import SeedAxis, seed_axis
from grux.training.state import Learner, Values
from grux.training.timing import time_step


@dataclass(frozen=True)
class Parts:
    """What a program of one or more runs is put together from."""

    matching: Matching | None
    """How the width of the recurrent layers was solved, the same for all runs; None where it is given."""
    dataset: Dataset
    task: Task
    axis: SeedAxis
    programs: Programs
    length: Length
    counts: dict[str, Any]
    """What the model costs, by `grux.counting.model`."""

    def settled(self, config: dict[str, Any]) -> dict[str, Any]:
        """The config of one of the runs with the width that was solved."""
        return of_width(config, self.matching.features) if self.matching else config


def assemble(
    config: dict[str, Any],
    values: Mapping[str, Sequence[float | None]] | None = None,
    *,
    matching: Matching | None = None,
) -> Parts:
    """The parts that a config names; reads the data and compiles nothing.

    `values`: the numbers of several runs that are one program, by the key of the config in which they differ.
    `matching`: how the width was found when the run began; None solves it here where the config asks for it.
    """
    plugins, batch_size = config["plugins"], config["batch_size"]
    runs = len(next(iter(values.values()))) if values else 1
    axis = _axis(config, runs)
    dataset: Dataset = build(config["data"], plugins=plugins)
    check_batch_size(dataset, batch_size)
    task = build(config["task"], plugins=plugins)(info=dataset.info)
    if dataset.info.continuous:
        _check_continuous(config)
    matching = matching or matched(config, dataset, task, lambda width: step_times(config, dataset, task, width))
    config = of_width(config, matching.features) if matching else config
    # Before training: a model that cannot be counted costs seconds, not the record of hours.
    counts = count(nnx.eval_shape(lambda: _learner(config, dataset, 1, {}).build_model(nnx.Rngs(0))), task, dataset)
    length = length_of(
        dataset,
        batch_size=batch_size,
        **{key: config[key] for key in ("epochs", "steps", "flops", "seconds")},
        flops_per_example=counts["flops"]["training_per_example"],
    )
    programs = _programs(config, dataset, task, axis, length.steps, values or {})
    return Parts(matching, dataset, task, axis, programs, length, counts)


def _check_continuous(config: dict[str, Any]) -> None:
    """Raises UsageError for settings that divide a batch whose rows carry a state along."""
    for key, value in (("accumulate", config["accumulate"]), ("mesh.data", config["mesh"]["data"])):
        if value > 1:
            raise UsageError(
                f"{key}={value} divides batches, and those of a text go on from one another in {config['batch_size']} "
                f"streams; leave {key} at 1."
            )


def step_times(config: dict[str, Any], dataset: Dataset, task: Task, width: int) -> list[float]:
    """Milliseconds of training steps of all seeds with this width of the recurrent layers, measured here and now."""
    axis = _axis(config, 1)
    return time_step(
        _programs(of_width(config, width), dataset, task, axis, 1, {}),
        dataset,
        axis,
        seeds=range(config["seeds"]),
        batch_size=config["batch_size"],
        steps_per_dispatch=config["steps_per_dispatch"],
        repeats=REPEATS,
    )


def _axis(config: dict[str, Any], runs: int) -> SeedAxis:
    devices = data_mesh(config["mesh"]["data"], config["mesh"]["hosts"])
    return seed_axis(runs * config["seeds"], config["seed_strategy"], devices)


def _programs(
    config: dict[str, Any],
    dataset: Dataset,
    task: Task,
    axis: SeedAxis,
    total_steps: int | None,
    values: Mapping[str, Sequence[float | None]],
) -> Programs:
    def learner(values: Values) -> Learner:
        return _learner(config, dataset, total_steps, values)

    shared = learner({})
    members = {key: np.repeat(_as_float32(key, each), config["seeds"]) for key, each in values.items()}
    for key in members:
        check_axis(learner, key)
    return Programs(
        learner=learner if members else lambda _: shared,
        task=task,
        axis=axis,
        accumulate=config["accumulate"],
        values=members,
        streams=config["batch_size"] if dataset.info.continuous else None,
    )


def _learner(config: dict[str, Any], dataset: Dataset, total_steps: int | None, values: Values) -> Learner:
    """What a member trains whose `values` stand in the place of the config's numbers."""
    plugins = config["plugins"]
    nodes = {key: Rate(value) if _is_rate(key) else value for key, value in values.items()}
    own = with_values(config, nodes)
    make_model, layer = (build(own[node], plugins=plugins) for node in ("model", "arch"))
    varied = "learning_rate" in values
    peak = 1.0 if varied else config["learning_rate"]
    schedule = build(own["schedule"], plugins=plugins, learning_rate=peak, total_steps=total_steps)
    return Learner(
        build_model=lambda rngs: make_model(info=dataset.info, layer=layer, rngs=rngs),
        optimizer=make_optimizer(
            build(own["optimizer"], plugins=plugins),
            at_peak(schedule, values["learning_rate"]) if varied else schedule,
            clip=own["clip"],
        ),
        initial_scale=own["initial_scale"],
    )


def _is_rate(key: str) -> bool:
    """Whether the number under this key is a rate of dropout, the only kind that models and cells have as an axis."""
    return key.split(".")[0] in ("model", "arch")


def _as_float32(key: str, numbers: Sequence[float | None]) -> np.ndarray:
    """The numbers of some runs as inputs of a program; a `clip` of null is a norm that nothing reaches."""
    given = [np.inf if number is None else number for number in numbers]
    return np.array([as_float32(number) for number in given] if _is_rate(key) else given, np.float32)


def check_axis(learner: Callable[[Values], Learner], key: str) -> None:
    """UsageError where a part of the run asks for the value of a number while the program is made."""

    def first_update(values: Values) -> Any:
        made = learner(values)
        _, _, params = nnx.split(made.build_model(nnx.Rngs(0)), Rate, ...)
        return made.optimizer.update(params, made.optimizer.init(params), params, value=0.0)

    try:
        jax.eval_shape(first_update, {key: jax.ShapeDtypeStruct((), np.float32)})
    except jax.errors.ConcretizationTypeError as error:
        raise UsageError(
            f"together={key}: what takes {key} decides by its value what it does, so runs that differ in it cannot be "
            "one program; leave it out of together, and its values are trained one after another."
        ) from error
