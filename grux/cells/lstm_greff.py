"""LSTMs with one thing taken away or tied (Greff et al. 2017, arXiv 1503.04069).

Each differs in one line from the LSTM with peepholes (`lstm_peephole`, the "vanilla" LSTM of the paper):

    i  = sigmoid(W_i x + b_i + U_i h + v_i * c)         NIG, no input gate:                   i = 1
    f  = sigmoid(W_f x + b_f + U_f h + v_f * c)         NFG, no forget gate:                  f = 1
    g  = tanh(W_g x + b_g + U_g h)                      NIAF, no input activation function:   g = W_g x + b_g + U_g h
    c' = f * c + i * g                                  CIFG, coupled gates:                  i = 1 - f
    o  = sigmoid(W_o x + b_o + U_o h + v_o * c')        NOG, no output gate:                  o = 1
    h' = o * tanh(c')                                   NOAF, no output activation function:  h' = o * c'

The other two of the eight have files of their own: NP, no peepholes, is `lstm`; FGR, full gate recurrence, `lstm_fgr`.
The forget bias is that of `lstm`, where the paper names none: between two rows one thing differs.
"""

import jax
import jax.numpy as jnp
from flax import nnx

from grux.arguments import PositiveInt
from grux.cells.base import Carry, Gates
from grux.cells.initializers import Initializer
from grux.cells.lstm_peephole import PeepholeLSTM


class NoInputGateCell(PeepholeLSTM):
    """NIG: i = 1; gates f, g, o.

    Parameters: 3*H*D + 3*H*H + 5*H
    """

    gates = 3
    peepholes = 2
    forget_gate = 0

    @staticmethod
    def combine(carry: Carry, p: Gates, r: Gates, v: Gates) -> Carry:
        (_, c), (p_f, p_g, p_o), (r_f, r_g, r_o), (v_f, v_o) = carry, p, r, v
        keep = jax.nn.sigmoid(p_f + r_f + v_f * c)
        c = keep * c + jnp.tanh(p_g + r_g)
        show = jax.nn.sigmoid(p_o + r_o + v_o * c)
        return show * jnp.tanh(c), c


class NoForgetGateCell(PeepholeLSTM):
    """NFG: f = 1; gates i, g, o. The LSTM of Hochreiter and Schmidhuber 1997, with peepholes.

    Parameters: 3*H*D + 3*H*H + 5*H
    """

    gates = 3
    peepholes = 2
    forget_gate = None

    def __init__(
        self,
        *,
        in_features: PositiveInt,
        features: PositiveInt,
        input_init: Initializer = "glorot",
        recurrent_init: Initializer = "orthogonal",
        rngs: nnx.Rngs,
    ):
        # The one constructor without a forget bias, as there is no gate that it could move.
        super().__init__(
            in_features=in_features, features=features, input_init=input_init, recurrent_init=recurrent_init, rngs=rngs
        )

    @staticmethod
    def combine(carry: Carry, p: Gates, r: Gates, v: Gates) -> Carry:
        (_, c), (p_i, p_g, p_o), (r_i, r_g, r_o), (v_i, v_o) = carry, p, r, v
        write = jax.nn.sigmoid(p_i + r_i + v_i * c)
        c = c + write * jnp.tanh(p_g + r_g)
        show = jax.nn.sigmoid(p_o + r_o + v_o * c)
        return show * jnp.tanh(c), c


class NoOutputGateCell(PeepholeLSTM):
    """NOG: o = 1; gates i, f, g.

    Parameters: 3*H*D + 3*H*H + 5*H
    """

    gates = 3
    peepholes = 2
    forget_gate = 1

    @staticmethod
    def combine(carry: Carry, p: Gates, r: Gates, v: Gates) -> Carry:
        (_, c), (p_i, p_f, p_g), (r_i, r_f, r_g), (v_i, v_f) = carry, p, r, v
        write = jax.nn.sigmoid(p_i + r_i + v_i * c)
        keep = jax.nn.sigmoid(p_f + r_f + v_f * c)
        c = keep * c + write * jnp.tanh(p_g + r_g)
        return jnp.tanh(c), c


class NoInputActivationCell(PeepholeLSTM):
    """NIAF: what is written is not squashed; gates i, f, g, o.

    Parameters: 4*H*D + 4*H*H + 7*H
    """

    gates = 4
    peepholes = 3
    forget_gate = 1

    @staticmethod
    def combine(carry: Carry, p: Gates, r: Gates, v: Gates) -> Carry:
        (_, c), (p_i, p_f, p_g, p_o), (r_i, r_f, r_g, r_o), (v_i, v_f, v_o) = carry, p, r, v
        write = jax.nn.sigmoid(p_i + r_i + v_i * c)
        keep = jax.nn.sigmoid(p_f + r_f + v_f * c)
        c = keep * c + write * (p_g + r_g)
        show = jax.nn.sigmoid(p_o + r_o + v_o * c)
        return show * jnp.tanh(c), c


class NoOutputActivationCell(PeepholeLSTM):
    """NOAF: what is shown is not squashed; gates i, f, g, o.

    Parameters: 4*H*D + 4*H*H + 7*H
    """

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
        return show * c, c


class CoupledGatesCell(PeepholeLSTM):
    """CIFG: i = 1 - f; gates f, g, o. `cifg` is the same without peepholes.

    Parameters: 3*H*D + 3*H*H + 5*H
    """

    gates = 3
    peepholes = 2
    forget_gate = 0

    @staticmethod
    def combine(carry: Carry, p: Gates, r: Gates, v: Gates) -> Carry:
        (_, c), (p_f, p_g, p_o), (r_f, r_g, r_o), (v_f, v_o) = carry, p, r, v
        keep = jax.nn.sigmoid(p_f + r_f + v_f * c)
        new = jnp.tanh(p_g + r_g)
        c = new + keep * (c - new)
        show = jax.nn.sigmoid(p_o + r_o + v_o * c)
        return show * jnp.tanh(c), c
