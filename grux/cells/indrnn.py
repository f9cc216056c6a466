"""Independently recurrent network: each unit sees its own past only (Li et al. 2018, arXiv 1803.04831).

    h' = relu(W x + b + u * h)

u is a vector, so the gradient over T steps is scaled by u^T, unit by unit. It neither explodes nor vanishes for all
units where |u|^T stays bounded: u starts uniformly in [0, 2^(1/T)] with T = `max_steps`, the bound of the paper for
relu. Only the start is bounded, training is not.

Parameters: H*D + 2*H
"""

import jax
import jax.numpy as jnp
from flax import nnx

from grux.arguments import PositiveInt
from grux.cells.base import Carry, GatedCell, Gates
from grux.cells.initializers import Initializer
from grux.shapes import Array, Float

LARGEST_GAIN = 2.0  # of a gradient over max_steps steps; Li et al. 2018, sections 3.1 and 5


class IndRNNCell(GatedCell):
    """relu RNN with a diagonal recurrence; no matrix over the past; carry (h,)."""

    gates = 1
    recurrent_gates = 0

    def __init__(
        self,
        *,
        in_features: PositiveInt,
        features: PositiveInt,
        input_init: Initializer = "glorot",
        max_steps: PositiveInt = 1000,
        rngs: nnx.Rngs,
    ):
        super().__init__(in_features=in_features, features=features, input_init=input_init, rngs=rngs)
        bound = LARGEST_GAIN ** (1 / max_steps)
        self.u = nnx.Param(jax.random.uniform(rngs.params(), (features,), jnp.float32, 0.0, bound))

    def vectors(self) -> tuple[Float[Array, "H"], ...]:
        return (self.u[...],)

    @staticmethod
    def combine(carry: Carry, p: Gates, r: Gates, v: Gates) -> Carry:
        return (jax.nn.relu(p[0] + v[0] * carry[0]),)
