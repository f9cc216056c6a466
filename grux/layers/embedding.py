"""One vector for each token; with `attend`, one score for each token.

    e = E[token]        h -> E h   (output weights tied to the embedding: Press and Wolf 2017, arXiv 1608.05859)

Padding has a row like any other token: masks keep it out of every result.

Parameters: V*E
"""

import jax
import jax.numpy as jnp
from flax import nnx

from grux.arguments import PositiveInt
from grux.layers.linear import wide_matmul
from grux.shapes import Array, Float, Int

INITIAL_BOUND = 0.1  # uniform in [-0.1, 0.1]: Luong et al. 2015, section 4.1


class Embedding(nnx.Module):
    """A table [V, E] of float32, read in any type."""

    def __init__(self, *, vocabulary: PositiveInt, features: PositiveInt, rngs: nnx.Rngs):
        self.vocabulary = vocabulary
        self.features = features
        shape = (vocabulary, features)
        table = jax.random.uniform(rngs.params(), shape, jnp.float32, -INITIAL_BOUND, INITIAL_BOUND)
        self.table = nnx.Param(table)

    def __call__(self, tokens: Int[Array, "..."], *, dtype=jnp.float32) -> Float[Array, "... E"]:
        """The vectors of `tokens`. Ids must lie in [0, V): JAX clips others without a word, so data check them."""
        return self.table[...][tokens].astype(dtype)

    def attend(self, h: Float[Array, "... E"]) -> Float[Array, "... V"]:
        """float32 scores of every token: the product of h with the table, run in the type of h."""
        return wide_matmul(h, self.table[...].T)
