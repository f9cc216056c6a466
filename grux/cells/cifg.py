"""LSTM with coupled input and forget gate: it writes as much as it forgets (Greff et al. 2017, arXiv 1503.04069).

    f  = sigmoid(W_f x + b_f + U_f h)
    g  = tanh(W_g x + b_g + U_g h)
    o  = sigmoid(W_o x + b_o + U_o h)
    c' = f * c + (1 - f) * g
    h' = o * tanh(c')

`lstm` with i = 1 - f and a quarter of the parameters less. The paper's own row has peepholes too: `lstm_cifg`. It
keeps i and writes f = 1 - i, which is the same function with the signs of that gate's weights turned.

Parameters: 3*H*D + 3*H*H + 3*H
"""

import jax
import jax.numpy as jnp
from flax import nnx

from grux.arguments import PositiveInt
from grux.cells.base import Carry, GatedCell, Gates
from grux.cells.initializers import Initializer
from grux.cells.lstm import FORGET_BIAS

FORGET_GATE = 0


class CIFGCell(GatedCell):
    """LSTM with i = 1 - f; gates f, g, o; carry (h, c)."""

    gates = 3
    carries = 2

    def __init__(
        self,
        *,
        in_features: PositiveInt,
        features: PositiveInt,
        input_init: Initializer = "glorot",
        recurrent_init: Initializer = "orthogonal",
        forget_bias: float = FORGET_BIAS,
        rngs: nnx.Rngs,
    ):
        super().__init__(
            in_features=in_features, features=features, input_init=input_init, recurrent_init=recurrent_init, rngs=rngs
        )
        self.b_ih[...] = self.b_ih[...].at[FORGET_GATE].set(jnp.float32(forget_bias))

    @staticmethod
    def combine(carry: Carry, p: Gates, r: Gates) -> Carry:
        (_, c), (p_f, p_g, p_o), (r_f, r_g, r_o) = carry, p, r
        keep = jax.nn.sigmoid(p_f + r_f)
        show = jax.nn.sigmoid(p_o + r_o)
        new = jnp.tanh(p_g + r_g)
        c = new + keep * (c - new)
        return show * jnp.tanh(c), c
