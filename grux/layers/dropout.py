"""Dropout as a function of a key (Srivastava et al. 2014): no key, no dropout."""

import jax
import jax.numpy as jnp

from grux.rates import AnyRate, Rate, value
from grux.shapes import Array, Float, Key


def dropout(x: Float[Array, "..."], rate: AnyRate, key: Key | None) -> Float[Array, "..."]:
    """x with a share `rate` of its values zeroed and the rest scaled by 1 / (1 - rate); x itself without a key."""
    if key is None or (not isinstance(rate, Rate) and rate == 0.0):
        return x
    share = 1.0 - value(rate)
    keep = jax.random.bernoulli(key, share, x.shape)
    return jnp.where(keep, x / jnp.asarray(share, x.dtype), jnp.zeros((), x.dtype)).astype(x.dtype)


def fold(key: Key | None, number: int) -> Key | None:
    """A key of its own for part `number`; None stays None."""
    return None if key is None else jax.random.fold_in(key, number)
