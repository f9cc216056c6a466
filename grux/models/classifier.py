"""A sequence to one of C classes: embedding, recurrent layers, pooling over time, one linear head."""

from collections.abc import Callable
from typing import Literal

import jax.numpy as jnp
from flax import nnx

from grux.arguments import PositiveInt
from grux.batch import Batch, Info
from grux.errors import UsageError
from grux.layers.attention import AttentionPooling
from grux.layers.dropout import dropout as drop
from grux.layers.embedding import Embedding
from grux.layers.linear import Linear
from grux.layers.stack import Stack
from grux.models.pooling import last_state, maximum, maximum_so_far, mean, none_yet, weighted_so_far
from grux.models.randomness import split
from grux.rates import AnyRate
from grux.shapes import Array, Bool, Float, Int, Key


class Classifier(nnx.Module):
    """Token ids or float features in, float32 logits [B, C] out."""

    def __init__(
        self,
        *,
        info: Info,
        layer: Callable,
        embedding: PositiveInt,
        features: PositiveInt,
        depth: PositiveInt,
        bidirectional: bool,
        residual: bool,
        dropout: AnyRate,
        pooling: Literal["last", "mean", "max", "attention"],
        dtype: Literal["float32", "bfloat16"],
        rngs: nnx.Rngs,
    ):
        """`embedding`: width of a token vector (float features go to the layers as they are).

        `pooling`: the last real state (of each direction its own last), the mean or the maximum over the real steps,
        or attention with a learned query. `dropout` falls on embeddings, between layers and before the head.
        """
        width = info.features if info.vocabulary is None else embedding
        if info.classes is None or width is None:
            raise UsageError(
                f"model=classifier needs classes and either tokens or features, and data={info.name} ({info.task}) "
                "does not give them; choose data for classification."
            )
        rows = info.vocabulary
        self.embedding = None if rows is None else Embedding(vocabulary=rows, features=embedding, rngs=rngs)
        self.layers = Stack(
            layer=layer,
            in_features=width,
            features=features,
            depth=depth,
            bidirectional=bidirectional,
            residual=residual,
            dropout=dropout,
            rngs=rngs,
        )
        width = self.layers.out_features
        self.attention = AttentionPooling(features=width, rngs=rngs) if pooling == "attention" else None
        self.head = Linear(in_features=width, features=len(info.classes), rngs=rngs)
        self.pooling = pooling
        self.bidirectional = bidirectional
        self.dropout = dropout
        self.dtype = jnp.dtype(dtype)

    def __call__(self, batch: Batch, *, key: Key | None = None) -> Float[Array, "B C"]:
        inside, below, above = split(key, 3)
        _, x, _ = self.recurrence(batch)
        y, _ = self.layers(drop(x, self.dropout, below), mask=batch.mask, key=inside)
        return self.head(drop(self._pool(y, batch.mask), self.dropout, above), dtype=jnp.float32)

    def step(self, inputs: Int[Array, "B"] | Float[Array, "B D"], carry: tuple) -> tuple[Float[Array, "B C"], tuple]:
        """(logits, carry) after one more step: what the model says of all that it has read so far, in evaluation."""
        state, pooled = carry
        y, state = self.layers(self._embed(inputs[:, None]), carry=state)
        y = y[:, 0]
        if self.attention is not None:
            y, pooled = weighted_so_far(y, self.attention.scores(y), pooled)
        elif self.pooling == "mean":
            y, pooled = weighted_so_far(y, jnp.zeros((y.shape[0], 1), jnp.float32), pooled)
        elif self.pooling == "max":
            y, pooled = maximum_so_far(y, pooled)
        return self.head(y, dtype=jnp.float32), (state, pooled)

    def initial_carry(self, batch_size: int) -> tuple:
        """What layers and pooling know before the first step."""
        pooled = () if self.pooling == "last" else none_yet(batch_size, self.layers.out_features)
        return self.layers.initial_carry(batch_size), pooled

    def recurrence(self, batch: Batch) -> tuple[Stack, Float[Array, "B T D"], Bool[Array, "B T"]]:
        """The recurrent layers, what they read of a batch, and its mask."""
        return self.layers, self._embed(batch.inputs), batch.mask

    def _embed(self, inputs: Int[Array, "B T"] | Float[Array, "B T D"]) -> Float[Array, "B T E"]:
        embed = jnp.asarray if self.embedding is None else self.embedding
        return embed(inputs, dtype=self.dtype)

    def _pool(self, y, mask):
        if self.attention is not None:
            return self.attention(y, mask)
        if self.pooling == "last":
            return last_state(y, mask, bidirectional=self.bidirectional)
        return {"mean": mean, "max": maximum}[self.pooling](y, mask)
