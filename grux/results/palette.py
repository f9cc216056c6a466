"""The look of a name in every figure: colour, dash and marker, the same wherever it appears.

Colours are those of Okabe and Ito (2008, "Color Universal Design"), told apart with every kind of colour vision; dash
and marker serve print without colour.
"""

import zlib
from collections.abc import Iterable

# Okabe and Ito's yellow is left out: it cannot be seen as a thin line on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = {"-": "o", "--": "s", "-.": "^", ":": "D"}
DASHES = tuple(MARKERS)
# The architectures met most often share no figure with a colour that looks like theirs.
FIXED = {"gru": ("#0072B2", "-"), "lstm": ("#D55E00", "-"), "elman": ("#009E73", "-")}

Style = tuple[str, str]
"""Colour and dash; the marker follows from the dash."""


def style_of(name: str, taken: Iterable[Style] = ()) -> Style:
    """Colour and dash of a name: by its letters, so the same in every figure, unless `taken` by another name there."""
    if name in FIXED:
        return FIXED[name]
    fixed = [colour for colour, _ in FIXED.values()]
    free = [(colour, dash) for dash in DASHES for colour in COLOURS if colour not in fixed]
    start = zlib.crc32(name.encode(errors="replace")) % len(free)
    # Where a figure is crowded, a colour of those above with another dash.
    styles = [*free[start:], *free[:start], *((colour, dash) for dash in DASHES for colour in fixed)]
    return next((style for style in styles if style not in {*taken, *FIXED.values()}), styles[0])


def styles_of(names: Iterable[str]) -> dict[str, Style]:
    """A style for each name, no two alike as long as there are styles."""
    styles: dict[str, Style] = {}
    for name in sorted(set(names)):
        styles[name] = style_of(name, styles.values())
    return styles
