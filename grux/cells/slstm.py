"""LSTM with an exponential input gate, a normaliser and a stabiliser: sLSTM with one head (Beck et al. 2024).

    i  = W_i x + b_i + U_i h                    log of the input gate
    f  = log sigmoid(W_f x + b_f + U_f h) + m   log of the forget gate, in the old scale
    z  = tanh(W_z x + b_z + U_z h)
    o  = sigmoid(W_o x + b_o + U_o h)
    m' = max(i, f)                              m' = i where nothing is stored yet, n = 0
    c' = exp(f - m') * c + exp(i - m') * z
    n' = exp(f - m') * n + exp(i - m')
    h' = o * c' / n'

arXiv 2405.04517. c and n are kept divided by exp(m), which cancels in h: no exponent is ever above zero. The paper lets
the forget gate be sigmoid or exp; this is sigmoid, as in the authors' code, whose start at n = 0 is taken over too.
The cell alone: convolution, group norm and projections of the paper's block are not part of it.

Parameters: 4*H*D + 4*H*H + 4*H
"""

import jax
import jax.numpy as jnp
from flax import nnx

from grux.arguments import PositiveInt
from grux.cells.base import Carry, GatedCell, Gates
from grux.cells.initializers import Initializer
from grux.cells.lstm import FORGET_BIAS, FORGET_GATE


class SLSTMCell(GatedCell):
    """sLSTM, one head; gates i, f, z, o; carry (h, c, n, m)."""

    gates = 4
    carries = 4

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
        (_, c, n, m), (p_i, p_f, p_z, p_o), (r_i, r_f, r_z, r_o) = carry, p, r
        log_write = p_i + r_i
        # An old scale of nothing must not count: exp(f - m') would overflow for very negative i.
        log_keep = jnp.where(n == 0, log_write, jax.nn.log_sigmoid(p_f + r_f) + m)
        m = jnp.maximum(log_write, log_keep)
        write, keep = jnp.exp(log_write - m), jnp.exp(log_keep - m)
        c = keep * c + write * jnp.tanh(p_z + r_z)
        n = keep * n + write
        # One of the two exponents is zero, so from n = 0 on n' is at least 1 and the bound changes nothing. It holds a
        # carry that comes from elsewhere (a bridge from an encoder), where n may be anything.
        return jax.nn.sigmoid(p_o + r_o) * c / jnp.maximum(n, 1.0), c, n, m
