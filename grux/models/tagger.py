"""An output at each step of a sequence, from what was read up to there: recurrent layers and one linear head.

Tokens go through an embedding, float features to the layers as they are. Outputs are scores of the classes of the data
or, where these ask for numbers, the numbers.
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


class Tagger(nnx.Module):
    """Token ids [B, T] or float features [B, T, D] in, float32 [B, T, C] out: one for each class or number."""

    def __init__(
        self,
        *,
        info: Info,
        layer: Callable,
        embedding: PositiveInt,
        features: PositiveInt,
        depth: PositiveInt,
        residual: bool,
        dropout: AnyRate,
        dtype: Literal["float32", "bfloat16"],
        rngs: nnx.Rngs,
    ):
        """`dropout` falls on embeddings, between layers and before the head."""
        outputs = {"probe": info.classes, "regression": info.means}.get(info.task)
        width = info.features if info.vocabulary is None else embedding
        if outputs is None or width is None:
            raise UsageError(
                f"model=tagger answers at steps of a sequence, and data={info.name} ({info.task}) asks for something "
                "else; choose data for task=probe or task=regression."
            )
        rows = info.vocabulary
        self.embedding = None if rows is None else Embedding(vocabulary=rows, features=embedding, rngs=rngs)
        self.layers = Stack(
            layer=layer,
            in_features=width,
            features=features,
            depth=depth,
            residual=residual,
            dropout=dropout,
            rngs=rngs,
        )
        self.head = Linear(in_features=features, features=len(outputs), rngs=rngs)
        self.dropout = dropout
        self.dtype = jnp.dtype(dtype)

    def __call__(self, batch: Batch, *, key: Key | None = None) -> Float[Array, "B T C"]:
        return self.run(batch.inputs, batch.mask, self.initial_carry(batch.inputs.shape[0]), key)[0]

    def run(
        self,
        inputs: Int[Array, "B T"] | Float[Array, "B T D"],
        mask: Bool[Array, "B T"] | None,
        carry: tuple,
        key: Key | None,
    ) -> tuple[Float[Array, "B T C"], tuple]:
        """(answers, carry) of some steps after those that gave `carry`; it stands still where `mask` is false."""
        inside, below, above = split(key, 3)
        x = self._embed(inputs)
        if self.embedding is not None:
            x = drop(x, self.dropout, below)
        y, carry = self.layers(x, mask=mask, carry=carry, key=inside)
        return self.head(drop(y, self.dropout, above), dtype=jnp.float32), carry

    def initial_carry(self, batch_size: int) -> tuple:
        """What the layers know before the first step."""
        return self.layers.initial_carry(batch_size)

    def recurrence(self, batch: Batch) -> tuple[Stack, Float[Array, "B T D"], Bool[Array, "B T"]]:
        """The recurrent layers, what they read of a batch, and its mask."""
        return self.layers, self._embed(batch.inputs), batch.mask

    def _embed(self, inputs: Int[Array, "B T"] | Float[Array, "B T D"]) -> Float[Array, "B T E"]:
        embed = jnp.asarray if self.embedding is None else self.embedding
        return embed(inputs, dtype=self.dtype)
