"""What a run notes down about its memory: gradient norm against lag, and score by length of the input.

Both come from `result.json` (`gradient_by_lag`, `score_by_length`; defined in grux.training.lag and .lengths). Records
of before, and tasks that have no such axis, have none: forecasts, for one, read windows of one length.
"""

import math
from collections.abc import Sequence
from typing import Any

from grux.errors import UsageError
from grux.results.figure import Figure, Panel, limit
from grux.results.palette import MARKERS, Style
from grux.results.placing import alike, metric_of, placed
from grux.results.record import Run
from grux.results.schema import as_number
from grux.results.seeds import holders, newest_by_seed
from grux.results.select import titled
from grux.results.selection import BEST_VAL
from grux.results.statistics import Summary, summarise
from grux.results.units import Unit, direction

Bins = tuple[tuple[int, int, int], ...]
"""(shortest, longest, examples) of each."""


def gradient_by_lag(runs: Sequence[Run], *, rows: str = "arch", columns: str = "data") -> Figure:
    """A line for each of `rows`: geometric mean over seeds, band from the smallest to the largest."""
    where, left_out = placed(runs, rows, columns)
    panels = []
    for column, by_name in where.items():
        lines: dict[str, dict[int, list[float]]] = {}
        for name, group in by_name.items():
            alike(group, f"the line of {name} on {column}")
            found = norms_of(group)
            left_out += [] if found else [f"{run.run_id}: no gradient_by_lag in its record" for run in group]
            lines |= {name: found} if found else {}
        if lines:
            panels.append(lag_panel(titled(columns, column), lines))
    if not panels:
        raise UsageError("no run has gradient norms by lag in its record; train again with this version of grux.")
    caption = (
        "Norm of the gradient of the last recurrent state by the input k steps before (root mean square over examples "
        "of the Frobenius norm; Pascanu et al. 2013), best weights, one batch of the validation split. Line: geometric "
        "mean over seeds; band: smallest to largest."
    )
    return Figure("lag", "Gradient norm against lag", tuple(panels), caption, tuple(left_out))


def norms_of(runs: Sequence[Run]) -> dict[int, list[float]]:
    """Lag -> norms of all seeds that are finite; {} where no record has any."""
    norms: dict[int, list[float]] = {}
    newest = newest_by_seed(runs)
    for run in holders(newest):
        record = run.record or {}
        probe = record.get("gradient_by_lag") or {"norms": []}
        for entry, found in zip(record["seeds"], probe["norms"], strict=False):
            if entry["status"] != "done" or newest[entry["seed"]] is not run:
                continue
            for lag, value in zip(probe["lags"], map(as_number, found), strict=False):
                if value is not None and math.isfinite(value):
                    norms.setdefault(lag, []).append(value)
    return norms


def score_by_length(
    runs: Sequence[Run], *, rows: str = "arch", columns: str = "data", metric: str | None = None
) -> Figure:
    """A line for each of `rows`: mean over seeds in each bin of input lengths, bars for its 95 % interval."""
    where, left_out = placed(runs, rows, columns, metric)
    panels = []
    shown: list[dict[str, Any]] = []
    for column, by_name in where.items():
        records = [run.record for group in by_name.values() for run in group if run.record]
        unit = Unit(chosen := metric_of(records, metric), "test", direction(chosen, records))
        lines: dict[str, list[Summary | None]] = {}
        first: Bins | None = None
        for name, group in by_name.items():
            alike(group, f"the line of {name} on {column}")
            bins, found = scores_by_bin(group, chosen)
            first = first or bins
            if not found or bins != first:
                why = "other bins of lengths" if found else f"no score_by_length of {chosen} in its record"
                left_out += [f"{run.run_id}: {why}" for run in group]
                continue
            lines[name] = found
        if lines and first:
            panels.append(_length_panel(titled(columns, column), unit, first, lines))
            shown += records
    if not panels:
        what = f"test {metric} by length" if metric else "scores by length"
        raise UsageError(f"no run has {what} in its record; forecasts have none, old records neither.")
    caption = (
        "Test score by length of the input; bins hold about equally many examples. Line: mean over seeds; bars: 95 % "
        f"interval (Student t). {BEST_VAL.caption(shown, [])}"  # records hold no other weights' scores by length
    )
    return Figure("length", "Score by length", tuple(panels), caption, tuple(left_out))


