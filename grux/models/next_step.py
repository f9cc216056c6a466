"""At each step of a sequence the scores of what comes next: recurrent layers and one linear head, in one direction.

Tokens go through an embedding, float features to the layers as they are. Nothing at or before a step depends on a later
one, so a sequence may be taken in pieces, down to one step: `run` gives the carry from which the next piece goes on.
"""

from collections.abc import Callable
from typing import Literal

import jax.numpy as jnp
from flax import nnx

from grux.arguments import PositiveInt
from grux.batch import Batch, Info
from grux.errors import UsageError
from grux.layers.dropout import dropout as drop
from grux.layers.embedding import Embedding
from grux.layers.linear import Linear
from grux.layers.stack import Stack
from grux.models.randomness import split
from grux.rates import AnyRate
from grux.shapes import Array, Bool, Float, Int, Key


class NextStep(nnx.Module):
    """Token ids [B, T] or float features [B, T, D] in, float32 logits [B, T, V] out; V is D for features."""

    def __init__(
        self,
        *,
        info: Info,
        layer: Callable,
        embedding: PositiveInt,
        features: PositiveInt,
        depth: PositiveInt,
        residual: bool,
        tied: bool,
        dropout: AnyRate,
        dtype: Literal["float32", "bfloat16"],
        rngs: nnx.Rngs,
    ):
        """`tied`: the embedding is the output matrix too, with a bias of its own (Press and Wolf 2017).

        `dropout` falls on embeddings, between layers and before the head.
        """
        outputs = info.features if info.vocabulary is None else info.vocabulary
        if outputs is None:
            raise UsageError(
                f"model=next_step needs tokens or features, and data={info.name} ({info.task}) gives neither; choose "
                "data with a vocabulary or with channels."
            )
        if tied and info.vocabulary is None:
            raise UsageError(
                f"model.tied=true makes an embedding of tokens the output matrix, but data={info.name} has float "
                "features; set model.tied=false."
            )
        if tied and embedding != features:
            raise UsageError(
                f"model.tied=true makes the embedding the output matrix, so model.embedding={embedding} and "
                f"model.features={features} must be equal; set both to one number or model.tied=false."
            )
        rows = info.vocabulary
        self.embedding = None if rows is None else Embedding(vocabulary=rows, features=embedding, rngs=rngs)
        self.layers = Stack(
            layer=layer,
            in_features=outputs if self.embedding is None else embedding,
            features=features,
            depth=depth,
            residual=residual,
            dropout=dropout,
            rngs=rngs,
        )
        self.head = None if tied else Linear(in_features=features, features=outputs, rngs=rngs)
        self.bias = nnx.Param(jnp.zeros((outputs,), jnp.float32)) if tied else None
        self.dropout = dropout
        self.dtype = jnp.dtype(dtype)

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
