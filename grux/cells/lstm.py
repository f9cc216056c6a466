"""Long short-term memory with forget gate (Hochreiter and Schmidhuber 1997; Gers et al. 2000).

    i  = sigmoid(W_i x + b_i + U_i h)
    f  = sigmoid(W_f x + b_f + U_f h)
    g  = tanh(W_g x + b_g + U_g h)
    o  = sigmoid(W_o x + b_o + U_o h)
    c' = f * c + i * g
    h' = o * tanh(c')

Parameters: 4*H*D + 4*H*H + 4*H
"""

import jax
import jax.numpy as jnp
from flax import nnx

from grux.arguments import PositiveInt
from grux.cells.base import Carry, GatedCell, Gates, dropped
from grux.cells.initializers import Initializer, LongestTime, chrono_bias

FORGET_BIAS = 1.0  # Jozefowicz et al. 2015, section 2.3: start by remembering
INPUT_GATE, FORGET_GATE = 0, 1


class LSTMCell(GatedCell):
    """LSTM without peepholes; gates i, f, g, o; carry (h, c)."""

    gates = 4
    carries = 2
    drops_candidate = True

    def __init__(
        self,
        *,
        in_features: PositiveInt,
        features: PositiveInt,
        input_init: Initializer = "glorot",
        recurrent_init: Initializer = "orthogonal",
        forget_bias: float = FORGET_BIAS,
        chrono: LongestTime | None = None,
        rngs: nnx.Rngs,
    ):
        """`chrono`: the longest time in steps that the gates are initialised for; it takes the place of forget_bias."""
        super().__init__(
            in_features=in_features, features=features, input_init=input_init, recurrent_init=recurrent_init, rngs=rngs
        )
        if chrono is None:
            self.b_ih[...] = self.b_ih[...].at[FORGET_GATE].set(jnp.float32(forget_bias))
        else:
            keep = chrono_bias(rngs, features, chrono)
            self.b_ih[...] = self.b_ih[...].at[FORGET_GATE].set(keep).at[INPUT_GATE].set(-keep)

    @staticmethod
    def combine(carry: Carry, p: Gates, r: Gates) -> Carry:
        (_, c), (p_i, p_f, p_g, p_o, *factors), (r_i, r_f, r_g, r_o) = carry, p, r
        write = jax.nn.sigmoid(p_i + r_i)
        keep = jax.nn.sigmoid(p_f + r_f)
        show = jax.nn.sigmoid(p_o + r_o)
        c = keep * c + write * dropped(jnp.tanh(p_g + r_g), factors)
        return show * jnp.tanh(c), c
