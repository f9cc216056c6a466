"""One fast backward pass for every `GatedCell`.

The forward pass keeps only the carries. The backward pass makes use of `combine` being elementwise: its Jacobian is a
handful of diagonals, so one vectorised pass over all T steps turns it into coefficients

    d carry'_k / d carry_j ,   d carry'_k / d p_g ,   d carry'_k / d r_g          each [T, B, H]

and what is left in the loop is linear: with delta_k the cotangent of carry_k,

    delta_r_g     = sum_k (d carry'_k / d r_g) delta_k
    delta_carry_j = sum_k (d carry'_k / d carry_j) delta_k   (+ sum_g delta_r_g U_g^T  for the first, h)

The gradient of the recurrent weights is one product over T*B rows after the loop, where autodiff would add up T small
ones in the loop. Masked steps need no case of their own: holding the carry has the Jacobian of the identity.

The scheme of forming weight gradients after the loop is that of Appleyard et al. 2016 (arXiv 1604.01946).
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from grux.cells.base import Carry, GatedCell, Gates, matmul, recurrent_side
from grux.engine.masking import hold
from grux.shapes import Array, Bool, Float

Combine = Callable[[Carry, Gates, Gates], Carry]


def gated(
    cell: GatedCell,
    p: Gates,
    carry: Carry,
    mask: Bool[Array, "T B"] | None,
    reverse: bool,
    keep: Float[Array, "B H"] | None = None,
) -> tuple[Float[Array, "T B H"], Carry]:
    """All steps of a gated cell over its projected input p, time-major; y is not yet zero on padding.

    `keep` multiplies h before each product with w_hh.
    """
    return _gated(cell.combine, reverse, p, cell.w_hh[...], cell.recurrent_bias(), carry, mask, keep)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _gated(combine: Combine, reverse: bool, p, w_hh, b_hh, carry, mask, keep):
    carries, last = _forward(combine, reverse, p, w_hh, b_hh, carry, mask, keep)
    return carries[0], last


def _forward(combine: Combine, reverse: bool, p, w_hh, b_hh, carry, mask, keep):
    dtype = p[0].dtype

    def step(carry, inputs):
        p_t, m_t = inputs
        r_t = recurrent_side(_kept(carry[0], keep), w_hh, b_hh, dtype)
        carry = hold(m_t, combine(carry, _wide(p_t, carry), r_t), carry)
        return carry, carry

    last, carries = jax.lax.scan(step, carry, (p, mask), reverse=reverse)
    return carries, last


def _gated_forward(combine: Combine, reverse: bool, p, w_hh, b_hh, carry, mask, keep):
    carries, last = _forward(combine, reverse, p, w_hh, b_hh, carry, mask, keep)
    return (carries[0], last), (p, w_hh, b_hh, carry, mask, keep, carries)


def _gated_backward(combine: Combine, reverse: bool, residuals, cotangents):
    p, w_hh, b_hh, first, mask, keep, carries = residuals
    dy, dlast = cotangents
    dtype = p[0].dtype
    before = tuple(_shift(c, f, reverse) for c, f in zip(carries, first, strict=True))
    # Recomputing r by one large product is cheaper than having the forward loop write it.
    past = _kept(before[0], None if keep is None else keep[None]).astype(dtype)
    r = recurrent_side(past, w_hh, b_hh, dtype)

    def masked(carry, p, r):
        return hold(mask, combine(carry, _wide(p, carry), r), carry)

    _, pull = jax.vjp(masked, before, p, r)
    rows = []  # rows[k] = the diagonals of carry'_k with respect to (carry, p, r)
    for k in range(len(first)):
        ones = tuple(jnp.full_like(c, float(j == k)) for j, c in enumerate(before))
        rows.append(pull(ones))
    used = dependencies(combine, len(first), len(p), len(r))
    by_carry = [
        [rows[k][0][j] if mask is not None or used[k][0][j] else None for k in _all(first)] for j in _all(first)
    ]
    by_p = [[rows[k][1][g] if used[k][1][g] else None for k in _all(first)] for g in _all(p)]
    by_r = [[rows[k][2][g] if used[k][2][g] else None for k in _all(first)] for g in _all(r)]

    def step(delta, inputs):
        by_carry, by_r, dy = inputs
        delta = (delta[0] + dy, *delta[1:])
        dr = [_dot(diagonals, delta) for diagonals in by_r]
        earlier = [_dot(diagonals, delta) for diagonals in by_carry]
        for d, w in zip(dr, w_hh, strict=True):
            earlier[0] = earlier[0] + _kept(matmul(d.astype(dtype), w.T), keep)
        return tuple(earlier), delta

    dfirst, delta = jax.lax.scan(step, dlast, (by_carry, by_r, dy), reverse=not reverse)
    dp = tuple(_dot(diagonals, delta).astype(x.dtype) for diagonals, x in zip(by_p, p, strict=True))
    dr = [_dot(diagonals, delta) for diagonals in by_r]
    wide = jnp.promote_types(dtype, jnp.float32)
    dw = jnp.stack([jnp.einsum("tbh,tbk->hk", past, d.astype(dtype), preferred_element_type=wide) for d in dr])
    db = tuple(None if b is None else d.sum((0, 1)).astype(b.dtype) for b, d in zip(b_hh, dr, strict=True))
    # The factors of dropout are drawn, not learned.
    return dp, dw.astype(w_hh.dtype), db, dfirst, None, None


_gated.defvjp(_gated_forward, _gated_backward)


def _all(items) -> range:
    return range(len(items))


def _kept(h: Array, keep: Array | None) -> Array:
    return h if keep is None else h * keep


def _wide(p: Gates, carry: Carry) -> Gates:
    """Gates in the type of the carry: the elementwise part never runs in bfloat16."""
    return tuple(x.astype(carry[0].dtype) for x in p)


def _shift(after: Float[Array, "T B H"], first: Float[Array, "B H"], reverse: bool) -> Float[Array, "T B H"]:
    """The carry before each step, from the carry after each step."""
    return jnp.concatenate([after[1:], first[None]] if reverse else [first[None], after[:-1]])


def _dot(diagonals: list[Array | None], delta: Carry) -> Array:
    """sum_k diagonal_k * delta_k, without the diagonals that are zero by structure."""
    terms = [a * d for a, d in zip(diagonals, delta, strict=True) if a is not None]
    return functools.reduce(jnp.add, terms) if terms else jnp.zeros_like(delta[0])


PROBES = 64


@functools.cache
def dependencies(combine: Combine, carries: int, inputs: int, gates: int) -> tuple[tuple[tuple[bool, ...], ...], ...]:
    """[k][carry | p | r][j]: does carry'_k depend on that input at all? `inputs` are the arrays of p, `gates` of r.

    Asked by numbers: a derivative that is zero at each of 64 points (of both signs) is taken as zero by structure.
    Without this, the loop would carry arrays of zeros through memory (an LSTM's h' does not read h outside of r).
    """
    points = np.random.default_rng(0).normal(size=(carries + inputs + gates, 1, PROBES)).astype(np.float32)
    with jax.ensure_compile_time_eval():
        arrays = tuple(jnp.asarray(x) for x in points)
        _, pull = jax.vjp(combine, arrays[:carries], arrays[carries : carries + inputs], arrays[carries + inputs :])
        rows = []
        for k in range(carries):
            ones = tuple(jnp.full((1, PROBES), float(j == k), jnp.float32) for j in range(carries))
            rows.append(tuple(tuple(bool((d != 0).any()) for d in part) for part in pull(ones)))
    return tuple(rows)
