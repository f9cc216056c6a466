"""How a next-step model writes on: tokens, or steps of notes, drawn one after the other from the scores after the last.

    p(v) ~ softmax(logits / temperature), of the k likeliest tokens, and of these of the fewest that have probability p

Top-k: Fan et al. 2018 (arXiv 1805.04833). Top-p, the nucleus: Holtzman et al. 2020 (arXiv 1904.09751).
"""

from typing import Any

import jax
import jax.numpy as jnp

from grux.batch import BOS, PAD, UNKNOWN
from grux.shapes import Array, Float, Int, Key

NEVER_WRITTEN = (PAD, UNKNOWN, BOS)


def sample(
    model: Any,
    prompt: Int[Array, "B T"],
    key: Key,
    *,
    length: int,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
) -> Int[Array, "B L"]:
    """int32 [B, length]: what follows the prompt, which has one token or more and no padding.

    `temperature` 0 takes the likeliest token each time.
    """
    logits, carry = model.run(prompt, mask=None, carry=model.initial_carry(prompt.shape[0]), key=None)

    def draw(held, key):
        logits, carry = held
        scores = kept(written(logits), temperature=temperature, top_k=top_k, top_p=top_p)
        token = scores.argmax(-1) if temperature == 0 else jax.random.categorical(key, scores)
        token = token.astype(jnp.int32)
        logits, carry = model.run(token[:, None], mask=None, carry=carry, key=None)
        return (logits[:, -1], carry), token

    _, tokens = jax.lax.scan(draw, (logits[:, -1], carry), jax.random.split(key, length))
    return tokens.T


def sample_notes(model: Any, key: Key, *, steps: int, temperature: float = 1.0) -> Float[Array, "T D"]:
    """float32 [steps, D] of 0 and 1: each note of a step is drawn for itself, given all steps before, from silence on.

    `temperature` divides the log odds of every note.
    """
    silence = jnp.zeros((1, 1, model.layers.in_features), jnp.float32)

    def draw(held, key):
        frame, carry = held
        logits, carry = model.run(frame, mask=None, carry=carry, key=None)
        frame = jax.random.bernoulli(key, jax.nn.sigmoid(logits / temperature)).astype(jnp.float32)
        return (frame, carry), frame[0, 0]

    return jax.lax.scan(draw, (silence, model.initial_carry(1)), jax.random.split(key, steps))[1]


def written(logits: Float[Array, "B V"]) -> Float[Array, "B V"]:
    """-inf for tokens that stand in no text."""
    never = jnp.isin(jnp.arange(logits.shape[-1]), jnp.array(NEVER_WRITTEN))
    return jnp.where(never[None, :], -jnp.inf, logits.astype(jnp.float32))


def kept(
    logits: Float[Array, "B V"], *, temperature: float, top_k: int | None, top_p: float | None
) -> Float[Array, "B V"]:
    """Logits to draw from: divided by the temperature, and -inf for tokens that are out."""
    scores = logits / temperature if temperature > 0 else logits
    if top_k is not None and top_k < scores.shape[-1]:
        least = jax.lax.top_k(scores, top_k)[0][:, -1:]
        scores = jnp.where(scores < least, -jnp.inf, scores)
    if top_p is not None and top_p < 1:
        ranked = jnp.sort(scores, axis=-1)[:, ::-1]
        shares = jax.nn.softmax(ranked, axis=-1)
        # In are all tokens before which less than p has been gathered: the likeliest always is.
        inside = (jnp.cumsum(shares, axis=-1) - shares) < top_p
        least = jnp.where(inside, ranked, jnp.inf).min(-1, keepdims=True)
        scores = jnp.where(scores < least, -jnp.inf, scores)
    return scores
