"""All steps of a `LinearCell`: h_t = a_t h_(t-1) + b_t with every a and b known beforehand.

The coefficients of all T steps come from one vectorised pass. Three ways lead through the recurrence itself:

    linear        one multiply-add per step, in a loop                     work T, T steps one after the other
    associative   (a, b) then (c, d) is (c a, c b + d), which associates   work 2 T to 3 T, log2 T steps
    chunked       associative within chunks of time, the carry between     the same, in less memory

The derivative is a recurrence of the same kind, run the other way, so the backward pass takes the same way as the
forward pass (autodiff of a parallel scan would keep an array for each of its levels):

    delta_t = dy_t + a_(t+1) delta_(t+1)      db_t = delta_t      da_t = delta_t h_(t-1)      dh_0 = a_1 delta_1

Padding is the identity element a = 1, b = 0.

`chunked` keeps the projected input and one carry per chunk, and computes the coefficients of a chunk once more in the
backward pass. Parallel scans of linear recurrences: Blelloch 1990; for recurrent networks Martin and Cundy 2018 (arXiv
1709.04057).
"""

import functools
from typing import Literal

import jax
import jax.numpy as jnp

from grux.cells.base import Carry, Gates, LinearCell, wide
from grux.engine.masking import silence
from grux.shapes import Array, Bool, Float

CHUNK = 256
"""Steps in a chunk: long enough that the loop over chunks costs nothing beside them."""

LOG_ZERO = -1e30
"""The logarithm of zero, finite: the derivative of log(exp x + exp y) at two infinities is not a number."""

Way = Literal["linear", "associative"]


def linear(
    cell: LinearCell, p: Gates, carry: Carry, mask: Bool[Array, "T B"] | None, reverse: bool, *, way: Way = "linear"
) -> tuple[Float[Array, "T B H"], Carry]:
    """All steps of a linear cell over its projected input p, time-major."""
    a, b = cell.coefficients(wide(p))
    log = cell.space == "log"
    one, zero = (0.0, LOG_ZERO) if log else (1.0, 0.0)
    if mask is not None:
        a = jnp.where(mask[..., None], a, jnp.full((), one, a.dtype))
        b = jnp.where(mask[..., None], b, jnp.full((), zero, b.dtype))
    if log and way == "linear":
        a, b, log = jnp.exp(a), jnp.exp(b), False
    h = _differentiable_states(way, log, reverse, a, b, cell.state(carry))
    return silence(mask, cell.read(h, p)), cell.carry_of(h[0 if reverse else -1])


def chunked(
    cell: LinearCell, p: Gates, carry: Carry, mask: Bool[Array, "T B"] | None, reverse: bool, *, chunk: int = CHUNK
) -> tuple[Float[Array, "T B H"], Carry]:
    """The same in chunks of time, with memory for one chunk of coefficients instead of all."""
    steps, rows = p[0].shape[:2]
    if steps <= chunk:
        return linear(cell, p, carry, mask, reverse, way="associative")
    missing = -steps % chunk
    if missing:
        mask = jnp.ones((steps, rows), bool) if mask is None else mask

    def cut(x: Array) -> Array:
        x = jnp.pad(x, ((0, missing),) + ((0, 0),) * (x.ndim - 1))
        return x.reshape(-1, chunk, *x.shape[1:])

    # The scan is a barrier already: prevent_cse would only forbid optimisations.
    @functools.partial(jax.checkpoint, prevent_cse=False)
    def one_chunk(carry, inputs):
        p, mask = inputs
        y, carry = linear(cell, p, carry, mask, reverse, way="associative")
        return carry, y

    carry, y = jax.lax.scan(one_chunk, carry, jax.tree.map(cut, (p, mask)), reverse=reverse)
    return y.reshape(-1, *y.shape[2:])[:steps], carry


def _states(way: Way, log: bool, reverse: bool, a: Array, b: Array, first: Array) -> Array:
    """h [T, B, H] of all steps; with `log`, a and b are given as logarithms."""
    if way == "linear":

        def step(h, inputs):
            a, b = inputs
            h = a * h + b
            return h, h

        return jax.lax.scan(step, first, (a, b), reverse=reverse)[1]
    join = _join_logs if log else _join
    decay, h = jax.lax.associative_scan(join, (a, b), reverse=reverse)
    if log:
        decay, h = jnp.exp(decay), jnp.exp(h)
    # The first state enters here and not in b_1: it may be negative, and has no logarithm then.
    return decay * first[None] + h


def _join(earlier, later):
    (a, b), (c, d) = earlier, later
    return a * c, b * c + d


def _join_logs(earlier, later):
    (a, b), (c, d) = earlier, later
    return a + c, jnp.logaddexp(b + c, d)


def _states_forward(way: Way, log: bool, reverse: bool, a, b, first):
    h = _states(way, log, reverse, a, b, first)
    return h, (a, b if log else None, first, h)


def _states_backward(way: Way, log: bool, reverse: bool, residuals, dh):
    a, log_b, first, h = residuals
    a = jnp.exp(a) if log else a
    following = jnp.concatenate([a[-1:], a[:-1]] if reverse else [a[1:], a[:1]])
    delta = _states(way, False, not reverse, following, dh, jnp.zeros_like(first))
    before = jnp.concatenate([h[1:], first[None]] if reverse else [first[None], h[:-1]])
    end = -1 if reverse else 0
    da, db = delta * before, delta
    if log:
        da, db = da * a, db * jnp.exp(log_b)
    return da, db, a[end] * delta[end]


_differentiable_states = jax.custom_vjp(_states, nondiff_argnums=(0, 1, 2))
_differentiable_states.defvjp(_states_forward, _states_backward)
