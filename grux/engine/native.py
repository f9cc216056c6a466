"""The recurrence of GRU, LSTM and tanh RNN on CPU by a compiled kernel (`kernels/recurrence.cc`), in float32.

The kernel runs what must run step by step: the product with the carry, the gates, and their cotangents backwards. The
input projection before it and the weight gradients after it are single large products, which XLA does best.

    delta        d loss / d (input side of each gate), and where the recurrent side of a gate has a cotangent of its
                 own (the n of a GRU, behind the reset gate), that too            [T, B, H] each
    dU_g         = sum over t, b of  h_before^T  delta_g

The kernel writes the gates it saves over the projections, and the deltas over the gates, so a training step touches
little memory.
"""

import functools

import jax
import jax.numpy as jnp

from grux.cells.base import Carry, Cell, GatedCell, Gates
from grux.cells.elman import ElmanCell
from grux.cells.gru import GRUCell
from grux.cells.lstm import LSTMCell
from grux.engine.gated import shift
from grux.engine.kernels.build import kernels
from grux.provenance import available_cores
from grux.shapes import Array, Bool, Float

# Name in the library, arrays that the forward pass saves, and which delta is that of each gate's recurrent side.
KERNELS: dict[type[Cell], tuple[str, int, tuple[int, ...]]] = {
    ElmanCell: ("elman", 0, (0,)),
    GRUCell: ("gru", 4, (0, 1, 3)),
    LSTMCell: ("lstm", 4, (0, 1, 2, 3)),
}


def why_not_native(cell: Cell, p: Gates, carry: Carry) -> str | None:
    """What keeps this call from the kernels, in a sentence; None where nothing does but that they may be missing."""
    if not isinstance(cell, GatedCell) or type(cell) not in KERNELS:
        return f"there is no kernel for {type(cell).__name__}."
    types = {str(x.dtype) for x in (*p, *carry, cell.w_hh[...])}
    if types != {"float32"}:
        return f"its kernels are for float32 and this is {' and '.join(sorted(types - {'float32'}))}."
    if jax.default_backend() != "cpu":
        return f"its kernels are for the CPU and this is {jax.default_backend()}."
    return None


def native(
    cell: GatedCell, p: Gates, carry: Carry, mask: Bool[Array, "T B"] | None, reverse: bool
) -> tuple[Float[Array, "T B H"], Carry]:
    """All steps of a cell over its projected input p, time-major; y is not yet zero on padding."""
    _register()
    return _native(type(cell), reverse, p, cell.w_hh[...], cell.recurrent_bias(), carry, mask)


@functools.cache
def _register() -> None:
    library = kernels()
    for name, _, _ in KERNELS.values():
        for way in ("forward", "backward"):
            symbol = getattr(library, f"{name}_{way}")
            jax.ffi.register_ffi_target(f"grux_{name}_{way}", jax.ffi.pycapsule(symbol), platform="cpu")


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _native(kind: type[Cell], reverse: bool, p, w_hh, b_hh, carry, mask):
    y, *last = _forward(kind, reverse, p, w_hh, b_hh, carry, mask, save=False)
    return y, tuple(last)


def _forward(kind: type[Cell], reverse: bool, p, w_hh, b_hh, carry, mask, *, save: bool):
    name, saved, _ = KERNELS[kind]
    step, row = _like(p[0]), _like(carry[0])
    every = len(carry) if save else 1
    results = [step] * every + [row] * len(carry) + [step] * (saved if save else 0)
    first = 3 + len(carry)  # the arguments w_hh, bias, mask and the carries come before the projections
    over = range(min(saved, len(p)) if save else 0)
    call = jax.ffi.ffi_call(
        f"grux_{name}_forward",
        results,
        vmap_method="sequential",
        input_output_aliases={first + g: every + len(carry) + g for g in over},
    )
    bias = jnp.stack([jnp.zeros(w_hh.shape[-1], w_hh.dtype) if b is None else b for b in b_hh])
    return call(w_hh, bias, _steps(mask), *carry, *p, reverse=reverse, save=save, cores=available_cores())


def _native_forward(kind: type[Cell], reverse: bool, p, w_hh, b_hh, carry, mask):
    results = _forward(kind, reverse, p, w_hh, b_hh, carry, mask, save=True)
    k = len(carry)
    carries, last, saved = results[:k], results[k : 2 * k], results[2 * k :]
    return (carries[0], tuple(last)), (w_hh, b_hh, carry, mask, carries, saved)


def _native_backward(kind: type[Cell], reverse: bool, residuals, cotangents):
    w_hh, b_hh, first, mask, carries, saved = residuals
    dy, dlast = cotangents
    name, _, sides = KERNELS[kind]
    step, row = _like(dy), _like(first[0])
    count = max(sides) + 1
    before = 2 + 2 * len(first)  # w_hh, mask, first carries, all carries
    call = jax.ffi.ffi_call(
        f"grux_{name}_backward",
        [step] * count + [row] * len(first),
        vmap_method="sequential",
        input_output_aliases={before + i: i for i in range(len(saved))},
    )
    results = call(w_hh, _steps(mask), *first, *carries, *saved, dy, *dlast, reverse=reverse, cores=available_cores())
    delta, dfirst = results[:count], tuple(results[count:])
    past = shift(carries[0], first[0], reverse)
    dw = jnp.stack([jnp.einsum("tbh,tbk->hk", past, delta[side]) for side in sides])
    db = tuple(None if b is None else delta[side].sum((0, 1)) for b, side in zip(b_hh, sides, strict=True))
    return tuple(delta[: len(sides)]), dw, db, dfirst, None


_native.defvjp(_native_forward, _native_backward)


def _like(x: Array) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(x.shape, x.dtype)


def _steps(mask: Bool[Array, "T B"] | None) -> Array:
    return jnp.zeros((0, 0), jnp.bool_) if mask is None else mask
