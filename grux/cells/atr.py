"""Addition-subtraction twin-gated recurrent network (Zhang et al. 2018, arXiv 1810.12546).

    p  = W x + b
    q  = U h
    i  = sigmoid(p + q)
    f  = sigmoid(p - q)
    h' = i * p + f * h

Both gates come from the same two products, so it has a third of the matrices of a GRU. What is written is p itself,
without a squashing function.

Parameters: H*D + H*H + H
"""

import jax

from grux.cells.base import Carry, GatedCell, Gates


class ATRCell(GatedCell):
    """ATR: one gate pair from a sum and a difference; carry (h,)."""

    gates = 1

    @staticmethod
    def combine(carry: Carry, p: Gates, r: Gates) -> Carry:
        (h,), (new,), (past,) = carry, p, r
        write = jax.nn.sigmoid(new + past)
        keep = jax.nn.sigmoid(new - past)
        return (write * new + keep * h,)
