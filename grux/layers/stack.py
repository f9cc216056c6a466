"""Layers on top of each other, with dropout between them and, if wanted, residual connections."""

from collections.abc import Callable

from flax import nnx

from grux.arguments import PositiveInt
from grux.engine.masking import silence
from grux.layers.base import Layer
from grux.layers.dropout import dropout as drop
from grux.layers.dropout import fold
from grux.layers.recurrent import Bidirectional
from grux.rates import AnyRate
from grux.shapes import Array, Bool, Float, Key


class Stack(Layer):
    """`depth` layers of the same kind; the carry is the tuple of theirs.

    Dropout falls on what goes from one layer up to the next, never on the recurrent path (Zaremba et al. 2014, arXiv
    1409.2329). `residual` adds a layer's input to its output wherever both have the same width (He et al. 2016).
    """

    def __init__(
        self,
        *,
        layer: Callable[..., Layer],
        in_features: PositiveInt,
        features: PositiveInt,
        depth: PositiveInt = 1,
        bidirectional: bool = False,
        residual: bool = False,
        dropout: AnyRate = 0.0,
        rngs: nnx.Rngs,
    ):
        def one(width: int) -> Layer:
            if bidirectional:
                return Bidirectional(layer=layer, in_features=width, features=features, rngs=rngs)
            return layer(in_features=width, features=features, rngs=rngs)

        self.layers = nnx.List([one(in_features if level == 0 else features) for level in range(depth)])
        self.in_features = in_features
        self.out_features = features
        self.residual = residual
        self.dropout = dropout

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
        carry = [None] * len(self.layers) if carry is None else carry
        carries = []
        for level, (layer, before) in enumerate(zip(self.layers, carry, strict=True)):
            if level > 0:
                x = drop(x, self.dropout, fold(key, 2 * level))
            y, after = layer(x, mask=mask, carry=before, key=fold(key, 2 * level + 1))
            # The input need not be zero on padding; the output is.
            x = silence(mask, x + y) if self.residual and x.shape[-1] == y.shape[-1] else y
            carries.append(after)
        return x, tuple(carries)
