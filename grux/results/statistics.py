"""Mean and interval over seeds.

The interval is Student's: mean ± t(0.975, n - 1) * s / sqrt(n), with s the standard deviation with n - 1 degrees of
freedom (Student 1908, "The probable error of a mean", Biometrika 6). It covers the mean over seeds, not one seed.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

LEVEL = 0.95


@dataclass(frozen=True)
class Summary:
    """Scores of n seeds. `std` and `half_width` are None for n = 1: one seed says nothing about spread."""

    n: int
    mean: float
    std: float | None
    half_width: float | None


def summarise(scores: Iterable[float]) -> Summary:
    """Mean, standard deviation and half-width of the 95 % interval of at least one score.

    A non-finite score makes the mean non-finite and leaves no interval.
    """
    scores = list(scores)
    n = len(scores)
    if not all(map(math.isfinite, scores)):
        return Summary(n, sum(scores) / n, None, None)
    mean = math.fsum(scores) / n
    if n == 1:
        return Summary(n, mean, None, None)
    std = math.sqrt(math.fsum((score - mean) ** 2 for score in scores) / (n - 1))
    return Summary(n, mean, std, student_t((1 + LEVEL) / 2, n - 1) * std / math.sqrt(n))


def student_t(probability: float, degrees: int) -> float:
    """The quantile of Student's t distribution."""
    # scipy.stats would give the same and takes three times as long to import as the whole table takes to make.
    from scipy.special import stdtrit

    return float(stdtrit(degrees, probability))
