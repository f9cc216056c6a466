"""Intervals around forecasts that give one number: how far earlier forecasts were off (split conformal prediction).

    width = the k-th smallest of n absolute errors, k = ceil((n + 1) level)

for each step of the horizon and each channel. If the next error is exchangeable with the n, the interval holds the
truth with probability `level` at least (Vovk, Gammerman and Shafer 2005; Lei et al. 2018, "Distribution-free
predictive inference for regression"). Errors of windows that overlap are related and series drift, so for series it is
a good guess and no guarantee; and where the run was trained on these very rows, errors are too small.
"""

import math

import numpy as np


def half_widths(errors: np.ndarray, level: float) -> np.ndarray | None:
    """[S, D] from errors [n, S, D]; None where n is too small for the level."""
    count = len(errors)
    rank = math.ceil((count + 1) * level - 1e-9)
    return None if rank > count else np.sort(np.abs(errors), axis=0)[max(rank, 1) - 1]


def least(level: float) -> int | None:
    """How many errors the level needs; None where no number is enough."""
    return None if level >= 1 else math.ceil(level / (1 - level) - 1e-9)
