"""MUT1, MUT2, MUT3: the best cells that a search over ten thousand found (Jozefowicz et al. 2015).

    MUT1   z  = sigmoid(W_z x + b_z)
           r  = sigmoid(W_r x + b_r + U_r h)
           n  = tanh(tanh(W_n x) + b_n + U_n (r * h))

    MUT2   z  = sigmoid(W_z x + b_z + U_z h)
           r  = sigmoid(x + b_r + U_r h)
           n  = tanh(W_n x + b_n + U_n (r * h))

    MUT3   z  = sigmoid(W_z x + b_z + U_z tanh(h))
           r  = sigmoid(W_r x + b_r + U_r h)
           n  = tanh(W_n x + b_n + U_n (r * h))

           h' = z * n + (1 - z) * h                          all three

In the paper x is as wide as h, and MUT1 has tanh(x) without a matrix. Here W_n brings an input of any width to that of
h. In MUT2 a matrix before x would give back the GRU (`gru_reset_before` with 1 - z for z), so x stands as it is: cut,
or filled up with zeros, where it is not as wide as h.

The product U_n (r * h) waits for the reset gate, so these are no `GatedCell`s.
"""

import jax
import jax.numpy as jnp
from flax import nnx

from grux.arguments import PositiveInt
from grux.cells.base import Carry, Cell, Gates, matmul
from grux.cells.initializers import Initializer
from grux.shapes import Array, Float


class MUT1Cell(Cell):
    """MUT1: the update gate reads the input only; carry (h,).

    Parameters: 3*H*D + 2*H*H + 3*H
    """

    gates = 3
    recurrent_gates = 2

    def project(self, x: Float[Array, "... D"]) -> Gates:
        """The input side of z, r and n: that of n is squashed before its bias is added."""
        w, b = self.w_ih[...], self.b_ih[...]
        p_z, p_r = (self._affine(x, w[g], b[g]) for g in range(2))
        p_n = jnp.tanh(matmul(x, w[2]))
        p_n = p_n + jnp.expand_dims(b[2], tuple(range(x.ndim - 1)))
        return p_z.astype(x.dtype), p_r.astype(x.dtype), p_n.astype(x.dtype)

    def step(self, carry: Carry, p: Gates) -> tuple[Carry, Float[Array, "B H"]]:
        (h,), (p_z, p_r, p_n) = carry, p
        w_r, w_n = self.w_hh[...]
        reset = jax.nn.sigmoid(p_r + matmul(h.astype(p_r.dtype), w_r))
        return _update(h, jax.nn.sigmoid(p_z), reset, p_n, w_n)


class MUT2Cell(Cell):
    """MUT2: the reset gate reads the input without a matrix; carry (h,).

    Parameters: 2*H*D + 3*H*H + 3*H
    """

    gates = 2
    recurrent_gates = 3

    def __init__(
        self,
        *,
        in_features: PositiveInt,
        features: PositiveInt,
        input_init: Initializer = "glorot",
        recurrent_init: Initializer = "orthogonal",
        rngs: nnx.Rngs,
    ):
        super().__init__(
            in_features=in_features, features=features, input_init=input_init, recurrent_init=recurrent_init, rngs=rngs
        )
        self.b_r = nnx.Param(jnp.zeros((features,), jnp.float32))

    def project(self, x: Float[Array, "... D"]) -> Gates:
        """The input side of z, r and n: that of r is x itself, as wide as h, and a bias."""
        p_z, p_n = super().project(x)
        missing = max(self.features - x.shape[-1], 0)
        wide = jnp.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, missing)])[..., : self.features]
        p_r = wide + jnp.expand_dims(self.b_r[...], tuple(range(x.ndim - 1)))
        return p_z, p_r.astype(x.dtype), p_n

    def step(self, carry: Carry, p: Gates) -> tuple[Carry, Float[Array, "B H"]]:
        (h,), (p_z, p_r, p_n) = carry, p
        w_z, w_r, w_n = self.w_hh[...]
        past = h.astype(p_z.dtype)
        update = jax.nn.sigmoid(p_z + matmul(past, w_z))
        reset = jax.nn.sigmoid(p_r + matmul(past, w_r))
        return _update(h, update, reset, p_n, w_n)


class MUT3Cell(Cell):
    """MUT3: the update gate reads tanh(h); carry (h,).

    Parameters: 3*H*D + 3*H*H + 3*H
    """

    gates = 3

    def step(self, carry: Carry, p: Gates) -> tuple[Carry, Float[Array, "B H"]]:
        (h,), (p_z, p_r, p_n) = carry, p
        w_z, w_r, w_n = self.w_hh[...]
        update = jax.nn.sigmoid(p_z + matmul(jnp.tanh(h).astype(p_z.dtype), w_z))
        reset = jax.nn.sigmoid(p_r + matmul(h.astype(p_r.dtype), w_r))
        return _update(h, update, reset, p_n, w_n)


def _update(h: Array, update: Array, reset: Array, p_n: Array, w_n: Array) -> tuple[Carry, Array]:
    """What the three share: the candidate behind the reset gate, and how much of it is taken."""
    new = jnp.tanh(p_n + matmul((reset * h).astype(p_n.dtype), w_n))
    h = h + update * (new - h)
    return (h,), h
