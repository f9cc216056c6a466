"""The reference strategy: `lax.scan` of one step at a time, differentiated by JAX.

Runs any cell and any step function. Everything faster is tested against it.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax

from grux.cells.base import Carry, Cell, Gates
from grux.engine.masking import hold, silence
from grux.shapes import Array, Bool, Float


def sequential(
    cell: Cell,
    p: Gates,
    carry: Carry,
    mask: Bool[Array, "T B"] | None,
    reverse: bool,
    keep: Float[Array, "B H"] | None = None,
) -> tuple[Float[Array, "T B H"], Carry]:
    """All steps of a cell over its projected input p, time-major; `keep` as in `Noise`."""
    step = cell.step if keep is None else functools.partial(cell.step, keep=keep)
    return scan(step, carry, p, mask=mask, reverse=reverse)


def scan(
    step: Callable[[Any, Any], tuple[Any, Any]],
    carry: Any,
    xs: Any,
    *,
    mask: Bool[Array, "T B"] | None = None,
    reverse: bool = False,
) -> tuple[Any, Any]:
    """Steps of any function, such as a decoder that attends.

    `step(carry, x_t) -> (carry, y_t)`, trees of arrays [B, ...]; `xs` is a tree of arrays [T, B, ...]. The arrays of
    the carry are [B, H]. Returns the outputs [T, B, ...] and the last carry; padding holds the carry and gives zeros.
    """

    def masked_step(carry, inputs):
        x, m = inputs
        new, y = step(carry, x)
        return hold(m, new, carry), jax.tree.map(lambda leaf: silence(m, leaf), y)

    carry, ys = jax.lax.scan(masked_step, carry, (xs, mask), reverse=reverse)
    return ys, carry
