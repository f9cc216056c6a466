"""The picture of a search: the expected best validation score against the number of trials, a line per contestant."""

import io
import textwrap
from pathlib import Path
from typing import Any

from grux.results.plots import _label, _matplotlib, style_of
from grux.results.record import write_atomic
from grux.results.tuning import Report


def plot_search(report: Report, folder: Path) -> list[Path]:
    """Writes `expected_best.png` and `.svg` into `folder`. Raises UsageError where matplotlib is missing."""
    figure_class, rc_context = _matplotlib()
    paths = [folder / "expected_best.png", folder / "expected_best.svg"]
    # Fixed salt and no date: the same trials give the same file.
    with rc_context({"svg.hashsalt": "grux", "font.size": 9}):
        figure = _draw(report, figure_class)
        for path, options in zip(paths, ({"dpi": 200}, {"metadata": {"Date": None}}), strict=True):
            picture = io.BytesIO()
            figure.savefig(picture, format=path.suffix[1:], **options)
            write_atomic(path, picture.getvalue())
    return paths


def _draw(report: Report, figure_class: Any) -> Any:
    figure = figure_class(figsize=(5.2, 3.9), layout="constrained")
    axes = figure.add_subplot()
    styles: dict[str, tuple[str, str]] = {}
    for name, curve in report.curves.items():
        styles[name] = colour, dash = style_of(name, styles.values())
        trials = range(1, len(curve.expected) + 1)
        mean, low, high = ([v * report.unit.scale for v in part] for part in (curve.expected, curve.low, curve.high))
        marker = "o" if len(mean) == 1 else None  # a line of one point is invisible
        axes.plot(trials, mean, color=colour, linestyle=dash, linewidth=1.6, marker=marker, label=_label(name))
        axes.fill_between(trials, low, high, color=colour, alpha=0.15, linewidth=0)
    axes.set_xlabel("trials of the search")
    best = "expected best" if report.expects else "best so far,"
    axes.set_ylabel(_label(f"{best} validation {report.unit.label}"))
    axes.grid(True, color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.xaxis.get_major_locator().set_params(integer=True)
    figure.legend(loc="outside upper center", ncols=min(len(report.curves), 6), frameon=False)
    caption = (
        "Line: expected best of n trials, without replacement. Band: 5 to 95 % of the searches of n of these trials."
        if report.expects
        else "Line: best of the first n trials, in the order in which they were tried."
    )
    figure.supxlabel(textwrap.fill(caption, width=88), fontsize=7.5, color="#444444")
    return figure
