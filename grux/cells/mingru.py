"""minGRU: a gated recurrent unit whose gate sees the input only (Feng et al. 2024, arXiv 2410.01201).

    z  = sigmoid(W_z x + b_z)
    n  = g(W_n x + b_n)
    h' = (1 - z) * h + z * n

    space   g
    plain   g(u) = u                                       (the paper's section 3.1)
    log     g(u) = u + 1/2 for u >= 0, else sigmoid(u)     (its appendix B: g > 0 has a logarithm)

In log space the parallel scan works on log(1 - z) and log(z n), where nothing overflows or underflows; steps taken one
by one need no logarithm and give the same numbers. The gate knows neither h nor the position of a step, so one layer
cannot tell two equal inputs apart: the paper stacks two or more.

Parameters: 2*H*D + 2*H
"""

from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx

from grux.arguments import PositiveInt
from grux.cells.base import Gates, LinearCell
from grux.cells.initializers import Initializer
from grux.shapes import Array, Float


class MinGRUCell(LinearCell):
    """minGRU; projections z, n; carry (h,)."""

    gates = 2

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
        p_z, p_n = p
        if self.space == "log":
            return jax.nn.log_sigmoid(-p_z), jax.nn.log_sigmoid(p_z) + log_positive(p_n)
        return jax.nn.sigmoid(-p_z), jax.nn.sigmoid(p_z) * p_n


def log_positive(u: Float[Array, "..."]) -> Float[Array, "..."]:
    """log g(u): log(u + 1/2) for u >= 0, else log sigmoid(u); continuous in value and slope."""
    # Both branches are differentiated, so the logarithm must stay finite where it is not taken.
    return jnp.where(u >= 0, jnp.log(jnp.maximum(u, 0) + 0.5), jax.nn.log_sigmoid(u))
