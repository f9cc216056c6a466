"""What a score costs: every config as a point, score against parameters, FLOPs or seconds, and the Pareto front."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from grux.errors import UsageError
from grux.results.figure import Figure, Panel, limit
from grux.results.palette import MARKERS, Style
from grux.results.placing import (
    by_config,
    finite_scores_of,
    metric_of,
    nothing_scored,
    placed,
    summary_of,
    unit_of,
)
from grux.results.record import Run
from grux.results.schema import as_number
from grux.results.seeds import holders, newest_by_seed
from grux.results.select import titled
from grux.results.selection import BEST_VAL, Selection
from grux.results.units import SIZES, Unit

COSTS = {
    "parameters": "parameters",
    "flops": "forward FLOPs per example",
    "seconds": "training seconds per seed",
}
MOST_TICKS = 6
FRONT = "#80868c"  # as dark as the paper is far from the ink, in light and in dark


@dataclass(frozen=True)
class Point:
    """One config: what it costs and what it scores; `half_width` None where there is no interval."""

    name: str
    cost: float
    mean: float
    half_width: float | None
    seeds: int = 1


def pareto(
    runs: Sequence[Run],
    *,
    rows: str = "arch",
    columns: str = "data",
    metric: str | None = None,
    split: str = "test",
    against: str = "parameters",
    selection: Selection = BEST_VAL,
) -> Figure:
    """A panel for each of `columns`, a point for each config, coloured by its value of `rows`."""
    if against not in COSTS:
        raise UsageError(f"--against {against} is not known; choose one of {', '.join(COSTS)}.")
    where, left_out = placed(runs, rows, columns, metric)
    panels, problems, with_front = [], [], False
    records: list[dict[str, Any]] = []
    counts: list[int] = []
    for column, by_name in where.items():
        unit, points, without = points_of(by_name, metric, split, against, selection)
        problems += without
        if points:
            panels.append(_panel(titled(columns, column), unit, points, COSTS[against]))
            with_front |= has_front(unit, points)
            records += [run.record for group in by_name.values() for run in group if run.record]
            counts += [point.seeds for point in points]
    if not panels:
        raise nothing_scored(selection, split, metric, problems)
    if selection.rule == "max_over_seeds":
        caption = f"{split.capitalize()} score of the best seed of each config against its {COSTS[against]}."
    else:
        caption = f"Mean {split} score of each config against its {COSTS[against]}; bars: 95 % interval over seeds"
        caption += " (Student t)."
    if with_front:
        caption += " Line: the Pareto front, through the configs that no other one beats in both."
    caption += f" {selection.caption(records, counts)}"
    title = f"Score against {COSTS[against]}"
    return Figure(f"pareto_{against}", title, tuple(panels), caption, tuple(left_out + problems), legend="point")


def points_of(
    by_name: dict[str, list[Run]], metric: str | None, split: str, against: str, selection: Selection = BEST_VAL
) -> tuple[Unit, list[Point], list[str]]:
    """(what the scores of a panel measure, a point for each config, why some have none)."""
    records = [run.record for group in by_name.values() for run in group if run.record]
    chosen = metric_of(records, metric)
    left_out: list[str] = []
    placed_at: list[tuple[str, float, dict[int, float]]] = []
    for name, group in by_name.items():
        for same in by_config(group):
            found, problems = finite_scores_of(same, split, chosen, selection)
            cost = _cost(holders(newest_by_seed(same)), against)
            left_out += problems
            if found and cost is not None:
                placed_at.append((name, cost, found))
            elif found or not problems:
                left_out.append(f"{same[0].run_id}: no {against if found else f'{split} {chosen}'} in its record")
    unit = unit_of(chosen, split, records, [found for _, _, found in placed_at])
    points = []
    for name, cost, found in placed_at:
        summary = summary_of(found, selection, unit)
        points.append(Point(name, cost, summary.mean, summary.half_width, summary.n))
    return unit, points, left_out


def has_front(unit: Unit, points: Sequence[Point]) -> bool:
    """Whether there is something to be beaten, and it is known what that means."""
    return unit.higher_is_better is not None and len(points) > 1


def front(points: Sequence[Point], higher_is_better: bool) -> list[Point]:
    """The points that no other one beats or equals in both cost and score while beating it in one; by cost."""
    sign = 1 if higher_is_better else -1
    best: list[Point] = []
    for point in sorted(points, key=lambda point: (point.cost, -sign * point.mean)):
        if not best or sign * point.mean > sign * best[-1].mean:
            best.append(point)
    return best


def _cost(runs: Sequence[Run], against: str) -> float | None:
    """Of one config; seconds are those of all its seeds over their number."""
    records = [run.record for run in runs if run.record]
    if against == "seconds":
        found = [as_number((record.get("seconds") or {}).get("train")) for record in records]
        seconds = [second for second in found if second is not None]
        seeds = sum(len(record["seeds"]) for record in records)
        cost = sum(seconds) / seeds if seconds and len(seconds) == len(records) and seeds else None
    elif against == "flops":
        cost = as_number((records[0].get("flops") or {}).get("forward_per_example"))
    else:
        cost = as_number((records[0].get("parameters") or {}).get("total"))
    return cost if cost is not None and math.isfinite(cost) and cost > 0 else None


def tick_texts(values: Sequence[float]) -> list[str]:
    """The ticks of an axis of costs, each with the digits that tell it from its neighbours."""
    top = max(map(abs, values), default=0.0)
    size, letter = next(((size, letter) for size, letter in SIZES if top >= size), (1, ""))
    scaled = [value / size for value in values]
    apart = min((b - a for a, b in pairwise(scaled)), default=top / size)
    # Each tick may be off by a hundredth of their distance at most, which nobody sees.
    decimals = next((d for d in range(6) if all(abs(round(v, d) - v) <= 0.01 * apart for v in scaled)), 6)
    return [f"{value:.{decimals}f}{letter}" for value in scaled]


def log_ticks(low: float, high: float) -> list[float]:
    """1, 2, 5, 10, ... between the two, or powers of ten alone where these would be too many."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [digit * 10.0**power for power in powers for digit in (1, 2, 5)]
    shown = [tick for tick in ticks if low <= tick <= high]
    return shown if len(shown) <= MOST_TICKS else [10.0**power for power in powers if low <= 10.0**power <= high]


