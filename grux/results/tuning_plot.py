"""The picture of a search: the expected best validation score against the number of trials, a line per contestant."""

from typing import Any

from grux.results.figure import Figure, Panel, limit
from grux.results.palette import Style
from grux.results.tuning import Report


def search_figure(report: Report) -> Figure:
    """`expected_best`: mean and band of the best of n trials, for every n."""

    def draw(axes: Any, styles: dict[str, Style]) -> None:
        for name, curve in report.curves.items():
            colour, dash = styles[name]
            trials = range(1, len(curve.expected) + 1)
            mean, low, high = (
                [v * report.unit.scale for v in part] for part in (curve.expected, curve.low, curve.high)
            )
            marker = "o" if len(mean) == 1 else None  # a line of one point is invisible
            axes.plot(trials, mean, color=colour, linestyle=dash, linewidth=1.6, marker=marker)
            axes.fill_between(trials, low, high, color=colour, alpha=0.15, linewidth=0)
        axes.xaxis.get_major_locator().set_params(integer=True)
        limit(axes, report.unit.bounds)

    best = "expected best" if report.expects else "best so far,"
    names = tuple(report.curves)
    panel = Panel("", "trials of the search", f"{best} validation {report.unit.label}", names, draw)
    caption = (
        "Line: expected best of n trials, without replacement. Band: 5 to 95 % of the searches of n of these trials."
        if report.expects
        else "Line: best of the first n trials, in the order in which they were tried."
    )
    return Figure("expected_best", "Search", (panel,), caption)
