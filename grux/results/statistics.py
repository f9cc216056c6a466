"""Mean and interval over seeds.

The interval is Student's: mean ± t(0.975, n - 1) * s / sqrt(n), with s the standard deviation with n - 1 degrees of
freedom (Student 1908, "The probable error of a mean", Biometrika 6). It covers the mean over seeds, not one seed.

Where scores are far from normal the bias-corrected and accelerated bootstrap may be asked for (Efron 1987, "Better
bootstrap confidence intervals", JASA 82). It is not the default: resampling a handful of seeds cannot know their
spread, and with five of them its 95 % interval covers the mean four times out of five only.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from grux.errors import UsageError

LEVEL = 0.95
INTERVALS = ("t", "bca")
RESAMPLES = 9_999  # Davison and Hinkley 1997: with these, 2.5 % and 97.5 % are order statistics of the bootstrap


@dataclass(frozen=True)
class Summary:
    """Scores of n seeds. `std` and the interval are None for n = 1: one seed says nothing about spread.

    Student's interval is `mean` ± `half_width`; another one is `interval`, which need not be symmetric.
    """

    n: int
    mean: float
    std: float | None
    half_width: float | None
    interval: tuple[float, float] | None = None


def summarise(scores: Iterable[float], interval: str = "t") -> Summary:
    """Mean, standard deviation and 95 % interval (one of `INTERVALS`) of at least one score.

    A non-finite score makes the mean non-finite and leaves no interval.
    """
    if interval not in INTERVALS:
        raise UsageError(f"--interval {interval} is not known; choose one of {', '.join(INTERVALS)}.")
    scores = list(scores)
    n = len(scores)
    if not all(map(math.isfinite, scores)):
        return Summary(n, sum(scores) / n, None, None)
    mean = math.fsum(scores) / n
    if n == 1:
        return Summary(n, mean, None, None)
    std = math.sqrt(math.fsum((score - mean) ** 2 for score in scores) / (n - 1))
    if interval == "bca":
        return Summary(n, mean, std, None, bca_interval(scores) if std > 0 else (mean, mean))
    return Summary(n, mean, std, student_t((1 + LEVEL) / 2, n - 1) * std / math.sqrt(n))


def student_t(probability: float, degrees: int) -> float:
    """The quantile of Student's t distribution."""
    # scipy.stats would give the same and takes three times as long to import as the whole table takes to make.
    from scipy.special import stdtrit

    return float(stdtrit(degrees, probability))


def bca_interval(
    scores: Sequence[Any], statistic: Callable[..., Any] | None = None, *, level: float = LEVEL
) -> tuple[Any, Any]:
    """BCa bootstrap interval of a statistic (default: the mean) of scores [..., n]: (low, high), each [...].

    `statistic` takes (array, axis). The resamples are the same at every call, so a table can be made again. The scores
    must not all be equal.
    """
    import numpy as np
    from scipy.stats import bootstrap  # half a second, paid by those who ask for it

    found = bootstrap(
        (np.asarray(scores, np.float64),),
        statistic or np.mean,
        axis=-1,
        vectorized=True,
        n_resamples=RESAMPLES,
        batch=200,
        confidence_level=level,
        method="BCa",
        rng=np.random.default_rng(0),
    ).confidence_interval
    if np.ndim(found.low) == 0:
        return float(found.low), float(found.high)
    return found.low, found.high
