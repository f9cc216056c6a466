"""Final scores: a panel for each data set, a line for each architecture, every seed as a point."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from grux.results.figure import INK, Figure, Panel, label, labels
from grux.results.palette import MARKERS, Style
from grux.results.placing import (
    BEST_VAL,
    alike,
    finite_scores_of,
    metric_of,
    nothing_scored,
    placed,
    summary_of,
    unit_of,
)
from grux.results.record import Run
from grux.results.schema import as_number
from grux.results.select import titled
from grux.results.selection import Selection
from grux.results.units import Unit

# Seeds stand below the mean of their name, in rows of their own, so that equal scores are both seen.
MEAN, FIRST_SEED, LAST_SEED = -0.14, 0.08, 0.3
EDGE = {"xycoords": "axes fraction", "fontsize": 7}
REACH = 1.5  # a baseline further off than so many times the range of the scores is named at the edge, not drawn


@dataclass(frozen=True)
class Standing:
    """One name in one panel: its mean, or its best seed where that was asked for; None where there is no interval."""

    name: str
    scores: dict[int, float]
    mean: float
    half_width: float | None


def final_scores(
    runs: Sequence[Run],
    *,
    rows: str = "arch",
    columns: str = "data",
    metric: str | None = None,
    split: str = "test",
    selection: Selection = BEST_VAL,
) -> Figure:
    """Scores of all seeds, their mean and its 95 % interval; methods without training as dotted lines."""
    where, left_out = placed(runs, rows, columns)
    panels, problems = [], []
    records: list[dict[str, Any]] = []
    counts: list[int] = []
    for column, by_name in where.items():
        unit, standings, without = standings_of(by_name, metric, split, column, selection)
        problems += without
        own = [run.record for group in by_name.values() for run in group if run.record]
        if standings:
            panels.append(_panel(titled(columns, column), unit, standings, _baselines(own, unit)))
            records += own
            counts += [len(standing.scores) for standing in standings]
    if not panels:
        raise nothing_scored(selection, split, metric, problems)
    large = "Large mark and line: mean and 95 % interval (Student t) of two seeds or more."
    if selection.rule == "max_over_seeds":
        large = "Large mark: the best seed."
    rule = selection.caption(records, counts)
    caption = f"Small marks: {split} scores of single seeds. {large} Dotted: without training. {rule}"
    return Figure("final", "Final scores", tuple(panels), caption, tuple(left_out + problems), legend=None)


def standings_of(
    by_name: dict[str, list[Run]], metric: str | None, split: str, column: str, selection: Selection = BEST_VAL
) -> tuple[Unit, list[Standing], list[str]]:
    """(what the scores of a panel measure, those of each name that has any, why others have none)."""
    records = [run.record for group in by_name.values() for run in group if run.record]
    chosen = metric_of(records, metric)
    scores: dict[str, dict[int, float]] = {}
    left_out: list[str] = []
    for name, group in by_name.items():
        alike(group, f"{name} on {column}")
        found, problems = finite_scores_of(group, split, chosen, selection)
        left_out += problems if found or problems else [f"{name} on {column}: no {split} {chosen}"]
        scores |= {name: found} if found else {}
    unit = unit_of(chosen, split, records, list(scores.values()))
    summaries = {name: summary_of(found, selection, unit) for name, found in scores.items()}
    return unit, [Standing(n, scores[n], s.mean, s.half_width) for n, s in summaries.items()], left_out


def _baselines(records: list[dict[str, Any]], unit: Unit) -> dict[str, float]:
    found: dict[str, float] = {}
    for record in records:
        for name, scores in (record.get("baselines") or {}).items():
            value = as_number(scores.get(unit.split, {}).get(unit.metric))
            if value is not None and math.isfinite(value):
                found.setdefault(name, value)
    return found


def _panel(title: str, unit: Unit, standings: list[Standing], baselines: dict[str, float]) -> Panel:
    names = tuple(standing.name for standing in standings)

    def draw(axes: Any, styles: dict[str, Style]) -> None:
        for place, standing in enumerate(standings):
            colour, dash = styles[standing.name]
            values = [score * unit.scale for score in standing.scores.values()]
            apart = (LAST_SEED - FIRST_SEED) / max(len(values) - 1, 1)
            rows = [place + (FIRST_SEED + apart * number if len(values) > 1 else 0) for number in range(len(values))]
            axes.plot(values, rows, linestyle="none", marker=MARKERS[dash], markersize=4, color=colour, alpha=0.6)
            if len(values) > 1:
                width = None if standing.half_width is None else standing.half_width * unit.scale
                style = {"markersize": 8, "capsize": 3, "linewidth": 1.6, "color": colour}
                axes.errorbar(standing.mean * unit.scale, place + MEAN, xerr=width, fmt=MARKERS[dash], **style)
        shown = [score * unit.scale for standing in standings for score in standing.scores.values()]
        reach = REACH * (max(shown) - min(shown))
        far: dict[str, list[str]] = {"left": [], "right": []}
        for name, value in ((name, value * unit.scale) for name, value in baselines.items()):
            style = {"fontsize": 7, "xycoords": ("data", "axes fraction"), "textcoords": "offset points"}
            if min(shown) - reach <= value <= max(shown) + reach:
                axes.axvline(value, color=INK, linestyle=":", linewidth=1.2)
                axes.annotate(label(name), (value, 0.02), xytext=(2, 0), rotation=90, **style)
            else:
                text = f"{label(name)} {value:.3g}"
                far["right" if value > max(shown) else "left"].append(text)
        for side, texts in far.items():
            lines = [f"{text} →" if side == "right" else f"← {text}" for text in texts]
            at = (1 if side == "right" else 0, 0.99)
            axes.annotate("\n".join(lines), at, horizontalalignment=side, verticalalignment="top", **EDGE)
        axes.set_yticks(range(len(names)), labels(names))
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.grid(False, axis="y")

    return Panel(title, f"{unit.split} {unit.label}", "", names, draw, height=max(2.0, 0.42 * len(names) + 1.1))
