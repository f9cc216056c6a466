"""Layers that read their past through a window of last steps and not through a state: attention, convolution.

Their carry is the window, arrays [B, W, ...] with the newest step last, and zeros where there was no step yet. Inside,
the real steps of a row stand first, in the order in which they are taken, so that a mask of any pattern and the reverse
direction are seen in one place, here:

    x  ->  real steps first  ->  read  ->  where they were, zero on padding
"""

import abc
from typing import Any

import jax.numpy as jnp

from grux.engine.masking import silence
from grux.engine.run import check
from grux.layers.base import Layer
from grux.shapes import Array, Bool, Float, Int, Key


class Windowed(Layer):
    """A layer that writes `read`. With `reverse` steps are taken from last to first, and y stays in the order of x."""

    reverse: bool

    def __call__(
        self,
        x: Float[Array, "B T D"],
        *,
        mask: Bool[Array, "B T"] | None = None,
        carry: Any = None,
        key: Key | None = None,
    ) -> tuple[Float[Array, "B T H"], Any]:
        check(self, x, mask, carry)
        if mask is None:
            y, carry = self.read(flip(x, self.reverse), None, carry, key)
            return flip(y, self.reverse), carry
        order = real_first(mask, self.reverse)
        y, carry = self.read(take(x, order), mask.sum(1, dtype=jnp.int32), carry, key)
        return silence(mask, take(y, jnp.argsort(order, axis=1))), carry

    @abc.abstractmethod
    def read(
        self, x: Float[Array, "B T D"], lengths: Int[Array, "B"] | None, carry: Any, key: Key | None
    ) -> tuple[Float[Array, "B T H"], Any]:
        """y, and the carry after `lengths` steps of each row (None: all); what y is on later steps does not matter."""
        raise NotImplementedError

    @abc.abstractmethod
    def step_flops(self) -> tuple[int, int]:
        """Operations of one step of one row, its window full: products with x alone, and all others (as of a cell).

        The first are those that have one factor less to differentiate where x needs no gradient.
        """
        raise NotImplementedError


def flip(x: Float[Array, "B T K"], reverse: bool) -> Float[Array, "B T K"]:
    """x, from last step to first if `reverse`."""
    return x[:, ::-1] if reverse else x


def real_first(mask: Bool[Array, "B T"], reverse: bool) -> Int[Array, "B T"]:
    """Positions of the real steps of each row in the order in which they are taken, then those of padding."""
    steps = jnp.arange(mask.shape[1])[None, :]
    return jnp.argsort(jnp.where(mask, -steps if reverse else steps, mask.shape[1]), axis=1, stable=True)


def take(x: Float[Array, "B T K"], order: Int[Array, "B S"]) -> Float[Array, "B S K"]:
    """The steps of each row that `order` names."""
    return jnp.take_along_axis(x, order[..., None], axis=1)


def slide(
    window: Float[Array, "B W K"], new: Float[Array, "B T K"], lengths: Int[Array, "B"] | None
) -> Float[Array, "B W K"]:
    """The window after the first `lengths` of the new steps (None: all), in its own type."""
    joined = jnp.concatenate([window, new.astype(window.dtype)], axis=1)
    if lengths is None:
        return joined[:, new.shape[1] :]
    return take(joined, lengths[:, None] + jnp.arange(window.shape[1])[None, :])
