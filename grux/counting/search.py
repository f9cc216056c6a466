"""The width whose cost is nearest to a budget, found by counting as few widths as possible.

A cost is counted on a real model, which takes up to a second, and no formula is known for it: only that it grows with
the width. So the search keeps a bracket, cost(low) <= budget < cost(high), and guesses inside it where the polynomial
through the counts nearest to the budget meets it: what a network costs is a polynomial in its width, and the guess is
right after three or four counts. Where it is not, halving the bracket takes over.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from grux.errors import UsageError

WIDEST = 2**17
"""No wider network is looked at."""
GAP = 64
"""Widths in a row that a model may refuse (a multiple of so many heads, of two directions) before the search ends."""


@dataclass(frozen=True)
class Found:
    """The widths around a budget and what they cost; None on a side where there is none."""

    below: tuple[int, float] | None
    """The widest one within the budget."""
    above: tuple[int, float] | None
    """The narrowest one beyond it; None where the search ended at WIDEST."""

    @property
    def sides(self) -> list[tuple[int, float]]:
        return [side for side in (self.below, self.above) if side is not None]

    def nearest(self, budget: float) -> tuple[int, float]:
        """The width nearest to the budget and its cost; of two as near the narrower."""
        return min(self.sides, key=lambda side: abs(side[1] - budget))


def find_width(cost: Callable[[int], float], budget: float, *, start: int) -> Found:
    """The widths around `budget`. `start`: where to look first.

    `cost` raises UsageError for a width that the model cannot have; where that is every width, its sentence is the
    error.
    """
    counts = _Counts(cost)
    low = counts.first(1, 1 + GAP) or counts.first(start, start + 1)
    if low is None:
        assert counts.refusal is not None
        raise counts.refusal
    if counts[low] > budget:
        return Found(None, (low, counts[low]))
    high = counts.first(max(start, low + 1), max(start, low + 1) + GAP)
    while high is not None and counts[high] <= budget:
        low, high = high, counts.first(4 * high, 4 * high + GAP) if 4 * high <= WIDEST else None
    if high is None:
        return Found((low, counts[low]), None)
    slow = 0  # guesses in a row that hardly narrowed the bracket
    while high - low > 1:
        guess = counts.crossing(budget, low, high) if slow < 2 else (low + high) // 2
        middle = counts.first(guess, high) or counts.first(guess - 1, low, step=-1)
        if middle is None:
            break
        before = high - low
        low, high = (middle, high) if counts[middle] <= budget else (low, middle)
        slow = slow + 1 if high - low > before / 2 else 0
    return Found((low, counts[low]), (high, counts[high]))


class _Counts(dict[int, float]):
    """Width -> cost, counted once."""

    def __init__(self, cost: Callable[[int], float]):
        super().__init__()
        self._cost = cost
        self._refused: set[int] = set()
        self.refusal: UsageError | None = None

    def first(self, begin: int, end: int, step: int = 1) -> int | None:
        """The first width from `begin` to before `end` that the model can have."""
        for width in range(begin, end, step):
            if self._counted(width):
                return width
        return None

    def _counted(self, width: int) -> bool:
        if width not in self and width not in self._refused:
            try:
                self[width] = self._cost(width)
            except UsageError as refusal:
                self._refused.add(width)
                self.refusal = self.refusal or refusal
        return width in self

    def crossing(self, budget: float, low: int, high: int) -> int:
        """The width between low and high, both excluded, up to which a polynomial through the counts stays within."""
        near = sorted(self, key=lambda width: abs(self[width] - budget))
        points = list(dict.fromkeys([low, high, *near]))[:3]
        # Shifted and scaled, so that the fit is exact to rounding whatever the sizes.
        shape = np.polyfit(
            [(x - low) / (high - low) for x in points], [self[x] - budget for x in points], len(points) - 1
        )
        roots = [float(root.real) for root in np.roots(shape) if abs(root.imag) < 1e-9 and 0 <= root.real <= 1]
        inside = low + int((high - low) * min(roots, default=0.5) + 1e-6)
        return min(max(inside, low + 1), high - 1)
