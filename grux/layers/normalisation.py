"""Layer normalisation of the last axis (Ba et al. 2016, arXiv 1607.06450).

    y = s * (x - mean(x)) / sqrt(var(x) + epsilon) + b

Parameters: 2*D
"""

import jax
import jax.numpy as jnp
from flax import nnx

from grux.arguments import PositiveInt
from grux.shapes import Array, Float

EPSILON = 1e-5


class LayerNorm(nnx.Module):
    """Mean and variance are taken in float32 or wider; y has the type of x."""

    def __init__(self, *, features: PositiveInt):
        self.scale = nnx.Param(jnp.ones((features,), jnp.float32))
        self.bias = nnx.Param(jnp.zeros((features,), jnp.float32))

    def __call__(self, x: Float[Array, "... D"]) -> Float[Array, "... D"]:
        wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
        centred = wide - wide.mean(-1, keepdims=True)
        variance = jnp.square(centred).mean(-1, keepdims=True)
        scale, bias = (jnp.expand_dims(p[...], tuple(range(x.ndim - 1))) for p in (self.scale, self.bias))
        return (centred * jax.lax.rsqrt(variance + EPSILON) * scale + bias).astype(x.dtype)
