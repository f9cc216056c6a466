"""What a search of n trials finds: the expected best validation score, by the number of trials.

N scores of random trials are at hand. A search of n <= N trials would have found the best of n of them, and all the
ways to choose n of N without replacement are as likely. With the scores in order, v_1 <= ... <= v_N, the best of n is
v_i in C(i-1, n-1) of the C(N, n) ways, so

    E[best of n] = sum_i v_i C(i-1, n-1) / C(N, n)            P(best of n <= v_i) = C(i, n) / C(N, n)

Dodge et al. (2019, "Show your work", arXiv 1909.03004) introduced the curve, with trials drawn with replacement, which
underestimates it near n = N; Tang et al. (2020, "Showing your work doesn't always work", arXiv 2004.13705) show the
bias and give this unbiased form. Nothing is resampled: the sums are exact. The band holds 90 % of the searches of n
trials; at n = N only one search is left, and a narrow band there says nothing about another one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

BAND = (0.05, 0.95)


@dataclass(frozen=True)
class Curve:
    """Entry n - 1 belongs to n trials."""

    expected: tuple[float, ...]
    deviation: tuple[float, ...]
    """The standard deviation of the best of n over all ways to choose them."""
    low: tuple[float, ...]
    """5 % of the searches of n trials find no more than this (nothing smaller, where lower is better)."""
    high: tuple[float, ...]


def expected_best(scores: Sequence[float], *, higher_is_better: bool) -> Curve:
    """The curve of at least one score, for n from 1 to their number."""
    sign = 1.0 if higher_is_better else -1.0
    values = np.sort(sign * np.asarray(scores, np.float64))
    rows = []
    for n in range(1, len(values) + 1):
        chances = best_of(n, len(values))
        mean = float(chances @ values)
        spread = float(np.sqrt(max(chances @ (values - mean) ** 2, 0.0)))
        # Rounding may leave the sum of all chances just below the larger quantile.
        places = np.minimum(np.searchsorted(np.cumsum(chances) + 1e-12, BAND), len(values) - 1)
        rows.append((sign * mean, spread, *sorted(sign * values[places])))
    return Curve(*(tuple(float(x) for x in column) for column in zip(*rows, strict=True)))


def best_so_far(scores: Sequence[float], *, higher_is_better: bool) -> Curve:
    """The best of the first n trials, in the order in which they were tried.

    For trials that learn from those before: their order is no accident, and no mean over orders says anything.
    """
    sign = 1.0 if higher_is_better else -1.0
    best = tuple(float(x) for x in sign * np.maximum.accumulate(sign * np.asarray(scores, np.float64)))
    return Curve(best, (0.0,) * len(best), best, best)


def best_of(n: int, count: int) -> np.ndarray:
    """float64 [count]: the chance that the i-th smallest of `count` is the largest of `n` of them."""
    # From the largest down, C(i-2, n-1) / C(i-1, n-1) = (i-n) / (i-1): no large number is ever formed.
    ranks = np.arange(count, 1, -1, dtype=np.float64)
    steps = np.maximum(ranks - n, 0.0) / (ranks - 1)
    return n / count * np.concatenate([[1.0], np.cumprod(steps)])[::-1]


@dataclass(frozen=True)
class Crossing:
    """From `trials` on the search of `leader` is expected to find more than that of `other`; below, less."""

    leader: str
    other: str
    trials: int


def crossings(curves: dict[str, Curve], *, higher_is_better: bool) -> list[Crossing]:
    """Every number of trials at which one contestant's expected best passes another's, in order of trials."""
    found = []
    names = list(curves)
    for number, one in enumerate(names):
        for other in names[number + 1 :]:
            pairs = zip(curves[one].expected, curves[other].expected, strict=False)
            before = 0
            for n, (a, b) in enumerate(pairs, start=1):
                ahead = (a > b) - (a < b) if higher_is_better else (a < b) - (a > b)
                if before and ahead and ahead != before:
                    found.append(Crossing(*((one, other) if ahead > 0 else (other, one)), trials=n))
                before = ahead or before
    return sorted(found, key=lambda crossing: crossing.trials)
