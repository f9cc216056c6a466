"""Simple recurrent network: one layer of tanh units that sees its own last output (Elman 1990).

    h' = tanh(W x + b + U h)

Parameters: H*D + H*H + H
"""

import jax.numpy as jnp

from grux.cells.base import Carry, GatedCell, Gates


class ElmanCell(GatedCell):
    """tanh RNN; carry (h,)."""

    gates = 1

    @staticmethod
    def combine(carry: Carry, p: Gates, r: Gates) -> Carry:
        return (jnp.tanh(p[0] + r[0]),)
