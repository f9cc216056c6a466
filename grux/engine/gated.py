"""One fast backward pass for every `GatedCell`.

The forward pass keeps only the carries. The backward pass makes use of `combine` being elementwise: its Jacobian is a
handful of diagonals, so one vectorised pass over all T steps turns it into coefficients

    d carry'_k / d carry_j ,   d carry'_k / d p_g ,   d carry'_k / d r_g ,   d carry'_k / d v_n       each [T, B, H]

and what is left in the loop is linear: with delta_k the cotangent of carry_k,

    delta_r_g     = sum_k (d carry'_k / d r_g) delta_k
    delta_carry_j = sum_k (d carry'_k / d carry_j) delta_k   (+ sum_g delta_r_g U_g^T  for the first, h)

The gradient of the recurrent weights is one product over T*B rows after the loop, where autodiff would add up T small
ones in the loop; that of the vectors v is one sum over the same rows. Masked steps need no case of their own: holding
the carry has the Jacobian of the identity.

The scheme of forming weight gradients after the loop is that of Appleyard et al. 2016 (arXiv 1604.01946).
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.extend.core import Literal

from grux.cells.base import Carry, GatedCell, Gates, matmul, recurrent_side, spread
from grux.engine.masking import hold
from grux.shapes import Array, Bool, Float

Combine = Callable[..., Carry]
"""(carry, p, r) -> carry, and (carry, p, r, v) -> carry for a cell with vectors."""


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
    recurrent = cell.recurrent_weights(), cell.recurrent_bias()
    return _gated(cell.combine, reverse, p, *recurrent, cell.vectors(), carry, mask, keep)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _gated(combine: Combine, reverse: bool, p, w_hh, b_hh, vectors, carry, mask, keep):
    carries, last = _forward(combine, reverse, p, w_hh, b_hh, vectors, carry, mask, keep)
    return carries[0], last


def _forward(combine: Combine, reverse: bool, p, w_hh, b_hh, vectors, carry, mask, keep):
    dtype = p[0].dtype

    def step(carry, inputs):
        p_t, m_t = inputs
        r_t = recurrent_side(_kept(carry[0], keep), w_hh, b_hh, dtype)
        carry = hold(m_t, combine(carry, _wide(p_t, carry), r_t, *spread(vectors, carry)), carry)
        return carry, carry

    last, carries = jax.lax.scan(step, carry, (p, mask), reverse=reverse)
    return carries, last


def _gated_forward(combine: Combine, reverse: bool, p, w_hh, b_hh, vectors, carry, mask, keep):
    carries, last = _forward(combine, reverse, p, w_hh, b_hh, vectors, carry, mask, keep)
    return (carries[0], last), (p, w_hh, b_hh, vectors, carry, mask, keep, carries)


def _gated_backward(combine: Combine, reverse: bool, residuals, cotangents):
    p, w_hh, b_hh, vectors, first, mask, keep, carries = residuals
    dy, dlast = cotangents
    dtype = p[0].dtype
    before = tuple(_shift(c, f, reverse) for c, f in zip(carries, first, strict=True))
    # Recomputing r by one large product is cheaper than having the forward loop write it.
    past = _kept(before[0], None if keep is None else keep[None]).astype(dtype)
    r = recurrent_side(past, w_hh, b_hh, dtype)

    def masked(carry, p, r, *v):
        return hold(mask, combine(carry, _wide(p, carry), r, *v), carry)

    arguments = (before, p, r, *spread(vectors, before))
    _, pull = jax.vjp(masked, *arguments)
    used = dependencies(combine, *map(len, arguments))
    # diagonals[a][j][k]: of carry'_k with respect to array j of argument a; None where it is zero by structure.
    diagonals = [[[] for _ in argument] for argument in arguments]
    for k in range(len(first)):
        row = pull(tuple(jnp.full_like(c, float(j == k)) for j, c in enumerate(before)))
        for a, part in enumerate(row):
            for j, diagonal in enumerate(part):
                held = mask is not None and a == 0 and j == k
                diagonals[a][j].append(diagonal if held or used[k][a][j] else None)
    by_carry, by_p, by_r, *by_vectors = diagonals

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
    db = tuple(None if b is None else d.sum((0, 1)).astype(b.dtype) for b, d in zip(b_hh, dr, strict=True))
    dv = tuple(
        _dot(diagonals, delta).sum((0, 1)).astype(v.dtype)
        for v, diagonals in zip(vectors, *by_vectors or [()], strict=True)
    )
    # The factors of dropout are drawn, not learned.
    return dp, _weight_gradient(w_hh, past, dr), db, dv, dfirst, None, None


def _weight_gradient(w_hh, past: Float[Array, "T B H"], dr: list[Array]):
    """Of each recurrent matrix, one product over all T * B rows; in the type of w_hh."""
    if not dr:
        return ()
    wide = jnp.promote_types(past.dtype, jnp.float32)
    products = [jnp.einsum("tbh,tbk->hk", past, d.astype(past.dtype), preferred_element_type=wide) for d in dr]
    return jnp.stack(products).astype(w_hh.dtype)


_gated.defvjp(_gated_forward, _gated_backward)


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


@functools.cache
def dependencies(combine: Combine, *widths: int) -> tuple[tuple[tuple[bool, ...], ...], ...]:
    """[k][carry | p | r | vectors][j]: does carry'_k read that input at all? `widths`: arrays in each argument.

    Read off the program of `combine`, so no derivative that is zero only here or there is taken for one that is zero
    everywhere. Without this, the loop would carry arrays of zeros through memory (an LSTM's h' does not read h outside
    of r).
    """
    arguments = [(jax.ShapeDtypeStruct((1, 1), jnp.float32),) * width for width in widths]
    program = jax.make_jaxpr(combine)(*arguments).jaxpr
    reads = {variable: {number} for number, variable in enumerate(program.invars)}
    for equation in program.eqns:
        inputs = [v for v in equation.invars if not isinstance(v, Literal)]
        found = set().union(*(reads.get(v, set()) for v in inputs))
        reads.update(dict.fromkeys(equation.outvars, found))
    outputs = [set() if isinstance(v, Literal) else reads.get(v, set()) for v in program.outvars]
    starts = [sum(widths[:a]) for a in range(len(widths))]
    return tuple(
        tuple(tuple(start + j in read for j in range(width)) for start, width in zip(starts, widths, strict=True))
        for read in outputs
    )
