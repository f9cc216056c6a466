"""Run a cell over time: the one door to the engine.

Batch-major outside ([B, T, ...]), time-major inside. The input is projected for all steps by one product, then a
strategy walks through time:

    sequential   any cell; plain autodiff; the reference
    gated        every `GatedCell`; one custom backward pass
    native       GRU, LSTM and tanh RNN in float32 on CPU; a compiled kernel with the same backward pass
    auto         the fastest of these that can run the cell here
"""

import functools
import logging
from typing import Literal

import jax.numpy as jnp

from grux.cells.base import Carry, Cell, GatedCell, Gates
from grux.engine.gated import gated
from grux.engine.kernels.build import problem
from grux.engine.masking import silence
from grux.engine.native import KERNELS, native, why_not_native
from grux.engine.sequential import sequential
from grux.errors import UsageError
from grux.shapes import Array, Bool, Float

Strategy = Literal["auto", "sequential", "gated", "native"]


def run(
    cell: Cell,
    x: Float[Array, "B T D"],
    *,
    mask: Bool[Array, "B T"] | None = None,
    carry: Carry | None = None,
    reverse: bool = False,
    strategy: Strategy = "auto",
) -> tuple[Float[Array, "B T H"], Carry]:
    """Outputs of every step and the last carry.

    Where the mask is false the carry stands still and y is zero. With `reverse` the steps are taken from last to
    first, y stays in the order of x, and the carry returned is the one after the first step. y has the type of x, the
    carry is float32 (float64 where the weights are).

    Raises UsageError if a strategy was asked for that cannot run this cell: it never falls back silently.
    """
    p = cell.project(jnp.swapaxes(x, 0, 1))
    steps = None if mask is None else mask.T
    carry = cell.initial_carry(x.shape[0]) if carry is None else carry
    chosen = choose(cell, strategy)
    if chosen in ("auto", "native"):
        chosen = _native_or_gated(cell, p, carry, asked=chosen == "native")
    if chosen == "sequential":
        y, carry = sequential(cell, p, carry, steps, reverse)
    else:
        assert isinstance(cell, GatedCell)
        y, carry = (native if chosen == "native" else gated)(cell, p, carry, steps, reverse)
        y = silence(steps, y)
    return jnp.swapaxes(y, 0, 1).astype(x.dtype), carry


def choose(cell: Cell | type[Cell], strategy: Strategy) -> Strategy:
    """Refuse a strategy that cannot run the cell (or cells of that class); what `auto` leaves open stays `auto`."""
    kind = cell if isinstance(cell, type) else type(cell)
    if issubclass(kind, GatedCell):
        if strategy == "native" and kind not in KERNELS:
            known = ", ".join(sorted(known.__name__ for known in KERNELS))
            raise UsageError(
                f"strategy=native has kernels for {known} and none for {kind.__name__}; choose strategy=gated or "
                "strategy=auto."
            )
        return "gated" if strategy == "auto" and kind not in KERNELS else strategy
    if strategy in ("gated", "native"):
        raise UsageError(
            f"strategy={strategy} needs a cell that is elementwise but for h @ w_hh, and {kind.__name__} is not; "
            "choose strategy=sequential or strategy=auto."
        )
    return "sequential"


def _native_or_gated(cell: Cell, p: Gates, carry: Carry, *, asked: bool) -> Strategy:
    """Only in a call are the platform and the type of the numbers known."""
    refusal = why_not_native(cell, p, carry)
    missing = None if refusal else problem()
    if asked and (refusal or missing):
        raise UsageError(
            f"strategy=native cannot run here: {refusal or missing} Choose strategy=gated or strategy=auto."
        )
    if missing:
        _say_once(f"{missing} Until then recurrent layers run by strategy=gated, at about half the speed.")
    return "gated" if refusal or missing else "native"


@functools.cache
def _say_once(message: str) -> None:
    logging.getLogger("grux").warning(message)
