"""Recurrent layers: a cell run over time, in one direction or in both."""

from collections.abc import Callable
from typing import Literal

import jax.numpy as jnp
from flax import nnx

from grux.arguments import PositiveInt
from grux.cells.base import Carry, Cell, require_a_step
from grux.engine.run import Strategy, choose, run
from grux.errors import UsageError
from grux.layers.base import Layer
from grux.layers.dropout import fold
from grux.shapes import Array, Bool, Float, Key


class Recurrent(Layer):
    """A cell run from the first step to the last (`reverse`: from the last to the first).

    The carry before the first step is the cell's own, zeros, or with `initial_state=learned` a parameter that starts
    there: one vector [H] for each array of the carry, the same for all rows.
    """

    def __init__(
        self,
        *,
        cell: Callable[..., Cell],
        in_features: PositiveInt,
        features: PositiveInt,
        reverse: bool = False,
        strategy: Strategy = "auto",
        initial_state: Literal["zeros", "learned"] = "zeros",
        rngs: nnx.Rngs,
    ):
        if initial_state not in ("zeros", "learned"):
            raise UsageError(f"initial_state={initial_state} is none of zeros, learned; choose one of them.")
        self.cell = cell(in_features=in_features, features=features, rngs=rngs)
        require_a_step(self.cell)
        self.in_features = in_features
        self.out_features = features
        self.reverse = reverse
        self.strategy: Strategy = choose(self.cell, strategy)
        zeros = self.cell.initial_carry(1)
        self.initial = nnx.List([nnx.Param(c[0]) for c in zeros]) if initial_state == "learned" else None

    def initial_carry(self, batch_size: int) -> Carry:
        carry = self.cell.initial_carry(batch_size)
        if self.initial is None:
            return carry
        return tuple(jnp.broadcast_to(h[...], c.shape) for h, c in zip(self.initial, carry, strict=True))

    def __call__(
        self,
        x: Float[Array, "B T D"],
        *,
        mask: Bool[Array, "B T"] | None = None,
        carry: Carry | None = None,
        key: Key | None = None,
    ) -> tuple[Float[Array, "B T H"], Carry]:
        carry = self.initial_carry(x.shape[0]) if carry is None else carry
        return run(self.cell, x, mask=mask, carry=carry, reverse=self.reverse, strategy=self.strategy, key=key)


class Bidirectional(Layer):
    """Two layers of half the width each, one per direction, side by side (Schuster and Paliwal 1997).

    The outputs are concatenated, so y is as wide as that of a one-directional layer with the same `features`; the
    carry is the pair (forward, backward).
    """

    def __init__(self, *, layer: Callable[..., Layer], in_features: PositiveInt, features: PositiveInt, rngs: nnx.Rngs):
        if features % 2:
            raise UsageError(f"features={features} of a bidirectional layer is shared by two directions; make it even.")
        half = features // 2
        self.forward = layer(in_features=in_features, features=half, rngs=rngs)
        self.backward = layer(in_features=in_features, features=half, reverse=True, rngs=rngs)
        self.in_features = in_features
        self.out_features = self.forward.out_features + self.backward.out_features

    def initial_carry(self, batch_size: int):
        return self.forward.initial_carry(batch_size), self.backward.initial_carry(batch_size)

    def __call__(
        self,
        x: Float[Array, "B T D"],
        *,
        mask: Bool[Array, "B T"] | None = None,
        carry=None,
        key: Key | None = None,
    ):
        forward, backward = (None, None) if carry is None else carry
        left, forward = self.forward(x, mask=mask, carry=forward, key=fold(key, 0))
        right, backward = self.backward(x, mask=mask, carry=backward, key=fold(key, 1))
        return jnp.concatenate([left, right], axis=-1), (forward, backward)
