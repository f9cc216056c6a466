"""The one rule for padding: where the mask is false the carry stands still and the output is zero.

It gives right-padded batches, the reverse direction without flipping, and sequences cut into chunks: the last carry
is the carry of the last *real* step, and no gather by length is needed.
"""

import jax
import jax.numpy as jnp

from grux.shapes import Array, Bool, Float


def hold(mask: Bool[Array, "..."] | None, new, old):
    """`new` where the mask is true, `old` elsewhere; for trees of arrays [..., H], mask [...]."""
    if mask is None:
        return new
    return jax.tree.map(lambda n, o: jnp.where(mask[..., None], n, o), new, old)


def silence(mask: Bool[Array, "..."] | None, y: Float[Array, "... H"]) -> Float[Array, "... H"]:
    """y, and zero where the mask is false."""
    return y if mask is None else jnp.where(mask[..., None], y, jnp.zeros((), y.dtype))