def scores_by_bin(runs: Sequence[Run], metric: str) -> tuple[Bins | None, list[Summary | None]]:
    """(bins of the first run that has any, mean and interval over the seeds in each; [] where there is no score)."""
    bins: Bins | None = None
    values: list[list[float]] = []
    newest = newest_by_seed(runs)
    for run in holders(newest):
        record = run.record or {}
        if not (probe := record.get("score_by_length")):
            continue
        own = tuple((part["shortest"], part["longest"], part["examples"]) for part in probe["bins"])
        bins = bins or own
        for entry, scores in zip(record["seeds"], probe["scores"], strict=False):
            if own != bins or entry["status"] != "done" or newest[entry["seed"]] is not run:
                continue
            if len(found := scores.get(metric) or []) != len(bins):
                continue
            values = values or [[] for _ in bins]
            for place, value in zip(values, map(as_number, found), strict=True):
                if value is not None and math.isfinite(value):
                    place.append(value)
    return bins, [summarise(place) if place else None for place in values]


def lag_panel(title: str, lines: dict[str, dict[int, list[float]]]) -> Panel:
    """Name -> lag -> norms of the seeds."""

    def draw(axes: Any, styles: dict[str, Style]) -> None:
        for name, norms in lines.items():
            colour, dash = styles[name]
            # Zero has no logarithm: a gradient that is exactly zero ends the line.
            lags = [lag for lag in sorted(norms) if min(norms[lag]) > 0]
            centre = [math.exp(math.fsum(map(math.log, norms[lag])) / len(norms[lag])) for lag in lags]
            axes.plot(lags, centre, color=colour, linestyle=dash, linewidth=1.6, marker=MARKERS[dash], markersize=3)
            low, high = ([pick(norms[lag]) for lag in lags] for pick in (min, max))
            axes.fill_between(lags, low, high, color=colour, alpha=0.18, linewidth=0)
        axes.set_yscale("log")
        axes.set_xscale("symlog", linthresh=1, base=2)  # lag 0 has its place
        longest = max(lag for norms in lines.values() for lag in norms)
        ticks = [0, *(2**power for power in range(longest.bit_length()))]
        axes.set_xticks(ticks[:1] + ticks[1::2] if len(ticks) > 8 else ticks)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0f}")
        axes.minorticks_off()
        axes.set_xlim(left=-0.4)

    return Panel(title, "lag k (steps)", "gradient norm", tuple(lines), draw)


def _length_panel(title: str, unit: Unit, bins: Bins, lines: dict[str, list[Summary | None]]) -> Panel:
    def draw(axes: Any, styles: dict[str, Style]) -> None:
        for number, (name, found) in enumerate(lines.items()):
            colour, dash = styles[name]
            aside = 0.3 * ((number + 0.5) / len(lines) - 0.5)  # bars side by side
            points = [(place + aside, summary) for place, summary in enumerate(found) if summary]
            x, y = [place for place, _ in points], [summary.mean * unit.scale for _, summary in points]
            width = [(summary.half_width or 0.0) * unit.scale for _, summary in points]
            style = {"linestyle": dash, "linewidth": 1.4, "marker": MARKERS[dash], "markersize": 4, "capsize": 2}
            axes.errorbar(x, y, yerr=width, color=colour, elinewidth=0.9, **style)
        spans = [f"{low}" if low == high else f"{low}–{high}" for low, high, _ in bins]
        texts = [f"{span}\n({n})" for span, (_, _, n) in zip(spans, bins, strict=True)]
        axes.set_xticks(range(len(bins)), texts, fontsize=7)
        limit(axes, unit.bounds)

    return Panel(title, "length (number of examples)", f"{unit.split} {unit.label}", tuple(lines), draw)
