"""Minimal gated unit: one gate that forgets and resets (Zhou et al. 2016, arXiv 1603.09420).

    f  = sigmoid(W_f x + b_f + U_f h)
    n  = tanh(W_n x + b_n + f * (U_n h))
    h' = (1 - f) * h + f * n

The paper has U_n (f * h), a product that waits for the gate; here the gate stands behind the product, as in `gru`.

Parameters: 2*H*D + 2*H*H + 2*H
"""

import jax
import jax.numpy as jnp

from grux.cells.base import Carry, GatedCell, Gates


class MGUCell(GatedCell):
    """MGU with the gate behind the product; gates f, n; carry (h,)."""

    gates = 2

    @staticmethod
    def combine(carry: Carry, p: Gates, r: Gates) -> Carry:
        (h,), (p_f, p_n), (r_f, r_n) = carry, p, r
        forget = jax.nn.sigmoid(p_f + r_f)
        new = jnp.tanh(p_n + forget * r_n)
        return (h + forget * (new - h),)
