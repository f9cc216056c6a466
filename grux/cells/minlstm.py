"""minLSTM: a long short-term memory whose gates see the input only (Feng et al. 2024, arXiv 2410.01201).

    f  = sigmoid(W_f x + b_f)
    i  = sigmoid(W_i x + b_i)
    n  = g(W_n x + b_n)
    h' = f / (f + i) * h + i / (f + i) * n

Dividing by f + i makes the two gates add to one, so the size of h does not depend on time; there is no second state.
`space` chooses g, and where the parallel scan works, as in `mingru`.

Parameters: 3*H*D + 3*H
"""

from typing import Literal

import jax
from flax import nnx

from grux.arguments import PositiveInt
from grux.cells.base import Gates, LinearCell
from grux.cells.initializers import Initializer
from grux.cells.mingru import log_positive
from grux.shapes import Array


class MinLSTMCell(LinearCell):
    """minLSTM; projections f, i, n; carry (h,)."""

    gates = 3

    def __init__(
        self,
        *,
        in_features: PositiveInt,
        features: PositiveInt,
        input_init: Initializer = "glorot",
        space: Literal["log", "plain"] = "log",
        rngs: nnx.Rngs,
    ):
        super().__init__(in_features=in_features, features=features, input_init=input_init, rngs=rngs)
        self.space = space

    def coefficients(self, p: Gates) -> tuple[Array, Array]:
        p_f, p_i, p_n = p
        # f / (f + i) = sigmoid(log f - log i): no quotient of two numbers that may both be almost zero.
        odds = jax.nn.log_sigmoid(p_f) - jax.nn.log_sigmoid(p_i)
        if self.space == "log":
            return jax.nn.log_sigmoid(odds), jax.nn.log_sigmoid(-odds) + log_positive(p_n)
        return jax.nn.sigmoid(odds), jax.nn.sigmoid(-odds) * p_n
