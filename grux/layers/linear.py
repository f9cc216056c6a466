"""A linear map of the last axis.

    y = x W + b

Parameters: D*H + H
"""

import jax
import jax.numpy as jnp
from flax import nnx

from grux.arguments import PositiveInt
from grux.shapes import Array, Float


class Linear(nnx.Module):
    """W starts as Glorot and Bengio 2010 (uniform), b as zero. The product runs in the type of x."""

    def __init__(self, *, in_features: PositiveInt, features: PositiveInt, bias: bool = True, rngs: nnx.Rngs):
        self.in_features = in_features
        self.features = features
        kernel = jax.nn.initializers.glorot_uniform()(rngs.params(), (in_features, features), jnp.float32)
        self.kernel = nnx.Param(kernel)
        self.bias = nnx.Param(jnp.zeros((features,), jnp.float32)) if bias else None

    def __call__(self, x: Float[Array, "... D"], *, dtype=None) -> Float[Array, "... H"]:
        """y, summed in float32 and given in `dtype`; None is the type of x, float32 suits logits."""
        y = wide_matmul(x, self.kernel[...])
        if self.bias is not None:
            y = y + jnp.expand_dims(self.bias[...], tuple(range(y.ndim - 1)))
        return y.astype(x.dtype if dtype is None else dtype)


def wide_matmul(x: Float[Array, "... D"], w: Float[Array, "D H"]) -> Float[Array, "... H"]:
    """x @ w in the type of x, accumulated and returned in float32 or wider."""
    # As one matrix of rows: XLA:CPU is a quarter slower on the gradients of the same product with two leading axes.
    rows = x.reshape(-1, x.shape[-1])
    y = jnp.matmul(rows, w.astype(x.dtype), preferred_element_type=jnp.promote_types(x.dtype, jnp.float32))
    return y.reshape(*x.shape[:-1], w.shape[-1])
