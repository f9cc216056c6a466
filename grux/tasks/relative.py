"""RSE and CORR, the scores of Lai et al. 2018 (LSTNet, arXiv 1703.07015), from sums over batches.

    RSE  = sqrt( sum over t, i of (y_ti - f_ti)^2 ) / sqrt( sum over t, i of (y_ti - mean(y))^2 )
    CORR = mean over channels i of the correlation over t of y_i and f_i

RSE is in raw units, in which a channel counts as much as its numbers are large, and mean(y) is one number for all
channels together: so the paper's code has it, and so it is comparable with the paper. CORR does not depend on the
scale. The paper forecasts one step; with more, t runs over windows and steps alike.

A channel whose truth never changes is left out of CORR, as there; one whose forecast never changes has 0 (there: none).
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

FLAT = 1e-12
"""Variance, of values that were standardised, below which nothing changes."""


def moments(forecasts: jax.Array, targets: jax.Array, mask: jax.Array) -> jax.Array:
    """float32 [6, D]: sums of y, f, y y, f f, y f and (y - f)^2 over what the mask [B, S] marks; arrays [B, S, D]."""
    y, f = targets, forecasts
    each = jnp.stack([y, f, y * y, f * f, y * f, jnp.square(y - f)])
    return jnp.where(mask[None, ..., None], each, 0.0).sum((1, 2))


def corr(sums: np.ndarray, count: float) -> float:
    """CORR from float64 moments [6, D] of `count` values in each channel; NaN where no channel changes."""
    y, f, yy, ff, yf, _ = sums / max(count, 1)
    truth, forecast = yy - y * y, ff - f * f
    counted = truth > FLAT
    spread = np.sqrt(np.maximum(truth * forecast, 0))
    found = np.where(forecast > FLAT, (yf - y * f) / np.where(spread > 0, spread, 1), 0.0)
    return float(found[counted].mean()) if counted.any() else float("nan")


def rse(sums: np.ndarray, count: float, means: Sequence[float], deviations: Sequence[float]) -> float:
    """RSE in raw units from moments of standardised values; NaN where nothing changes."""
    y, _, yy, _, _, error = sums / max(count, 1)
    scale = np.square(np.asarray(deviations))
    raw = y * np.asarray(deviations) + np.asarray(means)
    # Within each channel, and of the channels' means about the mean of all: no difference of large numbers.
    spread = (scale * (yy - y * y)).sum() + np.square(raw - raw.mean()).sum()
    return float(np.sqrt((scale * error).sum() / spread)) if spread > 0 else float("nan")
