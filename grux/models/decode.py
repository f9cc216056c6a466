"""Greedy decoding: the likeliest token at each step, all rows together, in one compiled loop."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from grux.batch import BOS, EOS, PAD
from grux.shapes import Array, Bool, Float, Int

Step = Callable[[Any, Array], tuple[Any, Array]]
"""(carry, tokens int32 [B]) -> (carry, logits float32 [B, V])"""


def greedy(step: Step, carry: Any, *, live: Bool[Array, "B"], max_length: int) -> Int[Array, "B S"]:
    """int32 tokens [B, max_length]: up to EOS, then PAD; without EOS where the length ran out.

    `live` is false for rows that only fill the batch: they stay PAD and hold nothing up. The loop stops when every row
    has ended.
    """
    rows = live.shape[0]

    def unfinished(state):
        position, _, _, _, going = state
        return (position < max_length) & going.any()

    def advance(state):
        position, carry, token, tokens, going = state
        carry, logits = step(carry, token)
        token = jnp.where(going, best(logits), PAD)
        tokens = jax.lax.dynamic_update_slice(tokens, token[:, None], (0, position))
        return position + 1, carry, token, tokens, going & (token != EOS)

    start = jnp.full((rows,), BOS, jnp.int32)
    tokens = jnp.full((rows, max_length), PAD, jnp.int32)
    return jax.lax.while_loop(unfinished, advance, (0, carry, start, tokens, live))[3]


def best(logits: Float[Array, "... V"]) -> Int[Array, "..."]:
    """The likeliest token, PAD and BOS excepted: they stand in no target, and a translation may not write them."""
    tokens = jnp.arange(logits.shape[-1])
    banned = jnp.expand_dims((tokens == PAD) | (tokens == BOS), tuple(range(logits.ndim - 1)))
    return jnp.where(banned, -jnp.inf, logits).argmax(-1).astype(jnp.int32)
