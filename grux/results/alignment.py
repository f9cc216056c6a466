"""The attention of one translation: source pieces across, target pieces down, as figure 3 of Bahdanau et al. 2015."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from grux.results.figure import Figure, Panel, label
from grux.results.palette import Style

PIECE = 0.19  # inches of height that a target piece takes
LONGEST_PIECE = 16  # characters
READABLE = 40  # pieces of which every one can be named


def alignment(weights: np.ndarray, source: Sequence[str], target: Sequence[str], *, title: str) -> Figure:
    """`weights` float [S, T]: how much each of S target pieces attended to each of T source pieces, rows of sum 1."""

    def draw(axes: Any, _: dict[str, Style]) -> None:
        axes.grid(False)
        axes.imshow(weights, cmap="gray_r", vmin=0.0, vmax=1.0, aspect="auto", interpolation="nearest")
        for pieces, axis, turned in ((source, axes.xaxis, 90), (target, axes.yaxis, 0)):
            every = -(-len(pieces) // READABLE)
            texts = [label(piece, LONGEST_PIECE) for piece in pieces[::every]]
            axis.set_ticks(range(0, len(pieces), every), texts, fontsize=7, rotation=turned)
        axes.tick_params(length=0)

    height = max(2.5, 1.2 + PIECE * min(len(target), READABLE))
    panel = Panel(title, "source", "target", (), draw, height=height)
    caption = "Attention weights: each row is one target piece, from 0 (white) to 1 (black) over the source."
    return Figure("attention", "Attention", (panel,), caption, legend=None)
