"""Variational dropout of the recurrent input: one mask for all steps of a sequence (Gal and Ghahramani 2016).

    h' = cell(h, x, U (d * h))      d ~ Bernoulli(1 - rate) / (1 - rate) per unit and row, the same at every step

Only the products with the past see d * h; where a gate keeps the old h, it keeps all of it (arXiv 1512.05287,
section 4.2). The masks of the layer's input and output are the model's business. A layer that is called step by step
with a key for each step, as a decoder that attends within its steps does, draws a mask for each step.

Parameters: inner
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import nnx

from grux.arguments import PositiveInt
from grux.cells.base import Cell, Noise
from grux.cells.wrappers import GatedWrapper, gated_inside
from grux.rates import AnyRate, value
from grux.shapes import Key


class VariationalDropout(GatedWrapper):
    """A gated cell whose recurrent matrices read h through a mask per sequence."""

    def __init__(
        self,
        *,
        cell: Callable[..., Cell],
        rate: AnyRate,
        in_features: PositiveInt,
        features: PositiveInt,
        rngs: nnx.Rngs,
    ):
        super().__init__(
            gated_inside(cell(in_features=in_features, features=features, rngs=rngs), "variational dropout")
        )
        self.rate = rate

    def noise(self, key: Key, steps: int, batch_size: int) -> Noise:
        inner = self.cell.noise(jax.random.fold_in(key, 0), steps, batch_size)
        share = 1 - value(self.rate)
        kept = jax.random.bernoulli(jax.random.fold_in(key, 1), share, (batch_size, self.features))
        factor = kept.astype(jnp.float32) / share
        return inner._replace(keep=factor if inner.keep is None else inner.keep * factor)
