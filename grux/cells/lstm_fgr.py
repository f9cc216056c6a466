"""LSTM with full gate recurrence: every gate sees the last value of every gate (Greff et al. 2017, arXiv 1503.04069).

    i' = sigmoid(W_i x + b_i + U_i h + v_i * c  + R_ii i + R_if f + R_io o)
    f' = sigmoid(W_f x + b_f + U_f h + v_f * c  + R_fi i + R_ff f + R_fo o)
    g  = tanh(W_g x + b_g + U_g h)
    c' = f' * c + i' * g
    o' = sigmoid(W_o x + b_o + U_o h + v_o * c' + R_oi i + R_of f + R_oo o)
    h' = o' * tanh(c')

As in the first LSTM (Hochreiter and Schmidhuber 1997). The gates are part of the carry and meet nine more matrices, so
this is no `GatedCell`. All gates start as zero.

Parameters: 4*H*D + 13*H*H + 7*H
"""

import jax
import jax.numpy as jnp
from flax import nnx

from grux.arguments import PositiveInt
from grux.cells.base import Carry, Cell, Gates, matmul
from grux.cells.initializers import Initializer, kernels
from grux.cells.lstm import FORGET_BIAS, FORGET_GATE
from grux.shapes import Array, Float


class LSTMFullGateRecurrenceCell(Cell):
    """FGR; gates i, f, g, o; carry (h, c, i, f, o)."""

    gates = 4
    carries = 5

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
        self.w_peephole = nnx.Param(jnp.zeros((3, features), jnp.float32))
        # [to, from]: three gates each.
        self.w_gates = nnx.Param(kernels(recurrent_init, rngs, 9, features, features).reshape(3, 3, features, features))

    def step(self, carry: Carry, p: Gates) -> tuple[Carry, Float[Array, "B H"]]:
        (h, c, *gates), (p_i, p_f, p_g, p_o) = carry, p
        dtype = p_g.dtype
        past = h.astype(dtype)
        gates = [gate.astype(dtype) for gate in gates]

        def gate(number: int, p: Array, w: Array, c: Array) -> Array:
            seen = sum(matmul(before, r) for before, r in zip(gates, self.w_gates[...][number], strict=True))
            return jax.nn.sigmoid(p + matmul(past, w) + seen + self.w_peephole[...][number][None] * c)

        w_i, w_f, w_g, w_o = self.w_hh[...]
        write = gate(0, p_i, w_i, c)
        keep = gate(1, p_f, w_f, c)
        c = keep * c + write * jnp.tanh(p_g + matmul(past, w_g))
        show = gate(2, p_o, w_o, c)
        h = show * jnp.tanh(c)
        return (h, c, write, keep, show), h
