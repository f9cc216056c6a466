"""Run a cell over time: the one door to the engine.

Batch-major outside ([B, T, ...]), time-major inside. The input is projected for all steps by one product, then a
strategy walks through time:

    sequential   any cell; plain autodiff; the reference
    gated        every `GatedCell`; one custom backward pass
    native       GRU, LSTM and tanh RNN in float32 on CPU; a compiled kernel with the same backward pass
    linear       every `LinearCell`; all coefficients at once, then one multiply-add per step
    associative  every `LinearCell`; the steps too at once, in log2 T passes
    chunked      every `LinearCell`; associative within chunks of time, in less memory
    auto         what the class of the cell and the platform allow and measured fastest, else sequential
"""

import functools
import logging
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
from flax import nnx

from grux.cells.base import Carry, Cell, GatedCell, LinearCell, Noise
from grux.engine.differentiation import order, refuse_forward_mode
from grux.engine.gated import gated
from grux.engine.kernels.build import problem
from grux.engine.linear import chunked, linear
from grux.engine.masking import silence
from grux.engine.native import KERNELS, native, why_not_native
from grux.engine.sequential import sequential
from grux.errors import UsageError
from grux.shapes import Array, Bool, Float, Key

Strategy = Literal["auto", "sequential", "gated", "native", "linear", "associative", "chunked"]
NEEDS = {
    "gated": (GatedCell, "is elementwise but for h @ w_hh"),
    "native": (tuple(KERNELS), "is one of those with a compiled kernel"),
    "linear": (LinearCell, "is linear in h"),
    "associative": (LinearCell, "is linear in h"),
    "chunked": (LinearCell, "is linear in h"),
}
"""Strategy -> the cells that it runs, and what they are."""


def run(
    cell: Cell,
    x: Float[Array, "B T D"],
    *,
    mask: Bool[Array, "B T"] | None = None,
    carry: Carry | None = None,
    reverse: bool = False,
    strategy: Strategy = "auto",
    key: Key | None = None,
) -> tuple[Float[Array, "B T H"], Carry]:
    """Outputs of every step and the last carry.

    Where the mask is false the carry stands still and y is zero. With `reverse` the steps are taken from last to
    first, y stays in the order of x, and the carry returned is the one after the first step. y has the type of x, the
    carry is float32 (float64 where the weights are). `key` draws the noise of cells that have some; the same key draws
    the same, and None means evaluation.

    Raises UsageError for arrays that do not fit the cell or each other, and if a strategy was asked for that cannot run
    this cell: it never falls back silently. Backward passes of strategies are for reverse mode; `sequential` is plain
    autodiff and serves `jvp` as well.
    """
    check(cell, x, mask, carry)
    carry = cell.initial_carry(x.shape[0]) if carry is None else carry
    chosen = choose(cell, strategy)
    if 0 in x.shape[:2]:
        return jnp.zeros((*x.shape[:2], cell.features), x.dtype), carry
    values = jax.tree.leaves((nnx.state(cell), x, carry))
    if chosen == "auto" and _packing_is_dear(cell, x):
        chosen = "gated"
    if chosen in ("auto", "native"):
        chosen = _native_or_gated(cell, values, asked=chosen == "native")
    if chosen != "sequential":
        refuse_forward_mode(chosen, values)
    if chosen == "native":
        assert isinstance(cell, GatedCell)
        return native(cell, x, carry, mask, reverse)
    p = cell.project(jnp.swapaxes(x, 0, 1))
    steps = None if mask is None else mask.T
    noise = Noise() if key is None else cell.noise(key, x.shape[1], x.shape[0])
    p = (*p, *(n.astype(x.dtype) for n in noise.steps))
    if chosen == "gated":
        assert isinstance(cell, GatedCell)
        y, carry = gated(cell, p, carry, steps, reverse, noise.keep)
        y = silence(steps, y)
    elif chosen in ("linear", "associative", "chunked"):
        assert isinstance(cell, LinearCell)
        if chosen == "chunked":
            y, carry = chunked(cell, p, carry, steps, reverse)
        else:
            y, carry = linear(cell, p, carry, steps, reverse, way=chosen)
    else:
        y, carry = sequential(cell, p, carry, steps, reverse, noise.keep)
    return jnp.swapaxes(y, 0, 1).astype(x.dtype), carry


