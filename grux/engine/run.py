"""Run a cell over time: the one door to the engine.

Batch-major outside ([B, T, ...]), time-major inside. The input is projected for all steps by one product, then a
strategy walks through time:

    sequential   any cell; plain autodiff; the reference
    gated        every `GatedCell`; one custom backward pass
    auto         gated where the cell allows it, else sequential
"""

from typing import Literal

import jax.numpy as jnp

from grux.cells.base import Carry, Cell, GatedCell
from grux.engine.gated import gated
from grux.engine.masking import silence
from grux.engine.sequential import sequential
from grux.errors import UsageError
from grux.shapes import Array, Bool, Float

Strategy = Literal["auto", "sequential", "gated"]


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
    chosen = choose(cell, strategy)
    p = cell.project(jnp.swapaxes(x, 0, 1))
    steps = None if mask is None else mask.T
    carry = cell.initial_carry(x.shape[0]) if carry is None else carry
    if chosen == "gated":
        assert isinstance(cell, GatedCell)
        y, carry = gated(cell, p, carry, steps, reverse)
        y = silence(steps, y)
    else:
        y, carry = sequential(cell, p, carry, steps, reverse)
    return jnp.swapaxes(y, 0, 1).astype(x.dtype), carry


def choose(cell: Cell | type[Cell], strategy: Strategy) -> Strategy:
    """The strategy that `auto` stands for; refuses one that cannot run the cell, or cells of that class."""
    kind = cell if isinstance(cell, type) else type(cell)
    if strategy == "auto":
        return "gated" if issubclass(kind, GatedCell) else "sequential"
    if strategy == "gated" and not issubclass(kind, GatedCell):
        raise UsageError(
            f"strategy=gated needs a cell that is elementwise but for h @ w_hh, and {kind.__name__} is not; "
            "choose strategy=sequential or strategy=auto."
        )
    return strategy
