"""The best linear forecast of the next S rows from the last T, in closed form: a baseline that takes no training.

    y_s - x_T = sum over t < T of W_ts (x_t - x_T) + b_s

which is NLinear (Zeng et al. 2023, "Are transformers effective for time series forecasting?", arXiv 2205.13504) with
the weights that training it by squared error ends at: one W and b for all channels, as there by default, each window
minus its last value. Least squares over all training windows and channels, by normal equations that are added up over
batches, so that memory is O(T (T + S)) whatever the number of windows. RIDGE times the mean square of the inputs on the
diagonal keeps them solvable where rows repeat each other; b is not shrunk.
"""

from collections.abc import Iterable

import jax
import jax.numpy as jnp
import numpy as np

from grux.batch import Batch
from grux.errors import DataError

RIDGE = 1e-6


def design(inputs: np.ndarray) -> np.ndarray:
    """[B, T, D] to [B * D, T]: each channel's rows minus the last one, which then says nothing, and a one."""
    moved = inputs[:, :-1] - inputs[:, -1:]
    series = np.swapaxes(moved, 1, 2).reshape(moved.shape[0] * moved.shape[2], moved.shape[1])
    return np.concatenate([series, np.ones((len(series), 1), series.dtype)], axis=1)


def fit_linear(batches: Iterable[Batch]) -> np.ndarray:
    """float64 [T, S]: W in the first T - 1 rows, b in the last. Windows with padding, and fillers, are left out."""
    gram: np.ndarray | None = None
    cross: np.ndarray | None = None
    count = 0
    for batch in batches:
        whole = np.asarray(batch.mask).all(1) & np.asarray(batch.target_mask).all(1)
        targets = np.asarray(batch.targets, np.float64)[whole]
        inputs = np.asarray(batch.inputs, np.float64)[whole, :, : targets.shape[-1]]
        x = design(inputs)
        y = np.swapaxes(targets - inputs[:, -1:], 1, 2).reshape(len(x), targets.shape[1])
        gram, cross = (x.T @ x, x.T @ y) if gram is None or cross is None else (gram + x.T @ x, cross + x.T @ y)
        count += len(x)
    if gram is None or cross is None or not count:
        raise DataError("no training window is whole, so there is nothing to fit the linear baseline to.")
    shrink = np.full(len(gram), RIDGE * np.trace(gram[:-1, :-1]) / max(len(gram) - 1, 1))
    shrink[-1] = 0.0
    return np.linalg.solve(gram + np.diag(shrink), cross)


def linear_forecast(inputs: jax.Array, weights: np.ndarray) -> jax.Array:
    """[B, S, D] from whole windows [B, T, D], by what `fit_linear` gave."""
    w = jnp.asarray(weights, inputs.dtype)
    last = inputs[:, -1:]
    return jnp.einsum("btd,ts->bsd", inputs[:, :-1] - last, w[:-1], precision="highest") + w[-1][None, :, None] + last