def check(part: Any, x: Any, mask: Any, carry: Any) -> None:
    """UsageError for arrays that are no input of a cell, or of a layer whose carry is a tuple of arrays.

    Nothing behind this door looks again.
    """
    kind = "cell" if isinstance(part, Cell) else "layer"
    if x.ndim != 3 or x.shape[2] != part.in_features:
        raise UsageError(
            f"x has the shape {list(x.shape)} and the {kind} takes [batch, time, {part.in_features}]; give it that."
        )
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise UsageError(f"x is of type {x.dtype} and {kind}s take floats; convert it, or look it up in an embedding.")
    if mask is not None and (mask.shape != x.shape[:2] or mask.dtype != jnp.bool_):
        raise UsageError(
            f"the mask is {mask.dtype} of shape {list(mask.shape)} and bool of shape {list(x.shape[:2])} is needed, "
            "true where there is a step."
        )
    if carry is None:
        return
    shapes = [list(c.shape) for c in jax.eval_shape(lambda: part.initial_carry(x.shape[0]))]
    given = [list(jnp.shape(c)) for c in carry]
    if given != shapes:
        raise UsageError(
            f"the carry has arrays of shape {given} and {shapes} is needed; take what the layer returned, or its "
            "initial_carry(batch)."
        )


def choose(cell: Cell | type[Cell], strategy: Strategy) -> Strategy:
    """The strategy that `auto` stands for, `auto` where only a call can tell; refuses one that cannot run the cell."""
    kind = cell if isinstance(cell, type) else type(cell)
    if strategy not in get_args(Strategy):
        raise UsageError(f"strategy={strategy} is none of {', '.join(get_args(Strategy))}; choose one of them.")
    if strategy == "auto":
        if kind in KERNELS:
            return "auto"
        if issubclass(kind, LinearCell):
            # log2 T passes are more work (experiments/linear_scan): for chips with room to spare.
            return "linear" if jax.default_backend() == "cpu" else "associative"
        return "gated" if issubclass(kind, GatedCell) else "sequential"
    if strategy in NEEDS and not issubclass(kind, NEEDS[strategy][0]):
        raise UsageError(
            f"strategy={strategy} needs a cell that {NEEDS[strategy][1]}, and {kind.__name__} is not; "
            "choose strategy=sequential or strategy=auto."
        )
    if strategy == "native" and (missing := problem()):
        raise _no_native(missing)
    return strategy


def _packing_is_dear(cell: Cell, x: Float[Array, "B T D"]) -> bool:
    """The kernel packs the weights in each call. Over a sequence that is nothing; for one step it may be most of it.

    Measured by scripts/benchmark_streaming.py with `--batch`: one step of some rows is faster for itself, and so is
    one row where the weights leave the cache.
    """
    rows, steps, _ = x.shape
    return steps == 1 and (rows > 8 or cell.w_hh.nbytes > 8 * 2**20)


def _native_or_gated(cell: Cell, values: list[Array], *, asked: bool) -> Strategy:
    """Only in a call are the platform, the type of the numbers and what is asked of them known."""
    refusal = why_not_native(cell, values)
    if not asked and (refusal or order(values) > 1):
        return "gated"
    if asked and refusal:
        raise _no_native(refusal)
    missing = problem()
    if missing:
        _say_once(f"{missing} Until then recurrent layers run by strategy=gated, which is slower.")
    return "gated" if missing else "native"


def _no_native(reason: str) -> UsageError:
    return UsageError(f"strategy=native cannot run here: {reason} Choose strategy=gated or strategy=auto.")


@functools.cache
def _say_once(message: str) -> None:
    logging.getLogger("grux").warning(message)
