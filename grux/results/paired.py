"""Two contestants over the seeds that both have: difference, test, effect size, probability of improvement.

Seed i gives every contestant the same order of examples, so scores are compared seed by seed. Pairing is valid also
where it brings nothing; it then costs degrees of freedom only.

The test is the paired t test. An exact sign-flip test assumes less, but its smallest p is 2^(1 - n): with five seeds
or fewer it cannot reach 5 % whatever the difference, and few seeds are the rule. Its p stands beside that of t in the
CSV, and takes its place where all differences are equal and t does not exist.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from grux.results.statistics import LEVEL, summarise

MOST_FLIPPED = 16  # seeds: 2^16 sign patterns are counted in a few milliseconds
TEST = "paired t test"


@dataclass(frozen=True)
class Comparison:
    """One contestant minus another over `n` common seeds, in the unit of the scores.

    With n < 2 or scores that are not finite there is no test: `p` and what follows from it are None.
    `p_sign_flip` is None for more than `MOST_FLIPPED` seeds.
    """

    n: int
    difference: float | None
    half_width: float | None = None
    p: float | None = None
    p_sign_flip: float | None = None
    effect: float | None = None
    probability: float | None = None
    probability_interval: tuple[float, float] | None = None
    p_holm: float | None = None


def compare(scores: Mapping[int, float], other: Mapping[int, float], *, higher_is_better: bool | None) -> Comparison:
    """`scores` minus `other` (seed -> score) over common seeds; `p_holm` is left to `holm_corrected`.

    `effect` is Cohen's d of the differences (d_z: mean over standard deviation; Cohen 1988, section 2.3) times the
    correction of Hedges 1981 for few seeds; None for n = 2, where the correction is zero, and without spread.
    `probability` is P(this one is better) between a seed of one and a seed of the other.
    """
    common = sorted(scores.keys() & other.keys())
    ours, theirs = [scores[seed] for seed in common], [other[seed] for seed in common]
    differences = [a - b for a, b in zip(ours, theirs, strict=True)]
    n = len(common)
    if n == 0 or not all(map(math.isfinite, differences)):
        return Comparison(n, None)
    found = summarise(differences)
    if n == 1 or found.std is None:
        return Comparison(n, found.mean)
    # Scores that differ by rounding alone have no spread of their own.
    spread = found.std > 1e-12 * max(map(abs, [*ours, *theirs]))
    exact = sign_flip(differences) if n <= MOST_FLIPPED else None
    p = t_test(found.mean, found.std, n) if spread else 1.0 if not any(differences) else 2.0 ** (1 - n)
    effect = found.mean / found.std * hedges(n - 1) if spread and n > 2 else None
    made = Comparison(n, found.mean, found.half_width if spread else 0.0, p, exact, effect)
    if higher_is_better is None:
        return made
    probability = improvement(ours, theirs, higher_is_better=higher_is_better)
    return dataclasses.replace(made, probability=probability, probability_interval=newcombe(probability, n, n))


def t_test(mean: float, std: float, n: int) -> float:
    """Two-sided p of Student's test that n numbers of this mean and standard deviation have mean zero."""
    from scipy.special import stdtr

    return float(2 * stdtr(n - 1, -abs(mean) / (std / math.sqrt(n))))


def sign_flip(differences: Sequence[float]) -> float:
    """Exact two-sided p of the sign-flip test (Fisher 1935, The Design of Experiments, section 21).

    The share of all 2^n ways to set the signs whose sum is at least as far from zero as the one that was seen.
    """
    import numpy as np

    sums = np.zeros(1)
    for size in map(abs, differences):
        sums = np.concatenate([sums + size, sums - size])
    seen = abs(math.fsum(differences))
    return float(np.mean(np.abs(sums) >= seen - 1e-9 * max(seen, float(np.max(np.abs(sums))))))


def hedges(degrees: int) -> float:
    """The factor by which d is too large with few degrees of freedom (Hedges 1981, equation 6e, exact form)."""
    if degrees < 2:
        return 0.0
    return math.exp(math.lgamma(degrees / 2) - math.lgamma((degrees - 1) / 2)) / math.sqrt(degrees / 2)


def improvement(scores: Sequence[float], other: Sequence[float], *, higher_is_better: bool = True) -> float:
    """P(X better than Y) over all pairs of a score of each, ties one half.

    As in Agarwal et al. 2021 (arXiv 2108.13264), "Deep reinforcement learning at the edge of the statistical
    precipice", for one task: the Mann-Whitney U statistic over the number of pairs.
    """
    sign = 1 if higher_is_better else -1
    wins = [(sign * x > sign * y) + 0.5 * (x == y) for x in scores for y in other]
    return math.fsum(wins) / len(wins)


def newcombe(probability: float, n: int, m: int) -> tuple[float, float]:
    """95 % interval of P(X > Y) estimated from n and m scores: method 5 of Newcombe 2006 (Statistics in Medicine 25).

    The bootstrap would say [1, 1] where three seeds all beat three others. This one solves for the probabilities that
    are 1.96 of their own standard errors (Hanley and McNeil 1982, with both sizes at their mean) from the estimate.
    It takes the two samples for independent.
    """
    z = 1.959963984540054
    extra = (n + m) / 2 - 1

    def too_far(theta: float) -> bool:
        variance = theta * (1 - theta) * (1 + extra * ((1 - theta) / (2 - theta) + theta / (1 + theta))) / (n * m)
        return (probability - theta) ** 2 > z * z * variance

    def edge(outside: float) -> float:
        inside = probability
        for _ in range(50):
            middle = (inside + outside) / 2
            inside, outside = (inside, middle) if too_far(middle) else (middle, outside)
        return inside

    return edge(0.0), edge(1.0)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p of each: reject all that are at most 5 %, and the chance of a single wrong rejection is at most 5 %.

    The sequentially rejective procedure of Holm 1979 (Scandinavian Journal of Statistics 6), valid whatever the
    dependence between the tests.
    """
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted, least = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(order):
        least = max(least, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = least
    return adjusted


def holm_corrected(comparisons: Mapping[str, Comparison]) -> dict[str, Comparison]:
    """The comparisons with `p_holm`; those without a test are no part of the family."""
    tested = {name: found.p for name, found in comparisons.items() if found.p is not None}
    adjusted = dict(zip(tested, holm(list(tested.values())), strict=True))
    return {name: dataclasses.replace(found, p_holm=adjusted.get(name)) for name, found in comparisons.items()}


def differs(found: Comparison) -> bool | None:
    """Whether the difference is significant at 5 % after correction; None where there was no test."""
    return None if found.p_holm is None else found.p_holm <= 1 - LEVEL
