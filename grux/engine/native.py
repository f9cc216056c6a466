"""GRU, LSTM and tanh RNN on CPU by a compiled kernel (`kernels/recurrence.cc`), in float32.

One call runs all steps forward, another runs them backwards and forms the weight gradients, by the scheme of `gated.py`
but chunk by chunk of time, as long as what it needs is in the cache. Two things make it faster than what XLA makes of
that: the gates of a step are computed where its product leaves them, in registers, and each core takes rows of the
batch through time by itself.
"""

import functools

import jax
import jax.numpy as jnp

from grux.cells.base import Carry, Cell, GatedCell
from grux.cells.elman import ElmanCell
from grux.cells.gru import GRUCell
from grux.cells.lstm import LSTMCell
from grux.engine.division import is_divided
from grux.engine.kernels.build import kernels
from grux.provenance import available_cores
from grux.shapes import Array, Bool, Float

# Name in the library, vectors of H that it keeps of each step for the backward pass, and which of the summed deltas are
# the gradients of the biases of the input and recurrent sides, gate by gate.
KERNELS: dict[type[Cell], tuple[str, int, tuple[int, ...], tuple[int, ...]]] = {
    ElmanCell: ("elman", 0, (0,), (0,)),
    GRUCell: ("gru", 4, (1, 2, 0), (1, 2, 3)),
    LSTMCell: ("lstm", 5, (0, 1, 2, 3), (0, 1, 2, 3)),
}
LINE = 16  # floats in a cache line


def why_not_native(cell: Cell, values: list[Array]) -> str | None:
    """What keeps a call with these weights, input and carry from the kernels; None if only their absence could."""
    if not isinstance(cell, GatedCell) or type(cell) not in KERNELS:
        return f"there is no kernel for {type(cell).__name__}."
    types = {str(a.dtype) for a in values}
    if types != {"float32"}:
        return f"its kernels are for float32 and this is {' and '.join(sorted(types - {'float32'}))}."
    if jax.default_backend() != "cpu":
        return f"its kernels are for the CPU and this is {jax.default_backend()}."
    if is_divided():
        return "its kernels take whole batches and here each is divided over devices."
    return None


def native(
    cell: GatedCell, x: Float[Array, "B T D"], carry: Carry, mask: Bool[Array, "B T"] | None, reverse: bool
) -> tuple[Float[Array, "B T H"], Carry]:
    """All steps of a cell over its input, batch-major; y is zero on padding."""
    _register()
    weights = cell.w_ih[...], cell.b_ih[...], cell.w_hh[...], cell.recurrent_bias()
    return _native(type(cell), reverse, x, *weights, carry, mask)


@functools.cache
def _register() -> None:
    library = kernels()
    for name, *_ in KERNELS.values():
        for way in ("forward", "backward"):
            symbol = getattr(library, f"{name}_{way}")
            jax.ffi.register_ffi_target(f"grux_{name}_{way}", jax.ffi.pycapsule(symbol), platform="cpu")


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _native(kind: type[Cell], reverse: bool, x, w_ih, b_ih, w_hh, b_hh, carry, mask):
    y, *last = _forward(kind, reverse, x, w_ih, b_ih, w_hh, b_hh, carry, mask, save=False)
    return y, tuple(last)


def _forward(kind: type[Cell], reverse: bool, x, w_ih, b_ih, w_hh, b_hh, carry, mask, *, save: bool):
    """y, the last carries, and with `save` what the backward pass will need of every step beside y."""
    name, keeps, *_ = KERNELS[kind]
    row = jax.ShapeDtypeStruct(carry[0].shape, x.dtype)
    every = jax.ShapeDtypeStruct((*x.shape[:2], carry[0].shape[-1]), x.dtype)
    kept = []
    if save and keeps:
        lines = -(-carry[0].shape[-1] // LINE) * LINE
        kept = [jax.ShapeDtypeStruct((x.shape[1], x.shape[0], keeps, lines), x.dtype)]
    call = jax.ffi.ffi_call(f"grux_{name}_forward", [every, *[row] * len(carry), *kept], vmap_method="sequential")
    bias = jnp.stack([jnp.zeros_like(b_ih[0]) if b is None else b for b in b_hh])
    return call(x, w_ih, b_ih, w_hh, bias, _or_empty(mask), *carry, reverse=reverse, save=save, cores=available_cores())


def _native_forward(kind: type[Cell], reverse: bool, x, w_ih, b_ih, w_hh, b_hh, carry, mask):
    y, *results = _forward(kind, reverse, x, w_ih, b_ih, w_hh, b_hh, carry, mask, save=True)
    last, kept = results[: len(carry)], results[len(carry) :]
    return (y, tuple(last)), (x, w_ih, w_hh, b_hh, carry, mask, y, kept)


def _native_backward(kind: type[Cell], reverse: bool, residuals, cotangents):
    x, w_ih, w_hh, b_hh, first, mask, y, kept = residuals
    dy, dlast = cotangents
    name, _, inputs, sides = KERNELS[kind]
    shapes = [
        *(jax.ShapeDtypeStruct(a.shape, a.dtype) for a in (x, *first, w_ih, w_hh)),
        jax.ShapeDtypeStruct((max(sides) + 1, w_hh.shape[-1]), w_hh.dtype),
    ]
    call = jax.ffi.ffi_call(f"grux_{name}_backward", shapes, vmap_method="sequential")
    before = (x, w_ih, w_hh, _or_empty(mask), *first, y, *kept, dy, *dlast)
    dx, *rest = call(*before, reverse=reverse, cores=available_cores())
    dfirst, (dw_ih, dw_hh, sums) = tuple(rest[: len(first)]), rest[len(first) :]
    db = tuple(None if b is None else sums[side] for b, side in zip(b_hh, sides, strict=True))
    return dx, dw_ih, sums[jnp.array(inputs)], dw_hh, db, dfirst, None


_native.defvjp(_native_forward, _native_backward)


def _or_empty(mask: Bool[Array, "B T"] | None) -> Array:
    return jnp.zeros((0, 0), jnp.bool_) if mask is None else mask
