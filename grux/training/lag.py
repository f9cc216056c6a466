"""How far back a trained network feels: the size of the gradient of its last state, by the lag of the input.

    g(k) = sqrt( mean over examples of || d h_T / d x_(T-k) ||_F^2 )

h_T is the output of the top recurrent layer at the last real step, x_t what the lowest one reads at step t. By the
chain rule

    d h_T / d x_(T-k) = d h_T / d h_(T-1) ... d h_(T-k+1) / d h_(T-k)  *  d h_(T-k) / d x_(T-k)

which is the product that vanishes or explodes with k (Bengio, Simard and Frasconi 1994, "Learning long-term
dependencies with gradient descent is difficult", section III; Pascanu, Mikolov and Bengio 2013, "On the difficulty of
training recurrent neural networks", equations 3 to 5) times a last factor that every lag has. It belongs to the
recurrence: pooling, head and loss have no part in it.

The Frobenius norm is estimated: E || v^T J ||^2 = || J ||_F^2 for random signs v (Hutchinson 1990), one v for each
example, so that all lags together cost one forward and one backward pass over one batch.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from grux.batch import Batch
from grux.data.base import Split, take_rows
from grux.training.programs import Programs

RULE = "root mean square over examples of the Frobenius norm of d h_T / d x_(T-k), best weights, validation split"
MOST_EXAMPLES = 64
"""The estimate of g is then off by 9 % (one standard deviation) where the Jacobians are as bad as can be, of rank 1."""


def gradient_by_lag(programs: Programs, params: Any, split: Split, batch_size: int) -> dict[str, Any] | None:
    """g at log-spaced lags for each seed, on a fixed batch of the longest bucket.

    None where the model does not say what its recurrence is.
    {"rule", "lags" [L], "examples" [L] (those longer than the lag), "norms" [S, L]}.
    """
    if not programs.has("recurrence"):
        return None
    bucket = max(split.buckets, key=lambda bucket: bucket.shape[0])
    index = np.arange(min(bucket.size, batch_size, MOST_EXAMPLES), dtype=np.int32)
    batch = take_rows(bucket, bucket.arrays, index)
    lengths = batch.mask.sum(1)
    lags = spaced_lags(int(lengths.max()))

    norms = programs.of_each_member(
        ("lag", batch.inputs.shape), lambda model, batch: norms_of(model, batch, lags), params, batch
    )
    examples = (lengths[:, None] > np.array(lags)).sum(0)
    return {"rule": RULE, "lags": lags, "examples": examples.tolist(), "norms": norms.astype(float).tolist()}


def spaced_lags(steps: int) -> list[int]:
    """0, 1, 2, 3, 4, 6, 8, 11, 16, ...: whole powers of the square root of 2 below `steps`."""
    powers = {round(2 ** (power / 2)) for power in range(2 * max(steps, 1).bit_length())}
    return [0, *sorted(lag for lag in powers if 0 < lag < steps)]


def norms_of(model: Any, batch: Batch, lags: list[int]) -> jax.Array:
    """g at each lag of one model, float32 [L]."""
    layers, x, mask = model.recurrence(batch)
    last = mask.sum(1) - 1
    signs = jax.random.rademacher(jax.random.key(0, impl="threefry2x32"), (len(last), layers.out_features), jnp.float32)

    def projected(x):
        y, _ = layers(x, mask=mask)
        at_end = jnp.arange(x.shape[1])[None, :] == last[:, None]
        return jnp.where(at_end[..., None], y.astype(jnp.float32) * signs[:, None], 0.0).sum()

    squares = jnp.square(jax.grad(projected)(x).astype(jnp.float32)).sum(-1)
    where = last[:, None] - jnp.array(lags)[None, :]
    found = jnp.take_along_axis(squares, jnp.maximum(where, 0), axis=1)
    there = where >= 0
    return jnp.sqrt(jnp.where(there, found, 0.0).sum(0) / there.sum(0))
