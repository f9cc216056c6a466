"""Learning curves: a panel for each data set, a line for each architecture, a band over its seeds."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from grux.errors import UsageError
from grux.results.comparable import mixed_line, refusal
from grux.results.figure import Figure, Panel, limit
from grux.results.palette import Style
from grux.results.record import Run, read_metrics
from grux.results.schema import as_number
from grux.results.seeds import newest_by_seed
from grux.results.select import differences, grouped, latest, require_key, titled
from grux.results.statistics import summarise
from grux.results.units import Unit, direction

FEWEST_FOR_AN_INTERVAL = 3
LOG_FROM = 20.0  # a range of this factor or more would hide the end of the curve on a linear axis

COORDINATES = ("step", "epoch", "seed", "split", "seconds")
Row = dict[str, Any]


@dataclass(frozen=True)
class Curve:
    """Mean over the seeds alive at each step, and the band around it (equal to the mean where there is none)."""

    name: str
    steps: tuple[int, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    seeds: int
    band: str  # interval | range | none
    ended_early: bool


def learning_curves(
    runs: Sequence[Run], *, rows: str = "arch", columns: str = "data", metric: str | None = None
) -> Figure:
    """Validation values over training steps: a panel for each of `columns`, a line for each of `rows`.

    `metric` None takes for each panel the metric that chose the best step. Raises UsageError where no run has such
    values, or one line would mix runs of different configs; a run without any is left out, and named.
    """
    panels, left_out = curves_of(runs, metric, rows=rows, columns=columns)
    return Figure(
        stem="learning_curves" + (re.sub(r"\W+", "_", f"_{metric}") if metric else ""),
        title="Learning curves",
        panels=tuple(_panel(titled(columns, name), unit, curves) for name, (unit, curves) in panels.items()),
        caption=_caption([curve for _, curves in panels.values() for curve in curves]),
        left_out=tuple(left_out),
    )


def curves_of(
    runs: Sequence[Run], metric: str | None = None, *, rows: str = "arch", columns: str = "data"
) -> tuple[dict[str, tuple[Unit, list[Curve]]], list[str]]:
    """(value of `columns` -> what its curves measure, and a curve for each of `rows`; why runs are left out)."""
    panels: dict[str, tuple[Unit, list[Curve]]] = {}
    measured: set[str] = set()
    left_out: list[str] = []
    if runs:
        require_key(runs, rows, f"--rows {rows}")
        require_key(runs, columns, f"--columns {columns}")
    runs = latest(runs)
    if problem := mixed_line(runs, rows, columns):
        raise UsageError(problem)
    for column, at_column in grouped(runs, columns).items():
        records = [run.record for run in at_column if run.record]
        chosen = metric or next(
            (r["selection"]["metric"] for r in records if (r.get("selection") or {}).get("metric")), "loss"
        )
        curves = []
        for name, group in grouped(at_column, rows).items():
            values = {run.path: [row for row in read_metrics(run) if row.get("split") == "validation"] for run in group}
            measured.update(key for found in values.values() for row in found for key in row if key not in COORDINATES)
            drawn = [run for run in group if any(_point(row, chosen) for row in values[run.path])]
            # An unfinished try beside a finished run is no part of its line.
            drawn = [run for run in drawn if run.record] or drawn
            left_out += [_left_out(run, chosen) for run in group if run not in drawn]
            if len(drawn) > 1 and (differing := differences(drawn)):
                raise UsageError(refusal(f"the curve of {name} on {column} would average {len(drawn)} runs", differing))
            newest = newest_by_seed(drawn)
            own = [row for run in drawn for row in values[run.path] if newest.get(_seed(row), run) is run]
            if curve := _curve(name, own, chosen):
                curves.append(curve)
        if curves:
            panels[column] = (Unit(chosen, "validation", direction(chosen, records)), curves)
    if not panels:
        wanted = f"no run has validation values of {metric}" if metric else "no run has validation values to draw"
        known = f"; choose one of {', '.join(sorted(measured))}" if measured else "; wait for the first evaluation"
        raise UsageError(f"{wanted}{known}.")
    return panels, left_out


def _left_out(run: Run, metric: str) -> str:
    if run.record:
        return f"{run.run_id}: its metrics.jsonl has no validation {metric}"
    return f"{run.run_id}: {run.state}" + (f" ({run.problem})" if run.problem else "")


def _seed(row: Row) -> int:
    return seed if type(seed := row.get("seed")) is int else -1


def _point(row: Row, metric: str) -> tuple[int, int, float] | None:
    """(step, seed, finite value) of a line of metrics.jsonl."""
    step, seed, value = row.get("step"), row.get("seed"), as_number(row.get(metric))
    if type(step) is int and type(seed) is int and value is not None and math.isfinite(value):
        return step, seed, value
    return None


def _curve(name: str, rows: list[Row], metric: str) -> Curve | None:
    values: dict[int, dict[int, float]] = {}  # step -> seed -> value
    for step, seed, value in filter(None, (_point(row, metric) for row in rows)):
        values.setdefault(step, {})[seed] = value
    if not values:
        return None
    seeds = {row["seed"] for row in rows if type(row.get("seed")) is int and as_number(row.get(metric)) is not None}
    band = "interval" if len(seeds) >= FEWEST_FOR_AN_INTERVAL else "range" if len(seeds) == 2 else "none"
    steps = tuple(sorted(values))
    mean, low, high = [], [], []
    for step in steps:
        alive = list(values[step].values())
        summary = summarise(alive)
        # One interval for the whole line: where too few seeds are left for it, the band ends with their range.
        if band == "interval" and len(alive) >= FEWEST_FOR_AN_INTERVAL and summary.half_width is not None:
            bounds = (summary.mean - summary.half_width, summary.mean + summary.half_width)
        else:
            bounds = (min(alive), max(alive))
        mean.append(summary.mean)
        low.append(bounds[0])
        high.append(bounds[1])
    ended = any(len(values[step]) < len(seeds) for step in steps)
    return Curve(name, steps, tuple(mean), tuple(low), tuple(high), len(seeds), band, ended)


def _panel(title: str, unit: Unit, curves: list[Curve]) -> Panel:
    def draw(axes: Any, styles: dict[str, Style]) -> None:
        for curve in curves:
            colour, dash = styles[curve.name]
            mean, low, high = ([value * unit.scale for value in part] for part in (curve.mean, curve.low, curve.high))
            single = "o" if len(curve.steps) == 1 else None  # a line of one point is invisible
            axes.plot(curve.steps, mean, color=colour, linestyle=dash, linewidth=1.6, marker=single)
            if curve.band != "none":
                axes.fill_between(curve.steps, low, high, color=colour, alpha=0.18, linewidth=0)
        axes.margins(x=0.02)
        means = [value for curve in curves for value in curve.mean]
        if unit.higher_is_better is False and min(means) > 0 and max(means) / min(means) >= LOG_FROM:
            axes.set_yscale("log")
            # A band may reach below zero, where a logarithm has nothing to show.
            axes.set_ylim(min(means) * 0.8 * unit.scale, None)
        limit(axes, unit.bounds)

    names = tuple(curve.name for curve in curves)
    return Panel(title, "training step", f"validation {unit.label}", names, draw)


def _caption(curves: list[Curve]) -> str:
    counts = sorted({curve.seeds for curve in curves})
    parts = ["Line: one seed." if counts == [1] else f"Line: mean over {' or '.join(map(str, counts))} seeds."]
    bands = {curve.band for curve in curves}
    meaning = {"interval": "95 % interval (Student t)", "range": "range of two seeds, smallest to largest"}
    said = [meaning[band] for band in ("interval", "range") if band in bands]
    if said:
        parts.append(f"Band: {'; '.join(said)}.")
    if any(curve.ended_early for curve in curves):
        parts.append(
            "Some seeds stopped early: from there on, mean of those still training; range where fewer than three."
        )
    return " ".join(parts)
