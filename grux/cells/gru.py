"""Gated recurrent unit with the reset gate behind the matrix product (Cho et al. 2014, arXiv 1406.1078 version 3).

    r  = sigmoid(W_r x + b_r + U_r h)
    z  = sigmoid(W_z x + b_z + U_z h)
    n  = tanh(W_n x + b_n + r * (U_n h + b_hn))
    h' = (1 - z) * n + z * h

This is the variant of cuDNN, PyTorch and Keras (`reset_after`): all products over the past are known before any gate,
so a step is one matrix product. The bias b_hn stands inside the reset and cannot be folded into b_n.

Parameters: 3*H*D + 3*H*H + 4*H
"""

import jax
import jax.numpy as jnp
from flax import nnx

from grux.arguments import PositiveInt
from grux.cells.base import Carry, GatedCell, Gates, dropped
from grux.cells.initializers import Initializer, LongestTime, chrono_bias
from grux.shapes import Array

UPDATE_GATE = 1


class GRUCell(GatedCell):
    """GRU, reset after the product; gates r, z, n; carry (h,)."""

    gates = 3
    drops_candidate = True

    def __init__(
        self,
        *,
        in_features: PositiveInt,
        features: PositiveInt,
        input_init: Initializer = "glorot",
        recurrent_init: Initializer = "orthogonal",
        chrono: LongestTime | None = None,
        rngs: nnx.Rngs,
    ):
        """`chrono`: the longest time in steps that the update gate is initialised for; None starts it half open."""
        super().__init__(
            in_features=in_features, features=features, input_init=input_init, recurrent_init=recurrent_init, rngs=rngs
        )
        if chrono is not None:
            self.b_ih[...] = self.b_ih[...].at[UPDATE_GATE].set(chrono_bias(rngs, features, chrono))
        self.b_hn = nnx.Param(jnp.zeros((features,), jnp.float32))

    def recurrent_bias(self) -> tuple[Array | None, ...]:
        return None, None, self.b_hn[...]

    @staticmethod
    def combine(carry: Carry, p: Gates, r: Gates) -> Carry:
        (h,), (p_r, p_z, p_n, *factors), (r_r, r_z, r_n) = carry, p, r
        reset = jax.nn.sigmoid(p_r + r_r)
        update = jax.nn.sigmoid(p_z + r_z)
        new = dropped(jnp.tanh(p_n + reset * r_n), factors)
        # n + z (h - n) is (1 - z) n + z h with one product less.
        return (new + update * (h - new),)
