"""Forecasts of quantiles: the pinball loss, what it makes of the CRPS, and intervals that hold what they promise.

    pinball_q(y, f) = max(q (y - f), (q - 1) (y - f))                   Koenker and Bassett 1978
    CRPS(y, F)      = 2 * integral over q in (0, 1) of pinball_q(y, F^-1(q))
                                                Laio and Tamea 2007; Gneiting and Ranjan 2011

On an even grid q_k = k / (Q + 1) twice the mean over k stands for the integral: with few levels somewhat off, the same
for all methods that are compared.

Quantiles of a network may cross. They are trained as they come and sorted wherever they are read, which never makes the
pinball loss larger (Chernozhukov, Fernandez-Val and Galichon 2010, "Quantile and probability curves without crossing").
"""

from collections.abc import Sequence
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np

from grux.errors import UsageError

MEDIAN = 0.5
CLOSE = 1e-9


class Levels:
    """The levels q_1 < ... < q_Q of quantiles, one of which is the median."""

    def __init__(self, levels: Sequence[float]):
        """Raises UsageError for levels that do not grow from above 0 to below 1, or go past the median."""
        inside = len(levels) > 0 and levels[0] > 0 and levels[-1] < 1
        if not inside or any(a >= b for a, b in pairwise(levels)):
            raise UsageError(
                f"task.quantiles={list(levels)} must grow from above 0 to below 1; write [0.1,0.5,0.9] or more of them."
            )
        near = [k for k, level in enumerate(levels) if abs(level - MEDIAN) < CLOSE]
        if not near:
            raise UsageError(f"task.quantiles={list(levels)} lacks 0.5, the median, of which MSE and MAE are; add it.")
        self.levels = tuple(float(level) for level in levels)
        self.median = near[0]
        grid = np.arange(1, len(levels) + 1) / (len(levels) + 1)
        self.even = bool(np.allclose(levels, grid, atol=CLOSE))
        """Whether twice the mean pinball loss stands for the CRPS."""
        self.central = len(levels) > 1 and abs(levels[0] + levels[-1] - 1) < CLOSE
        """Whether the first and the last level leave out as much on either side."""

    def pinball(self, forecasts: jax.Array, targets: jax.Array) -> jax.Array:
        """[..., D]: the mean over the levels; forecasts [..., D, Q], or [..., D, 1] for the same at all levels."""
        q = jnp.asarray(self.levels, forecasts.dtype).reshape(*[1] * targets.ndim, -1)
        error = targets[..., None] - forecasts
        return jnp.maximum(q * error, (q - 1) * error).mean(-1)
