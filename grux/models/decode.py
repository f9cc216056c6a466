"""Decoding: greedy, drawn, or by beam search; all rows together, in one compiled loop.

    greedy   the likeliest token at each step
    drawn    a token from softmax(logits / temperature) at each step
    beam     the likeliest of K hypotheses that grow side by side (Sutskever et al. 2014, arXiv 1409.3215, section 3.2:
             one that ends leaves the beam, so that K = 1 is greedy)

Hypotheses that have ended are ranked as in equation 14 of Wu et al. 2016 (arXiv 1609.08144):

    s(Y, X) = log P(Y | X) / lp(Y) + cp(X, Y)
    lp(Y)   = ((5 + |Y|) / 6)^a                              |Y| counts EOS
    cp      = b sum_i log(min(sum_j p_ij, 1))                p_ij: attention of target token j to the real source step i
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from grux.batch import BOS, EOS, PAD, UNKNOWN
from grux.shapes import Array, Bool, Float, Int, Key

Step = Callable[[Any, Array], tuple[Any, Array]]
"""(carry, tokens int32 [B]) -> (carry, logits float32 [B, V])"""
AttendingStep = Callable[[Any, Array], tuple[Any, Array, Array | None]]
"""The same, and the weights float32 [B, T] that each row gave to the source; None where there is no attention."""
UNSEEN = 1e-9  # stands for no attention at all to a source step: the penalty stays finite


class Hypotheses(NamedTuple):
    """What a beam search found for each row, best first: those that have ended, then those that the length cut."""

    tokens: Int[Array, "B K S"]
    """Up to EOS, then PAD."""
    scores: Float[Array, "B K"]
    """s(Y, X); -inf where there are fewer than K hypotheses."""
    log_probabilities: Float[Array, "B K"]
    ended: Bool[Array, "B K"]
    """Whether EOS was written."""


def greedy(step: Step, carry: Any, *, live: Bool[Array, "B"], max_length: int) -> Int[Array, "B S"]:
    """int32 tokens [B, max_length]: up to EOS, then PAD; without EOS where the length ran out.

    `live` is false for rows that only fill the batch: they stay PAD and hold nothing up. The loop stops when every row
    has ended.
    """
    return _written(step, carry, lambda logits, _: best(logits), live, max_length)


def drawn(
    step: Step, carry: Any, key: Key, *, live: Bool[Array, "B"], max_length: int, temperature: float
) -> Int[Array, "B S"]:
    """As `greedy`, but each token is drawn; `temperature` is above 0, and 1 draws as the model believes.

    What is unknown is never drawn.
    """

    def pick(logits, position):
        scores = possible(logits).at[..., UNKNOWN].set(-jnp.inf) / temperature
        return jax.random.categorical(jax.random.fold_in(key, position), scores).astype(jnp.int32)

    return _written(step, carry, pick, live, max_length)


def _written(
    step: Step, carry: Any, pick: Callable[[Array, Any], Array], live: Bool[Array, "B"], max_length: int
) -> Int[Array, "B S"]:
    rows = live.shape[0]

    def unfinished(state):
        position, _, _, _, going = state
        return (position < max_length) & going.any()

    def advance(state):
        position, carry, token, tokens, going = state
        carry, logits = step(carry, token)
        token = jnp.where(going, pick(logits, position), PAD)
        tokens = jax.lax.dynamic_update_slice(tokens, token[:, None], (0, position))
        return position + 1, carry, token, tokens, going & (token != EOS)

    start = jnp.full((rows,), BOS, jnp.int32)
    tokens = jnp.full((rows, max_length), PAD, jnp.int32)
    return jax.lax.while_loop(unfinished, advance, (0, carry, start, tokens, live))[3]


def beam(
    step: AttendingStep,
    carry: Any,
    *,
    source: Bool[Array, "B T"],
    size: int,
    max_length: int,
    length_penalty: float = 0.0,
    coverage_penalty: float = 0.0,
) -> Hypotheses:
    """The `size` best hypotheses of each row that a beam of that size finds, of at most `max_length` tokens.

    The carry has `size` rows side by side for each of the B, arrays [B * size, ...]. `source` is the mask of the
    source; rows without a real step have no hypothesis. The penalties are a and b above: they rank what the beam has
    found and do not steer it.
    """
    rows, slots = source.shape[0], jnp.arange(size)[None, :]

    def unfinished(state):
        position, _, _, _, values, ended, _ = state
        return (position < max_length) & ((values > -jnp.inf) & ~ended).any()

    def advance(state):
        position, carry, token, tokens, values, ended, coverage = state
        carry, logits, weights = step(carry, token.reshape(-1))
        grown = values[..., None] + possible(jax.nn.log_softmax(logits)).reshape(rows, size, -1)
        # What has ended keeps its slot: its only continuation is PAD, and nothing is before it.
        vocabulary = grown.shape[-1]
        kept = jnp.where(jnp.arange(vocabulary) == PAD, jnp.inf, -jnp.inf)[None, None, :]
        found, places = jax.lax.top_k(jnp.where(ended[..., None], kept, grown).reshape(rows, -1), size)
        parent, token = places // vocabulary, (places % vocabulary).astype(jnp.int32)

        def of_parent(x):
            return jnp.take_along_axis(x, parent.reshape(rows, size, *[1] * (x.ndim - 2)), axis=1)

        before = found == jnp.inf
        values = jnp.where(before, of_parent(values), found)
        if coverage is not None and weights is not None:
            new = jnp.where(ended[..., None], 0.0, weights.reshape(coverage.shape))
            coverage = of_parent(coverage + new)
        whose = (jnp.arange(rows)[:, None] * size + parent).reshape(-1)
        carry = jax.tree.map(lambda x: x[whose], carry)
        token = jnp.where(values > -jnp.inf, token, PAD)
        tokens = jax.lax.dynamic_update_slice(of_parent(tokens), token[..., None], (0, 0, position))
        return position + 1, carry, token, tokens, values, before | (token == EOS), coverage

    first = jnp.full((rows, size), BOS, jnp.int32)
    tokens = jnp.full((rows, size, max_length), PAD, jnp.int32)
    # All slots start alike, so one of them counts.
    values = jnp.where(source.any(1)[:, None] & (slots == 0), 0.0, -jnp.inf)
    attends = jax.eval_shape(step, carry, first.reshape(-1))[2] is not None
    coverage = jnp.zeros((rows, size, source.shape[1]), jnp.float32) if attends else None
    state = (0, carry, first, tokens, values, jnp.zeros((rows, size), bool), coverage)
    _, _, _, tokens, values, ended, coverage = jax.lax.while_loop(unfinished, advance, state)

    length = (tokens != PAD).sum(-1)
    scores = values / ((5.0 + length) / 6.0) ** length_penalty
    if coverage is not None:
        seen = jnp.log(jnp.clip(coverage, UNSEEN, 1.0))
        scores = scores + coverage_penalty * jnp.where(source[:, None, :], seen, 0.0).sum(-1)
    order = jnp.lexsort((-scores, ~ended), axis=-1)
    ranked = (jnp.take_along_axis(x, order, axis=1) for x in (scores, values, ended))
    return Hypotheses(jnp.take_along_axis(tokens, order[..., None], axis=1), *ranked)


def best(logits: Float[Array, "... V"]) -> Int[Array, "..."]:
    """The likeliest token that a translation may write."""
    return possible(logits).argmax(-1).astype(jnp.int32)


def possible(logits: Float[Array, "... V"]) -> Float[Array, "... V"]:
    """The logits, -inf for PAD and BOS: they stand in no target, and a translation may not write them."""
    tokens = jnp.arange(logits.shape[-1])
    banned = jnp.expand_dims((tokens == PAD) | (tokens == BOS), tuple(range(logits.ndim - 1)))
    return jnp.where(banned, -jnp.inf, logits)
