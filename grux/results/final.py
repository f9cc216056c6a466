"""Final scores: a panel for each data set, a line for each architecture, every seed as a point."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from grux.results.figure import INK, Figure, Panel, label, labels, limit
from grux.results.palette import MARKERS, Style
from grux.results.placing import (
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
from grux.results.selection import BEST_VAL, Selection
from grux.results.units import Unit

# Seeds stand below the mean of their name, in rows of their own, so that equal scores are both seen.
MEAN, FIRST_SEED, LAST_SEED = -0.14, 0.08, 0.3
NAMED = 0.3  # methods without training are named above the first row, each on a line of its own
REACH = 1.5  # one further off than so many times the range of the scores is named at the edge, not drawn


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
    where, left_out = placed(runs, rows, columns, metric)
    panels, problems, with_baselines = [], [], False
    records: list[dict[str, Any]] = []
    counts: list[int] = []
    for column, by_name in where.items():
        unit, standings, without = standings_of(by_name, metric, split, column, selection)
        problems += without
        own = [run.record for group in by_name.values() for run in group if run.record]
        if standings:
            baselines = _baselines(own, unit)
            panels.append(_panel(titled(columns, column), unit, standings, baselines))
            with_baselines |= bool(baselines)
            records += own
            counts += [len(standing.scores) for standing in standings]
    if not panels:
        raise nothing_scored(selection, split, metric, problems)
    large = "Large mark and line: mean and 95 % interval (Student t) of two seeds or more."
    if selection.rule == "max_over_seeds":
        large = "Large mark: the best seed."
    dotted = " Dotted, or with an arrow where it is far off: without training." * with_baselines
    rule = selection.caption(records, counts)
    caption = f"Small marks: {split} scores of single seeds. {large}{dotted} {rule}"
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
        axes.set_ylim(len(names) - 0.4, top := -0.6 - NAMED * len(baselines))
        scaled = {name: value * unit.scale for name, value in baselines.items()}
        _draw_baselines(axes, scaled, shown, top, unit.bounds)
        axes.set_yticks(range(len(names)), labels(names))
        axes.grid(False, axis="y")

    rows = len(names) + NAMED * len(baselines)
    return Panel(title, f"{unit.split} {unit.label}", "", names, draw, height=max(2.0, 0.42 * rows + 1.1))


def _draw_baselines(
    axes: Any, baselines: dict[str, float], shown: list[float], top: float, bounds: tuple[float, float] | None
) -> None:
    """A dotted line for each, up to its name; where it would be far off the `shown` scores, its value and an arrow."""
    reach = REACH * (max(shown) - min(shown))
    near = {name: v for name, v in baselines.items() if min(shown) - reach <= v <= max(shown) + reach}
    for value in near.values():
        axes.plot([value], [0], alpha=0)  # so that the axis reaches it
    limit(axes, bounds, "x")
    left, right = axes.get_xlim()
    axes.set_xlim(left, right)
    # Lines end at their names, so the names of those without a line stand above them.
    ordered = sorted(baselines.items(), key=lambda pair: (pair[0] in near, pair[1]))
    for number, (name, value) in enumerate(ordered):
        height = top + NAMED * (number + 0.6)
        style = {"fontsize": 7, "verticalalignment": "center"}
        if name in near:
            axes.plot([value, value], [axes.get_ylim()[0], height - NAMED / 2], color=INK, linestyle=":", linewidth=1.2)
            side = "right" if value > (left + right) / 2 else "left"
            text = f"{label(name)} " if side == "right" else f" {label(name)}"
            axes.text(value, height, text, horizontalalignment=side, **style)
        elif value > max(shown):
            axes.text(right, height, f"{label(name)} {value:.3g} →", horizontalalignment="right", **style)
        else:
            axes.text(left, height, f"← {label(name)} {value:.3g}", horizontalalignment="left", **style)
