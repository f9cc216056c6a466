"""One vector for a sequence, from its real steps; zeros for a row that has none.

A sequence that is not over yet is pooled step by step: `none_yet` is what is carried before the first step, and
`weighted_so_far` and `maximum_so_far` give the vector after one more step, and what is carried on.
"""

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


def none_yet(batch_size: int, features: int) -> tuple[Float[Array, "B H"], Float[Array, "B 1"], Float[Array, "B 1"]]:
    """Before the first step: sum or maximum, sum of the weights, and the highest score."""
    lowest = jnp.finfo(jnp.float32).min
    column = jnp.zeros((batch_size, 1), jnp.float32)
    return jnp.zeros((batch_size, features), jnp.float32), column, column + lowest


def weighted_so_far(
    y: Float[Array, "B H"], score: Float[Array, "B 1"], carry: tuple
) -> tuple[Float[Array, "B H"], tuple]:
    """Mean with weights ~ exp(score); a score of zero at every step makes it the plain mean.

    Sums are kept relative to the highest score so far, as in Milakov and Gimelshein 2018 (arXiv 1805.02867), so that
    no exponential overflows.
    """
    total, weights, top = carry
    highest = jnp.maximum(top, score)
    before, now = jnp.exp(top - highest), jnp.exp(score - highest)
    total, weights = total * before + y.astype(jnp.float32) * now, weights * before + now
    return (total / weights).astype(y.dtype), (total, weights, highest)


def maximum_so_far(y: Float[Array, "B H"], carry: tuple) -> tuple[Float[Array, "B H"], tuple]:
    """The maximum for each feature."""
    highest, steps, unused = carry
    highest = jnp.where(steps > 0, jnp.maximum(highest, y.astype(jnp.float32)), y.astype(jnp.float32))
    return highest.astype(y.dtype), (highest, steps + 1, unused)


def _at(y: Float[Array, "B T K"], where: Bool[Array, "B T"]) -> Float[Array, "B K"]:
    # A sum over one chosen step: exact (a product would round to TF32 on GPU), and no scatter in its gradient.
    return jnp.where(where[..., None], y, jnp.zeros((), y.dtype)).sum(1)
