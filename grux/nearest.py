"""The key that was meant: dotted keys are compared part by part, from the last."""

import difflib
from collections.abc import Iterable

LIKELY = 0.6


def nearest_keys(key: str, known: Iterable[str], n: int = 1) -> list[str]:
    """The n known keys that are most like this one, best first; [] where none is.

    `strategy` is more like `arch.strategy` (its last part) than like `seed_strategy`, and `mdoel.features` is
    `model.features` misspelt in one part.
    """
    found = [(_likeness(key, other), other) for other in dict.fromkeys(known)]
    return [other for likeness, other in sorted(found, key=lambda pair: (-pair[0], pair[1]))[:n] if likeness >= LIKELY]


def _likeness(key: str, other: str) -> float:
    """0 to 1: mean over the parts of the shorter key, a little less for each part that one has and the other lacks."""
    shorter, longer = sorted((key.split("."), other.split(".")), key=len)
    pairs = _paired(shorter[:-1], longer[:-1], _alike(shorter[-1], longer[-1]))
    return pairs / len(shorter) * 0.9 ** (len(longer) - len(shorter))


def _paired(shorter: list[str], longer: list[str], last: float) -> float:
    """The best sum over the parts of the shorter key, each beside a part of the longer one in the same order."""
    if not shorter or last == 0.0:
        return last
    choices = range(len(shorter) - 1, len(longer))
    return max(
        (
            found + alike
            for at in choices
            if (alike := _alike(shorter[-1], longer[at])) and (found := _paired(shorter[:-1], longer[:at], last))
        ),
        default=0.0,
    )


def _alike(part: str, other: str) -> float:
    """A part that is another word is no misspelling."""
    ratio = difflib.SequenceMatcher(None, part, other).ratio()
    return ratio if ratio >= LIKELY else 0.0
