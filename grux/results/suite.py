"""Several data sets in one number: interquartile mean and performance profile, with stratified bootstrap intervals.

The definitions are those of Agarwal et al. 2021 (arXiv 2108.13264, "Deep reinforcement learning at the edge of the
statistical precipice"), known by their package rliable: scores are normalised on each data set; a bootstrap draws
seeds anew within each data set, never data sets; its 95 % interval runs from percentile 2.5 to 97.5.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from grux.results.statistics import LEVEL

RESAMPLES = 10_000
THRESHOLDS = (0.5, 1.0)

Estimate = tuple[float, float, float]
"""Value, and the low and the high end of its 95 % interval: NaN where a data set has one seed, which has no spread."""

Tasks = Sequence[Sequence[float]]
"""The scores of one contestant: for each data set those of its seeds."""


@dataclass(frozen=True)
class Aggregate:
    """A contestant over all data sets. `profile`: for each of `THRESHOLDS` the share of runs above it.

    `probability` is P(better than the reference), None without one.
    """

    runs: int
    iqm: Estimate
    mean: Estimate
    profile: tuple[Estimate, ...]
    probability: Estimate | None = None


def aggregate(tasks: Tasks, reference: Tasks | None = None) -> Aggregate:
    """From normalised scores, higher is better, and those of a reference contestant on the same data sets."""
    arrays = _arrays(tasks)
    drawn = _drawn(arrays, np.random.default_rng(0))
    return Aggregate(
        runs=sum(map(len, arrays)),
        iqm=(float(iqm(np.concatenate(arrays))), *_ends(iqm(np.concatenate(drawn, axis=-1)), arrays)),
        mean=(float(_mean(arrays)), *_ends(_mean(drawn), arrays)),
        profile=tuple(profile(tasks, THRESHOLDS)),
        probability=None if reference is None else probability(tasks, reference),
    )


def iqm(scores: np.ndarray) -> np.ndarray:
    """Mean of the middle half of the pooled scores (last axis): a quarter, rounded down, is left out at each end."""
    n = scores.shape[-1]
    cut = int(0.25 * n)
    return np.sort(scores, axis=-1)[..., cut : n - cut].mean(axis=-1)


def profile(tasks: Tasks, thresholds: Sequence[float]) -> list[Estimate]:
    """The performance profile: for each threshold the share of runs above it, mean over data sets."""
    arrays = _arrays(tasks)
    drawn = _drawn(arrays, np.random.default_rng(0))
    return [
        (float(_mean([task > above for task in arrays])), *_ends(_mean([task > above for task in drawn]), arrays))
        for above in thresholds
    ]


def probability(tasks: Tasks, other: Tasks) -> Estimate:
    """P(X > Y), ties one half, mean over data sets. Both contestants are drawn anew, independently of each other."""
    ours, theirs, rng = _arrays(tasks), _arrays(other), np.random.default_rng(0)
    drawn = zip(_drawn(ours, rng), _drawn(theirs, rng), strict=True)
    value = float(np.mean([_wins(x, y) for x, y in zip(ours, theirs, strict=True)]))
    return value, *_ends(np.mean([_wins(x, y) for x, y in drawn], axis=0), [*ours, *theirs])


def _arrays(tasks: Tasks) -> list[np.ndarray]:
    return [np.asarray(task, np.float64) for task in tasks]


def _drawn(arrays: list[np.ndarray], rng: np.random.Generator) -> list[np.ndarray]:
    """Each array [n] drawn anew with replacement: [RESAMPLES, n]."""
    return [array[rng.integers(len(array), size=(RESAMPLES, len(array)))] for array in arrays]


def _mean(arrays: list[np.ndarray]) -> np.ndarray:
    """Data sets weigh alike, however many runs they have."""
    return np.mean([array.mean(axis=-1) for array in arrays], axis=0)


def _wins(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    x, y = x[..., :, None], y[..., None, :]
    return ((x > y) + 0.5 * (x == y)).mean(axis=(-2, -1))


def _ends(draws: np.ndarray, arrays: Sequence[np.ndarray]) -> tuple[float, float]:
    if any(len(array) < 2 for array in arrays):
        return math.nan, math.nan
    low, high = np.quantile(draws, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return float(low), float(high)
