"""Learning curves: a panel for each data set, a line for each architecture, a band over its seeds.

Colours are those of Okabe and Ito (2008, "Color Universal Design"), told apart with every kind of colour vision; a name
has the same colour and dash in every figure.
"""

import io
import math
import re
import textwrap
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grux.errors import UsageError
from grux.results.comparable import refusal
from grux.results.grid import printable
from grux.results.record import Run, read_metrics, storage_error, write_atomic
from grux.results.schema import as_number
from grux.results.select import differences, grouped, latest
from grux.results.statistics import summarise
from grux.results.units import Unit, direction

# Okabe and Ito's yellow is left out: it cannot be seen as a thin line on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES = ("-", "--", "-.", ":")
# The architectures met most often share no figure with a colour that looks like theirs.
FIXED = {"gru": ("#0072B2", "-"), "lstm": ("#D55E00", "-"), "elman": ("#009E73", "-")}

PANELS_IN_A_ROW = 3
FEWEST_FOR_AN_INTERVAL = 3
LOG_FROM = 20.0  # a range of this factor or more would hide the end of the curve on a linear axis


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


def plot_learning_curves(runs: Sequence[Run], folder: str | Path, *, metric: str | None = None) -> list[Path]:
    """Writes `learning_curves.png` and `.svg` (with the metric's name where one is given) and gives their paths.

    `metric` None takes for each data set the validation metric that chose the best step. Raises UsageError where
    matplotlib is missing, no run has such values, or one line would mix runs of different configs.
    """
    figure_class, rc_context = _matplotlib()
    panels = curves_of(runs, metric)
    folder = Path(folder)
    stem = "learning_curves" + (re.sub(r"\W+", "_", f"_{metric}") if metric else "")
    paths = [folder / f"{stem}.png", folder / f"{stem}.svg"]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(folder, error) from error
    # Fixed salt and no date: the same runs give the same file.
    with rc_context({"svg.hashsalt": "grux", "font.size": 9}):
        figure = _draw(panels, figure_class)
        for path, options in zip(paths, ({"dpi": 200}, {"metadata": {"Date": None}}), strict=True):
            picture = io.BytesIO()
            figure.savefig(picture, format=path.suffix[1:], **options)
            write_atomic(path, picture.getvalue())
    return paths


def curves_of(runs: Sequence[Run], metric: str | None = None) -> dict[str, tuple[Unit, list[Curve]]]:
    """Data set -> what its validation curves measure, and a curve for each architecture."""
    panels: dict[str, tuple[Unit, list[Curve]]] = {}
    measured: set[str] = set()
    for data, at_data in grouped(latest(runs), "data").items():
        records = [run.record for run in at_data if run.record]
        chosen = metric or next(
            (r["selection"]["metric"] for r in records if (r.get("selection") or {}).get("metric")), "loss"
        )
        curves = []
        for arch, group in grouped(at_data, "arch").items():
            group = [run for run in group if run.record] or group
            if len(group) > 1 and (differing := differences(group)):
                raise UsageError(refusal(f"the curve of {arch} on {data} would average {len(group)} runs", differing))
            rows = [row for run in group for row in read_metrics(run) if row.get("split") == "validation"]
            measured.update(
                key for row in rows for key in row if key not in ("step", "epoch", "seed", "split", "seconds")
            )
            if curve := _curve(arch, rows, chosen):
                curves.append(curve)
        if curves:
            panels[data] = (Unit(chosen, "validation", direction(chosen, records)), curves)
    if not panels:
        wanted = f"no run has validation values of {metric}" if metric else "no run has validation values to draw"
        known = f"; choose one of {', '.join(sorted(measured))}" if measured else "; wait for the first evaluation"
        raise UsageError(f"{wanted}{known}.")
    return panels


def style_of(name: str, taken: Iterable[tuple[str, str]] = ()) -> tuple[str, str]:
    """Colour and dash of a name: by its letters, so the same in every figure, unless `taken` by another name there."""
    if name in FIXED:
        return FIXED[name]
    styles = [(colour, dash) for dash in DASHES for colour in COLOURS]
    start = zlib.crc32(name.encode(errors="replace")) % len(styles)
    turned = styles[start:] + styles[:start]
    return next((style for style in turned if style not in {*taken, *FIXED.values()}), turned[0])


def _curve(name: str, rows: list[dict[str, Any]], metric: str) -> Curve | None:
    values: dict[int, dict[int, float]] = {}  # step -> seed -> value
    seeds = set()
    for row in rows:
        step, seed, value = row.get("step"), row.get("seed"), as_number(row.get(metric))
        if type(step) is int and type(seed) is int and value is not None:
            seeds.add(seed)
            if math.isfinite(value):
                values.setdefault(step, {})[seed] = value
    if not values:
        return None
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


def _matplotlib() -> tuple[Any, Any]:
    try:
        from matplotlib import rc_context
        from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: F401 (what Figure.savefig draws PNG with)
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UsageError('plots need matplotlib, which is not installed: pip install "grux[plot]".') from error
    return Figure, rc_context


def _draw(panels: dict[str, tuple[Unit, list[Curve]]], figure_class: Any) -> Any:
    columns = min(len(panels), PANELS_IN_A_ROW)
    rows = math.ceil(len(panels) / columns)
    figure = figure_class(figsize=(max(3.6 * columns, 5.2), 3.0 * rows + 0.9), layout="constrained")
    names = sorted({curve.name for _, curves in panels.values() for curve in curves})
    styles: dict[str, tuple[str, str]] = {}
    for name in names:
        styles[name] = style_of(name, styles.values())
    handles: dict[str, Any] = {}
    for number, (data, (unit, curves)) in enumerate(panels.items()):
        axes = figure.add_subplot(rows, columns, number + 1)
        for curve in curves:
            colour, dash = styles[curve.name]
            mean, low, high = ([value * unit.scale for value in part] for part in (curve.mean, curve.low, curve.high))
            single = "o" if len(curve.steps) == 1 else None  # a line of one point is invisible
            (handles[curve.name],) = axes.plot(
                curve.steps, mean, color=colour, linestyle=dash, linewidth=1.6, marker=single
            )
            if curve.band != "none":
                axes.fill_between(curve.steps, low, high, color=colour, alpha=0.18, linewidth=0)
        _dress(axes, data, unit, curves)
    figure.legend(
        [handles[name] for name in names],
        [_label(name) for name in names],
        loc="outside upper center",
        ncols=min(len(names), 6),
        frameon=False,
    )
    caption = textwrap.fill(_caption(panels), width=int(figure.get_figwidth() * 17))
    figure.supxlabel(caption, fontsize=7.5, color="#444444")
    return figure


def _dress(axes: Any, data: str, unit: Unit, curves: list[Curve]) -> None:
    axes.set_title(_label(data), fontsize=10)
    axes.set_xlabel("training step")
    axes.set_ylabel(_label(f"validation {unit.label}"))
    axes.grid(True, color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.02)
    means = [value for curve in curves for value in curve.mean]
    if unit.higher_is_better is False and min(means) > 0 and max(means) / min(means) >= LOG_FROM:
        axes.set_yscale("log")
        # A band may reach below zero, where a logarithm has nothing to show.
        axes.set_ylim(min(means) * 0.8 * unit.scale, None)


def _caption(panels: dict[str, tuple[Unit, list[Curve]]]) -> str:
    curves = [curve for _, found in panels.values() for curve in found]
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


def _label(text: str) -> str:
    """Text that matplotlib neither takes for mathematics nor hides from the legend."""
    text = printable(text).replace("$", r"\$")
    return " " + text if text.startswith("_") else text
