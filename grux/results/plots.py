"""The figures that grux draws, by kind."""

from collections.abc import Sequence
from typing import Any

from grux.errors import UsageError
from grux.results.calibration import calibration
from grux.results.comparable import by_file
from grux.results.confusion import confusion
from grux.results.curves import learning_curves
from grux.results.figure import Figure
from grux.results.final import final_scores
from grux.results.pareto import COSTS, pareto
from grux.results.probes import gradient_by_lag, score_by_length
from grux.results.profiles import performance_profile
from grux.results.record import Run
from grux.results.selection import Selection
from grux.results.view import View

KINDS = {
    "curves": "validation values over training steps, band over seeds",
    "final": "test score of every seed, mean and interval",
    "pareto": "score against --against parameters, flops or seconds, with the Pareto front",
    "lag": "gradient norm of the last state against the lag of the input",
    "length": "test score by length of the input",
    "confusion": "test examples by true and predicted class, a panel for each run",
    "calibration": "accuracy of test predictions by their confidence (reliability diagram)",
    "profile": "share of runs above every score, all data sets on the scale of --aggregate ZERO:ONE",
}
_DRAWN = {
    "curves": (learning_curves, ("metric",)),
    "final": (final_scores, ("metric", "split", "select", "last")),
    "pareto": (pareto, ("metric", "split", "select", "last", "against")),
    "lag": (gradient_by_lag, ()),
    "length": (score_by_length, ("metric",)),
    "confusion": (confusion, ()),
    "calibration": (calibration, ()),
    "profile": (performance_profile, ("metric", "split", "select", "last", "aggregate")),
}


def options_of(kind: str, view: View) -> dict[str, str | int | None]:
    """What the options of a table say about a figure of this kind."""
    # Curves show by default what chose the best step, which need not be the metric of the table.
    takes = () if kind == "curves" else _DRAWN[kind][1]
    return {name: getattr(view, name) for name in takes if name in View.__dataclass_fields__}


def make_figure(
    kind: str, runs: Sequence[Run], *, rows: str = "arch", columns: str = "data", **options: str | int | None
) -> Figure:
    """One of `KINDS`. Options: `metric`, `split`, `select`, `last`, `against`, `aggregate`; None is the default.

    Raises UsageError for an unknown kind, an option that the kind does not have, and where there is nothing to draw.
    """
    if kind not in KINDS:
        raise UsageError(f"--kind {kind} is not known; choose one of {', '.join(KINDS)}.")
    draw, takes = _DRAWN[kind]
    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    if foreign := sorted(given.keys() - set(takes)):
        raise UsageError(f"--kind {kind} takes no --{foreign[0]}; leave it out.")
    if (against := given.get("against", "parameters")) not in COSTS:
        raise UsageError(f"--against {against} is not known; choose one of {', '.join(COSTS)}.")
    if "select" in takes:
        view = View(select=given.pop("select", View.select), last=given.pop("last", View.last))
        given["selection"] = Selection(view.select, view.last)
    rows, columns = by_file(runs, rows, columns)
    return draw(runs, rows=rows, columns=columns, **given)
