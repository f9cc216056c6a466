"""Linear recurrent unit: a complex diagonal recurrence (Orvieto et al. 2023, arXiv 2303.06349).

    lambda = exp(-exp(nu) + i exp(theta))
    h' = lambda * h + exp(gamma) * (B x + b)            h, B, b complex
    y  = activation(Re(C h') + D x + d)

|lambda| = exp(-exp(nu)) < 1 whatever nu is, so the recurrence is stable. It starts with lambda uniform on a ring,

    |lambda|^2 ~ U(r_min^2, r_max^2)    phase ~ U(0, max_phase)    exp(gamma) = sqrt(1 - |lambda|^2)

and gamma keeps the variance of h at that of the input. Choices: each part of the input side has a bias, as in every
cell here (the paper has none), and D is a full matrix since the widths of x and y may differ. In the paper a GELU and a
gated linear unit follow each recurrence; `activation` is that GELU, for without any a stack of these cells is linear.

The carry holds the real and the imaginary part of h as two real arrays.

Parameters: 3*H*D + 2*H*H + 6*H
"""

import math
from typing import Annotated, Literal

import jax
import jax.numpy as jnp
from flax import nnx

from grux.arguments import PositiveInt, Probability, Range
from grux.cells.base import Carry, Gates, LinearCell, matmul
from grux.cells.initializers import Initializer, kernels
from grux.errors import UsageError
from grux.shapes import Array, Float

REAL, IMAGINARY = 0, 1
Phase = Annotated[float, Range(0, 2 * math.pi, open_low=True)]


class LRUCell(LinearCell):
    """LRU; projections Re(B x), Im(B x), D x; carry (Re h, Im h)."""

    gates = 3
    carries = 2

    def __init__(
        self,
        *,
        in_features: PositiveInt,
        features: PositiveInt,
        input_init: Initializer = "glorot",
        r_min: Probability = 0.0,
        r_max: Annotated[float, Range(0, 1, open_low=True, open_high=True)] = 0.99,
        max_phase: Phase = 6.28,
        activation: Literal["gelu", "none"] = "gelu",
        rngs: nnx.Rngs,
    ):
        """`r_min`, `r_max`: bounds of |lambda| at the start, `max_phase` of its phase in radians."""
        if r_min >= r_max:
            raise UsageError(f"r_min={r_min} must be smaller than r_max={r_max}: they bound a ring; lower r_min.")
        super().__init__(in_features=in_features, features=features, input_init=input_init, rngs=rngs)
        # B as a whole, not each of its parts, has the variance that the initializer gives.
        self.w_ih[...] = self.w_ih[...].at[:2].divide(math.sqrt(2.0))
        square = jax.random.uniform(rngs.params(), (features,), jnp.float32, r_min**2, r_max**2)
        square = jnp.maximum(square, jnp.finfo(jnp.float32).tiny)
        phase = jax.random.uniform(rngs.params(), (features,), jnp.float32, 0.0, max_phase)
        self.nu = nnx.Param(jnp.log(-0.5 * jnp.log(square)))
        self.theta = nnx.Param(jnp.log(jnp.maximum(phase, jnp.finfo(jnp.float32).tiny)))
        self.gamma = nnx.Param(0.5 * jnp.log1p(-square))
        self.w_out = nnx.Param(kernels("lecun", rngs, 2, features, features))
        self.activation = activation

    def coefficients(self, p: Gates) -> tuple[Array, Array]:
        # Magnitude and phase apart: the exponential of a complex number is slower, and rounds more.
        size, phase = jnp.exp(-jnp.exp(self.nu[...])), jnp.exp(self.theta[...])
        eigenvalue = jax.lax.complex(size * jnp.cos(phase), size * jnp.sin(phase))
        gamma = jnp.broadcast_to(jnp.exp(self.gamma[...]), p[REAL].shape)
        return jnp.broadcast_to(eigenvalue, p[REAL].shape), jax.lax.complex(gamma * p[REAL], gamma * p[IMAGINARY])

    def read(self, h: Array, p: Gates) -> Float[Array, "... H"]:
        skip, w = p[2], self.w_out[...]
        y = matmul(h.real.astype(skip.dtype), w[REAL]) - matmul(h.imag.astype(skip.dtype), w[IMAGINARY]) + skip
        return jax.nn.gelu(y) if self.activation == "gelu" else y

    def state(self, carry: Carry) -> Array:
        return jax.lax.complex(carry[REAL], carry[IMAGINARY])

    def carry_of(self, h: Array) -> Carry:
        return h.real, h.imag