def _panel(title: str, unit: Unit, points: list[Point], x: str) -> Panel:
    def draw(axes: Any, styles: dict[str, Style]) -> None:
        from matplotlib.ticker import MaxNLocator

        for point in points:
            colour, dash = styles[point.name]
            width = None if point.half_width is None else point.half_width * unit.scale
            style = {"markersize": 6, "capsize": 2, "linewidth": 1.0, "color": colour, "zorder": 2}
            axes.errorbar(point.cost, point.mean * unit.scale, yerr=width, fmt=MARKERS[dash], **style)
        costs = [point.cost for point in points]
        logarithmic = max(costs) / min(costs) >= 3
        axes.set_xscale("log" if logarithmic else "linear")
        axes.margins(x=0.12, y=0.12)
        limit(axes, unit.bounds)
        low, high = axes.get_xlim()
        if logarithmic:
            ticks = log_ticks(low, high)
            texts = [text for tick in ticks for text in tick_texts([tick])]
        else:
            found = MaxNLocator(MOST_TICKS - 1, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
            ticks = [float(tick) for tick in found if low <= tick <= high]
            texts = tick_texts(ticks)
        axes.minorticks_off()
        axes.set_xticks(ticks, texts)
        if has_front(unit, points):
            _draw_front(axes, front(points, bool(unit.higher_is_better)), unit)

    return Panel(title, x, f"{unit.split} {unit.label}", tuple(dict.fromkeys(p.name for p in points)), draw)


def _draw_front(axes: Any, line: list[Point], unit: Unit) -> None:
    """Steps through the points, to the edges of what they beat: a front of one point is a corner."""
    limits = axes.get_xlim(), axes.get_ylim()
    worst = limits[1][0] if unit.higher_is_better else limits[1][1]
    costs = [line[0].cost, *(point.cost for point in line), limits[0][1]]
    scores = [worst, *(point.mean * unit.scale for point in line), line[-1].mean * unit.scale]
    axes.plot(costs, scores, drawstyle="steps-post", color=FRONT, linewidth=1.1, zorder=1)
    axes.set(xlim=limits[0], ylim=limits[1])
