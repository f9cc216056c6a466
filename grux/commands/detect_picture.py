"""The picture of `grux detect`: each channel on axes of its own, the scores with their threshold below them.

What is flagged is shaded.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from grux.data.wording import several
from grux.results.figure import Figure, Panel
from grux.results.palette import BLUE
from grux.tasks.detection import spans

if TYPE_CHECKING:
    from grux.trained import Trained

FLAGGED, QUIET = "#d62728", "#7f8c8d"
MOST_CHANNELS = 6
TALL, LOW = 2.6, 1.5  # inches, of one panel alone and of one among others
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
    if whole:
        above = [Panel("", "step", "value", (), _sequences(values, flags), height=TALL)]
    else:
        height = TALL if len(channels) == 1 else LOW
        above = [
            Panel(name, "", "value", (), _series(values[:, place], flags), height=height)
            for place, name in enumerate(channels)
        ]
    below = Panel(
        "", "sequence" if whole else "row", "score", (), _scores(scores, flags, threshold, int(whole)), height=2.2
    )
    shaded = "red: flagged" if whole else "shaded: flagged"
    caption = (
        f"By {model.title}: {flags.sum()} of {np.isfinite(scores).sum()} flagged. "
        f"Score: squared error, 1 is as usual as validation. Dashed: threshold {threshold:.4g} ({rule}); {shaded}."
    )
    if not whole:
        caption += f" Rows: {names[0]} to {names[-1]}."
    left = len(model.info.channels or ()) - len(channels)
    if left > 0 and not whole:
        caption += f" {several(left, 'more channel is', 'more channels are')} not drawn."
    return Figure("detect", "Detection", (*above, below), caption, legend=None, across=1)


MANY = 200
"""Scores, of which more are drawn smaller."""


def _series(values: np.ndarray, flags: np.ndarray) -> Callable[[Any, Any], None]:
    def draw(axes: Any, styles: Any) -> None:
        axes.plot(np.arange(len(values)), values, color=BLUE, linewidth=0.7)
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
        # What is far below the threshold is not what the picture is for, where there is much of it.
        lowest = np.quantile(scores[there], 0.05 if len(there) > MANY else 0.0)
        axes.set_ylim(bottom=max(min(lowest, threshold), 1e-12))
        axes.set_xlim(first, first + max(len(scores) - 1, 1))

    return draw


def _shade(axes: Any, flags: np.ndarray) -> None:
    for start, end in spans(flags):
        # One row is too narrow to be seen among thousands.
        axes.axvspan(start - 0.5, max(end - 0.5, start + len(flags) / 400), color=FLAGGED, alpha=0.25, linewidth=0)
