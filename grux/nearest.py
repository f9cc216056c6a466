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
    ours, theirs = key.split("."), other.split(".")
    depth = min(len(ours), len(theirs))
    pairs = zip(ours[-depth:], theirs[-depth:], strict=True)
    parts = [difflib.SequenceMatcher(None, *pair).ratio() for pair in pairs]
    if min(parts) < LIKELY:  # a part that is another word is no misspelling
        return 0.0
    return sum(parts) / depth * 0.9 ** (abs(len(ours) - len(theirs)))
