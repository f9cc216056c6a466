"""Layer normalisation inside a cell (Ba et al. 2016, arXiv 1607.06450, section 3.1 and appendix).

    LN(v) = (v - mean(v)) / sqrt(var(v) + epsilon)                  over the units of one gate
    p_g   = s_g * LN(W_g x) + b_g
    r_g   = t_g * LN(U_g h) (+ the cell's own recurrent bias)
    h'    = combine(h, p, r)

Both sides of each gate are normalised on their own, as the paper does for the GRU. Choices: every gate has a mean and a
variance of its own (the paper takes those of gates that share a product together), and the third norm that the paper
puts on an LSTM's memory before its output is left out, so that one file serves every gated cell.

The recurrent side is no longer linear in h: this runs by `sequential`, and dropout wrappers stand inside it.

Parameters: inner + G*H + R*H
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import nnx

from grux.arguments import PositiveInt
from grux.cells.base import Carry, Cell, Gates, Noise, matmul, recurrent_side, spread
from grux.cells.wrappers import gated_inside
from grux.shapes import Array, Float, Key

EPSILON = 1e-5


class LayerNormed(Cell):
    """A gated cell with both sides of its gates normalised."""

    def __init__(self, *, cell: Callable[..., Cell], in_features: PositiveInt, features: PositiveInt, rngs: nnx.Rngs):
        self.cell = gated_inside(cell(in_features=in_features, features=features, rngs=rngs), "layer norm")
        self.in_features = in_features
        self.features = features
        self.gates = self.cell.gates
        self.recurrent_gates = self.cell.recurrent_gates
        self.carries = self.cell.carries
        self.scale_ih = nnx.Param(jnp.ones((self.gates, features), jnp.float32))
        self.scale_hh = nnx.Param(jnp.ones((len(self.cell.recurrent_bias()), features), jnp.float32))

    def project(self, x: Float[Array, "... D"]) -> Gates:
        # The bias comes after the norm, which would take its mean out.
        (w, bias), scale = self.cell.input_weights(), self.scale_ih[...]
        return tuple(
            (_normed(matmul(x, w[g]), scale[g]) + _widened(bias[g], x.ndim)).astype(x.dtype) for g in range(self.gates)
        )

    def initial_carry(self, batch_size: int) -> Carry:
        return self.cell.initial_carry(batch_size)

    def noise(self, key: Key, steps: int, batch_size: int) -> Noise:
        return self.cell.noise(key, steps, batch_size)

    def step(self, carry: Carry, p: Gates, keep: Array | None = None) -> tuple[Carry, Float[Array, "B H"]]:
        past = carry[0] if keep is None else carry[0] * keep
        products = recurrent_side(past, self.cell.recurrent_weights(), (None,) * len(self.scale_hh[...]), p[0].dtype)
        r = tuple(
            _normed(product, scale) if bias is None else _normed(product, scale) + _widened(bias, product.ndim)
            for product, scale, bias in zip(products, self.scale_hh[...], self.cell.recurrent_bias(), strict=True)
        )
        carry = self.cell.combine(carry, p, r, *spread(self.cell.vectors(), carry))
        return carry, carry[0]


def _normed(v: Float[Array, "... H"], scale: Float[Array, "H"]) -> Float[Array, "... H"]:
    centred = v - v.mean(-1, keepdims=True)
    variance = (centred**2).mean(-1, keepdims=True)
    return centred * jax.lax.rsqrt(variance + EPSILON) * _widened(scale, v.ndim)


def _widened(vector: Float[Array, "H"], axes: int) -> Float[Array, "... H"]:
    return jnp.expand_dims(vector, tuple(range(axes - 1)))
