"""What says something at each step of a sequence: perhaps an embedding, recurrent layers, one linear head.

Where the layers read in one direction, nothing at or before a step depends on a later one, so that a sequence may be
taken in pieces, down to one step: `run` gives the carry from which the next piece goes on.
"""

import jax.numpy as jnp
from flax import nnx

from grux.batch import Batch
from grux.layers.dropout import dropout as drop
from grux.layers.embedding import Embedding
from grux.layers.linear import Linear
from grux.layers.stack import Stack
from grux.models.randomness import split
from grux.rates import AnyRate
from grux.shapes import Array, Bool, Float, Int, Key


class Stepwise(nnx.Module):
    """Token ids [B, T] or float features [B, T, D] in, float32 [B, T, V] out. Abstract: a model makes the parts."""

    embedding: Embedding | None = None
    """Of tokens; None where features go to the layers as they are."""
    layers: Stack
    head: Linear | None = None
    """None: the embedding is the output matrix too, with `bias`."""
    bias: nnx.Param | None = None
    dropout: AnyRate
    """On embeddings and before the head."""
    dtype: jnp.dtype

    def __call__(self, batch: Batch, *, key: Key | None = None) -> Float[Array, "B T V"]:
        return self.run(batch.inputs, batch.mask, self.initial_carry(batch.inputs.shape[0]), key)[0]

    def run(
        self,
        inputs: Int[Array, "B T"] | Float[Array, "B T D"],
        mask: Bool[Array, "B T"] | None,
        carry: tuple,
        key: Key | None,
    ) -> tuple[Float[Array, "B T V"], tuple]:
        """(logits, carry) of some steps after those that gave `carry`; it stands still where `mask` is false."""
        inside, below, above = split(key, 3)
        x = self._embed(inputs)
        if self.embedding is not None:
            x = drop(x, self.dropout, below)
        y, carry = self.layers(x, mask=mask, carry=carry, key=inside)
        y = drop(y, self.dropout, above)
        if self.head is not None:
            return self.head(y, dtype=jnp.float32), carry
        assert self.embedding is not None and self.bias is not None  # tied
        return self.embedding.attend(y).astype(jnp.float32) + self.bias[...][None, None, :], carry

    def initial_carry(self, batch_size: int) -> tuple:
        """What the layers know before the first step."""
        return self.layers.initial_carry(batch_size)

    def recurrence(self, batch: Batch) -> tuple[Stack, Float[Array, "B T D"], Bool[Array, "B T"]]:
        """The recurrent layers, what they read of a batch, and its mask."""
        return self.layers, self._embed(batch.inputs), batch.mask

    def _embed(self, inputs: Int[Array, "B T"] | Float[Array, "B T D"]) -> Float[Array, "B T E"]:
        embed = jnp.asarray if self.embedding is None else self.embedding
        return embed(inputs, dtype=self.dtype)
