"""The look of a name in every figure: colour, dash and marker, the same wherever it appears.

Colours are those of Okabe and Ito (2008, "Color Universal Design"), told apart with every kind of colour vision; dash
and marker serve print without colour.
"""

import zlib
from collections.abc import Iterable

from grux.results.select import natural

# Okabe and Ito's yellow is left out: it cannot be seen as a thin line on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
BLUE, VERMILION, GREEN, PINK, ORANGE, SKY, BLACK = COLOURS

Dash = str | tuple[int, tuple[float, ...]]
"""As matplotlib writes it: a name, or (offset, points on and off by turns)."""
Style = tuple[str, Dash]
"""Colour and dash; the marker follows from the dash."""

LONG: Dash = (0, (9, 2))
DOTS: Dash = (0, (5, 1.5, 1, 1.5, 1, 1.5))
MARKERS: dict[Dash, str] = {"-": "o", "--": "s", "-.": "^", ":": "D", LONG: "v", DOTS: "P"}
DASHES = tuple(MARKERS)

# Every arch of configs/arch. Archs that are compared with each other differ in colour as far as colours reach: a
# variant never has the colour of its own cell, and the colours of the three met most often are left to variants.
# Solid lines of the other colours are free, for figures of widths, optimizers and the like.
FIXED: dict[str, Style] = {
    "gru": (BLUE, "-"),
    "lstm": (VERMILION, "-"),
    "elman": (GREEN, "-"),
    "mgu": (PINK, "--"),
    "mingru": (ORANGE, "--"),
    "minlstm": (SKY, "--"),
    "lru": (BLACK, "--"),
    "slstm": (PINK, "-."),
    "indrnn": (ORANGE, "-."),
    "atr": (SKY, "-."),
    "cifg": (BLACK, "-."),
    "mut1": (PINK, ":"),
    "mut2": (ORANGE, ":"),
    "mut3": (SKY, ":"),
    "gru_reset_before": (VERMILION, "--"),
    "gru_layernorm": (VERMILION, "-."),
    "gru_zoneout": (VERMILION, ":"),
    "gru_variational": (VERMILION, LONG),
    "irnn": (VERMILION, DOTS),
    "lstm_cifg": (BLUE, "--"),
    "lstm_nig": (GREEN, "--"),
    "lstm_nfg": (BLUE, "-."),
    "lstm_nog": (GREEN, "-."),
    "lstm_niaf": (BLUE, ":"),
    "lstm_noaf": (GREEN, ":"),
    "lstm_fgr": (BLUE, LONG),
    "lstm_peephole": (GREEN, LONG),
    "lstm_layernorm_zoneout": (BLUE, DOTS),
    "lstm_recurrent_dropout": (GREEN, DOTS),
    "transformer": (BLACK, LONG),
    "tcn": (ORANGE, LONG),
    "gru_attention": (SKY, LONG),
}
_FREE = [style for dash in DASHES for colour in COLOURS if (style := (colour, dash)) not in FIXED.values()]


def style_of(name: str, taken: Iterable[Style] = ()) -> Style:
    """Colour and dash of a name: that of its arch, else by its letters, unless `taken` by another name there."""
    if name in FIXED:
        return FIXED[name]
    start = zlib.crc32(name.encode(errors="replace")) % len(_FREE)
    # Where a figure is crowded, the look of an arch that is not in it.
    styles = [*_FREE[start:], *_FREE[:start], *FIXED.values()]
    used = set(taken)
    return next((style for style in styles if style not in used), styles[0])


def styles_of(names: Iterable[str]) -> dict[str, Style]:
    """A style for each name, in natural order; no two alike as long as there are styles."""
    ordered = sorted(set(names), key=natural)
    styles = {name: FIXED[name] for name in ordered if name in FIXED}
    for name in ordered:
        styles[name] = style_of(name, styles.values())
    return {name: styles[name] for name in ordered}
