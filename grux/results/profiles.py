"""Performance profiles: for every score the share of runs above it, over all data sets (Agarwal et al. 2021)."""

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np

from grux.errors import UsageError
from grux.results.figure import Figure, Panel
from grux.results.normalised import normalised
from grux.results.palette import Style
from grux.results.record import Run
from grux.results.select import latest
from grux.results.selection import BEST_VAL, Selection
from grux.results.suite import profile
from grux.results.table import make_table
from grux.results.view import View

POINTS = 200


def performance_profile(
    runs: Sequence[Run],
    *,
    rows: str = "arch",
    columns: str = "data",
    metric: str | None = None,
    split: str = "test",
    aggregate: str | None = None,
    selection: Selection = BEST_VAL,
) -> Figure:
    """One panel, a line for each value of `rows`; scores of all `columns` are normalised by `aggregate`, ZERO:ONE."""
    if aggregate is None:
        raise UsageError(
            "--kind profile puts all data sets on one scale; say what is 0 and 1 on each, like --aggregate elman:gru."
        )
    if selection.rule == "max_over_seeds":
        raise UsageError(
            "--kind profile shows every run, and --select max_over_seeds keeps one of each config; choose another rule."
        )
    bounds = View(aggregate=aggregate).bounds
    assert bounds is not None
    view = View(*(rows, columns, split, metric), select=selection.rule, last=selection.k, show=())
    table = make_table(runs, view)
    scores, left_out = normalised(table.rows, table.lines, *bounds)
    if not scores:
        raise UsageError(f"no value of {rows} has a score for every {columns}; train the rest, or filter by key=value.")
    values = [score for own in scores.values() for score in chain(*own)]
    margin = 0.05 * ((max(values) - min(values)) or 1.0)
    thresholds = np.linspace(min(values) - margin, max(values) + margin, POINTS).tolist()
    shares = {name: profile(own, thresholds) for name, own in scores.items()}

    def draw(axes: Any, styles: dict[str, Style]) -> None:
        for name, estimates in shares.items():
            colour, dash = styles[name]
            share, low, high = zip(*estimates, strict=True)
            axes.plot(thresholds, share, color=colour, linestyle=dash, linewidth=1.6, drawstyle="steps-post")
            axes.fill_between(thresholds, low, high, color=colour, alpha=0.15, linewidth=0, step="post")
        axes.set_ylim(-0.02, 1.02)

    zero, one = bounds
    many, one_line = ("data sets", "data set") if columns == "data" else (f"values of {columns}", f"value of {columns}")
    over = f"mean over {len(table.lines)} {many}" if len(table.lines) > 1 else f"1 {one_line}"
    panel = Panel("", f"score ({zero} = 0, {one} = 1)", "share of runs above it", tuple(scores), draw)
    caption = (
        f"Share of runs whose normalised {split} score is above the value below, {over}. Band: 95 % interval of a "
        "bootstrap over seeds, stratified; with few seeds it is too narrow. "
        + selection.caption([run.record for run in latest(runs) if run.record], [])
    )
    return Figure("performance_profile", "Performance profile", (panel,), caption, tuple(left_out))
