"""LSTM whose gates see the memory through diagonal peepholes (Gers et al. 2002; Graves 2013, arXiv 1308.0850).

    i  = sigmoid(W_i x + b_i + U_i h + v_i * c)
    f  = sigmoid(W_f x + b_f + U_f h + v_f * c)
    g  = tanh(W_g x + b_g + U_g h)
    c' = f * c + i * g
    o  = sigmoid(W_o x + b_o + U_o h + v_o * c')
    h' = o * tanh(c')

The output gate sees the new memory, the other two the old one. Peepholes are differentiated in full (Graves), not cut
off at the gates.

Parameters: 4*H*D + 4*H*H + 7*H
"""

import jax
import jax.numpy as jnp
from flax import nnx

from grux.arguments import PositiveInt
from grux.cells.base import Carry, GatedCell, Gates
from grux.cells.initializers import Initializer
from grux.cells.lstm import FORGET_BIAS
from grux.shapes import Array, Float


class PeepholeLSTM(GatedCell):
    """What LSTMs with peepholes share: carry (h, c), one vector for each gate that sees c, a forget bias."""

    carries = 2
    peepholes: int
    """Gates that see c."""
    forget_gate: int | None
    """Its place among the gates, None where there is none."""

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
        if self.forget_gate is not None:
            self.b_ih[...] = self.b_ih[...].at[self.forget_gate].set(jnp.float32(forget_bias))
        # Zeros: it starts as the LSTM without peepholes, and their gradient is that of c, which is not zero.
        self.w_peephole = nnx.Param(jnp.zeros((self.peepholes, features), jnp.float32))

    def vectors(self) -> tuple[Float[Array, "H"], ...]:
        return tuple(self.w_peephole[...])


class LSTMPeepholeCell(PeepholeLSTM):
    """LSTM with peepholes; gates i, f, g, o; carry (h, c)."""

    gates = 4
    peepholes = 3
    forget_gate = 1

    @staticmethod
    def combine(carry: Carry, p: Gates, r: Gates, v: Gates) -> Carry:
        (_, c), (p_i, p_f, p_g, p_o), (r_i, r_f, r_g, r_o), (v_i, v_f, v_o) = carry, p, r, v
        write = jax.nn.sigmoid(p_i + r_i + v_i * c)
        keep = jax.nn.sigmoid(p_f + r_f + v_f * c)
        c = keep * c + write * jnp.tanh(p_g + r_g)
        show = jax.nn.sigmoid(p_o + r_o + v_o * c)
        return show * jnp.tanh(c), c
