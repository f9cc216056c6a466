"""Layers of several kinds on top of each other, as one layer: a GRU and then self-attention, say."""

from collections.abc import Callable

from flax import nnx

from grux.arguments import PositiveInt
from grux.errors import UsageError
from grux.layers.base import Layer
from grux.layers.dropout import fold
from grux.shapes import Array, Bool, Float, Key


class Hybrid(Layer):
    """`layers` from the lowest up, all of one width; the carry is the tuple of theirs."""

    def __init__(
        self,
        *,
        layers: list[Callable[..., Layer]],
        in_features: PositiveInt,
        features: PositiveInt,
        reverse: bool = False,
        rngs: nnx.Rngs,
    ):
        if not layers:
            raise UsageError("layers of a hybrid is empty and needs one layer or more; name them.")
        self.layers = nnx.List(
            layer(in_features=features if level else in_features, features=features, reverse=reverse, rngs=rngs)
            for level, layer in enumerate(layers)
        )
        self.in_features = in_features
        self.out_features = features

    def initial_carry(self, batch_size: int):
        return tuple(layer.initial_carry(batch_size) for layer in self.layers)

    def __call__(
        self,
        x: Float[Array, "B T D"],
        *,
        mask: Bool[Array, "B T"] | None = None,
        carry=None,
        key: Key | None = None,
    ):
        carries = []
        before = [None] * len(self.layers) if carry is None else carry
        for level, (layer, start) in enumerate(zip(self.layers, before, strict=True)):
            x, after = layer(x, mask=mask, carry=start, key=fold(key, level))
            carries.append(after)
        return x, tuple(carries)
