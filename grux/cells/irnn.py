"""Recurrent network of rectified linear units that starts as the identity (Le et al. 2015, arXiv 1504.00941).

    h' = relu(W x + b + U h),   U = I at the start

With W x = 0 the start copies its state for ever, forwards and in the gradient. The paper draws W from N(0, 0.001^2) on
most of its tasks; here it starts as in every other cell, so that a comparison differs in one thing.

Parameters: H*D + H*H + H
"""

import jax
from flax import nnx

from grux.arguments import PositiveInt
from grux.cells.base import Carry, GatedCell, Gates
from grux.cells.initializers import Initializer


class IRNNCell(GatedCell):
    """relu RNN with the identity as its recurrent matrix at the start; carry (h,)."""

    gates = 1

    def __init__(
        self,
        *,
        in_features: PositiveInt,
        features: PositiveInt,
        input_init: Initializer = "glorot",
        recurrent_init: Initializer = "identity",
        rngs: nnx.Rngs,
    ):
        super().__init__(
            in_features=in_features, features=features, input_init=input_init, recurrent_init=recurrent_init, rngs=rngs
        )

    @staticmethod
    def combine(carry: Carry, p: Gates, r: Gates) -> Carry:
        return (jax.nn.relu(p[0] + r[0]),)
