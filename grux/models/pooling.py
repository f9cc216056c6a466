"""One vector for a sequence, from its real steps; zeros for a row that has none."""

import jax.numpy as jnp

from grux.shapes import Array, Bool, Float


def last_state(y: Float[Array, "B T H"], mask: Bool[Array, "B T"], *, bidirectional: bool) -> Float[Array, "B H"]:
    """The output of the last real step; of a bidirectional layer, each half where its own direction ends."""
    steps = jnp.arange(mask.shape[1])[None, :]
    end = mask & (steps == mask.sum(1, keepdims=True) - 1)
    last = _at(y, end)
    if not bidirectional:
        return last
    start = mask & (steps == 0)
    half = y.shape[-1] // 2
    return jnp.concatenate([last[:, :half], _at(y[..., half:], start)], axis=-1)


def mean(y: Float[Array, "B T H"], mask: Bool[Array, "B T"]) -> Float[Array, "B H"]:
    """The mean over the real steps, summed in float32."""
    count = jnp.maximum(mask.sum(1, keepdims=True), 1).astype(jnp.float32)
    total = jnp.where(mask[..., None], y, jnp.zeros((), y.dtype)).sum(1, dtype=jnp.promote_types(y.dtype, jnp.float32))
    return (total / count).astype(y.dtype)


def maximum(y: Float[Array, "B T H"], mask: Bool[Array, "B T"]) -> Float[Array, "B H"]:
    """The maximum over the real steps, for each feature."""
    highest = jnp.where(mask[..., None], y, jnp.finfo(y.dtype).min).max(1)
    return jnp.where(mask.any(1, keepdims=True), highest, jnp.zeros((), y.dtype))


def _at(y: Float[Array, "B T K"], where: Bool[Array, "B T"]) -> Float[Array, "B K"]:
    # A sum over one chosen step: exact (a product would round to TF32 on GPU), and no scatter in its gradient.
    return jnp.where(where[..., None], y, jnp.zeros((), y.dtype)).sum(1)
