"""Gated recurrent unit as first published: the reset gate before the matrix product (Cho et al. 2014, EMNLP).

    r  = sigmoid(W_r x + b_r + U_r h)
    z  = sigmoid(W_z x + b_z + U_z h)
    n  = tanh(W_n x + b_n + U_n (r * h))
    h' = (1 - z) * n + z * h

The product U_n (r * h) waits for the reset gate: two dependent products per step, so this is no `GatedCell`.

Parameters: 3*H*D + 3*H*H + 3*H
"""

import jax
import jax.numpy as jnp

from grux.cells.base import Carry, Cell, Gates, matmul
from grux.shapes import Array, Float


class GRUResetBeforeCell(Cell):
    """GRU, reset before the product; gates r, z, n; carry (h,)."""

    gates = 3

    def step(self, carry: Carry, p: Gates) -> tuple[Carry, Float[Array, "B H"]]:
        (h,), (p_r, p_z, p_n) = carry, p
        w_r, w_z, w_n = self.w_hh[...]
        past = h.astype(p_r.dtype)
        reset = jax.nn.sigmoid(p_r + matmul(past, w_r))
        update = jax.nn.sigmoid(p_z + matmul(past, w_z))
        new = jnp.tanh(p_n + matmul((reset * h).astype(p_n.dtype), w_n))
        h = new + update * (h - new)
        return (h,), h
