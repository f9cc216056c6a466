"""The picture of a forecast: a panel for each channel with what was, what is forecast, and the interval around it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np

from grux.results.figure import Figure, Panel
from grux.results.palette import BLACK, BLUE, Style

MOST = 6
"""Panels; more do not fit on a page."""
LINES = "Black: what was; blue: the forecast and its interval."
TICKS = 4


def forecast_figure(
    title: str,
    channels: Sequence[str],
    past: tuple[Sequence[datetime], np.ndarray],
    future: tuple[Sequence[datetime], np.ndarray],
    band: tuple[np.ndarray, np.ndarray] | None,
    caption: str,
) -> Figure:
    """`past` and `future`: times and values [N, D]; `band`: lower and upper bounds [S, D] of the forecast.

    Of more than `MOST` channels the first are shown, and the caption says that.
    """

    def panel(place: int) -> Panel:
        def draw(axes: Any, styles: dict[str, Style]) -> None:
            (past_times, past_values), (times, values) = past, future
            axes.plot(past_times, past_values[:, place], color=BLACK, linewidth=1.2)
            marker = "o" if len(times) == 1 else None
            # From the last known row on, so that nothing seems to be missing between the two lines.
            joined = [past_times[-1], *times], np.concatenate([past_values[-1:, place], values[:, place]])
            axes.plot(*joined, color=BLUE, linewidth=1.6, marker=marker, markevery=[-1])
            if band is not None:
                low, high = (bound[:, place] for bound in band)
                if len(times) == 1:
                    axes.vlines(times, low, high, color=BLUE, alpha=0.4, linewidth=3)
                else:
                    axes.fill_between(times, low, high, color=BLUE, alpha=0.2, linewidth=0)
            _few_dates(axes)

        return Panel(channels[place], "", "", (), draw, height=2.4)

    shown = range(min(len(channels), MOST))
    if len(channels) > MOST:
        caption += f" Shown: the first {MOST} of {len(channels)} channels."
    return Figure("forecast", title, tuple(panel(place) for place in shown), f"{caption} {LINES}", legend=None)


def _few_dates(axes: Any) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(minticks=2, maxticks=TICKS)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
