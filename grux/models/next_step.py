"""At each step of a sequence the scores of what comes next: recurrent layers and one linear head, in one direction.

Tokens go through an embedding, float features to the layers as they are. A sequence may be taken in pieces, see
`grux.models.stepwise`.
"""

from collections.abc import Callable
from typing import Literal

import jax.numpy as jnp
from flax import nnx

from grux.arguments import PositiveInt
from grux.batch import Info
from grux.errors import UsageError
from grux.layers.embedding import Embedding
from grux.layers.linear import Linear
from grux.layers.stack import Stack
from grux.models.stepwise import Stepwise
from grux.rates import AnyRate


class NextStep(Stepwise):
    """Token ids [B, T] or float features [B, T, D] in, float32 logits [B, T, V] out; V is D for features."""

    def __init__(
        self,
        *,
        info: Info,
        layer: Callable,
        embedding: PositiveInt | None,
        features: PositiveInt,
        depth: PositiveInt,
        residual: bool,
        tied: bool,
        dropout: AnyRate,
        dtype: Literal["float32", "bfloat16"],
        rngs: nnx.Rngs,
    ):
        """`tied`: the embedding is the output matrix too, with a bias of its own (Press and Wolf 2017).

        `embedding` None is as wide as `features`, also where `match` chooses the width. `dropout` falls on embeddings,
        between layers and before the head.
        """
        embedding = features if embedding is None else embedding
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
                f"model.features={features} must be equal; set model.embedding=null or model.tied=false."
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
