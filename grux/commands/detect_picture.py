"""The picture of `grux detect`: the data above, the scores with their threshold below, what is flagged shaded."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from grux.results.figure import Figure, Panel
from grux.tasks.detection import spans

if TYPE_CHECKING:
    from grux.trained import Trained

FLAGGED, QUIET = "#d62728", "#7f8c8d"
MOST_CHANNELS = 6
MOST_SEQUENCES = 200  # of each kind; more are a blur


def picture(
    model: "Trained",
    names: Sequence[str],
    values: np.ndarray,
    scores: np.ndarray,
    flags: np.ndarray,
    threshold: float,
    rule: str,
) -> Figure:
    """values [N, D] of a series or [n, T] of sequences, raw; scores [N], NaN where there is none; flags [N]."""
    whole = model.info.stride is None
    channels = (model.info.channels or ())[:MOST_CHANNELS]
    title = f"{model.title}: {flags.sum()} of {np.isfinite(scores).sum()} flagged"
    above = (
        Panel(title, "step", "value", (), _sequences(values, flags), height=2.6)
        if whole
        else Panel(
            title, "", "value", channels if len(channels) > 1 else (), _series(values, channels, flags), height=2.6
        )
    )
    below = Panel(
        "", "sequence" if whole else "row", "score", (), _scores(scores, flags, threshold, int(whole)), height=2.2
    )
    shaded = "red: flagged" if whole else "shaded: flagged"
    caption = (
        f"Score: squared error, 1 is as usual as validation. Dashed: threshold {threshold:.4g} ({rule}); {shaded}."
    )
    if not whole:
        caption += f" Rows: {names[0]} to {names[-1]}."
    left = len(model.info.channels or ()) - len(channels)
    if left > 0 and not whole:
        caption += f" {left} channels more are not drawn."
    return Figure("detect", title, (above, below), caption, legend="line" if above.names else None, across=1)


MANY = 200
"""Scores, of which more are drawn smaller."""


def _series(values: np.ndarray, channels: Sequence[str], flags: np.ndarray) -> Callable[[Any, Any], None]:
    def draw(axes: Any, styles: Any) -> None:
        for place, name in enumerate(channels):
            colour = styles[name][0] if name in styles else "#1f77b4"
            axes.plot(np.arange(len(values)), values[:, place], color=colour, linewidth=0.7)
        _shade(axes, flags)
        axes.set_xlim(0, len(values) - 1)

    return draw


def _sequences(values: np.ndarray, flags: np.ndarray) -> Callable[[Any, Any], None]:
    def draw(axes: Any, styles: Any) -> None:
        for kind, colour in ((~flags, QUIET), (flags, FLAGGED)):
            shown = values[kind][:MOST_SEQUENCES]
            axes.plot(shown.T, color=colour, linewidth=0.5, alpha=0.4)

    return draw


def _scores(scores: np.ndarray, flags: np.ndarray, threshold: float, first: int) -> Callable[[Any, Any], None]:
    def draw(axes: Any, styles: Any) -> None:
        there = np.flatnonzero(np.isfinite(scores))
        colours = np.where(flags[there], FLAGGED, QUIET)
        size = 3 if len(there) > MANY else 14
        axes.scatter(there + first, scores[there], s=size, c=colours, linewidths=0, clip_on=len(there) > MANY)
        axes.axhline(threshold, color="black", linestyle="--", linewidth=0.9)
        axes.set_yscale("log")
        # What is far below the threshold is not what the picture is for.
        axes.set_ylim(bottom=max(min(np.quantile(scores[there], 0.05), threshold), 1e-12))
        axes.set_xlim(first, first + max(len(scores) - 1, 1))

    return draw


def _shade(axes: Any, flags: np.ndarray) -> None:
    for start, end in spans(flags):
        # One row is too narrow to be seen among thousands.
        axes.axvspan(start - 0.5, max(end - 0.5, start + len(flags) / 400), color=FLAGGED, alpha=0.25, linewidth=0)
