"""An output at each step of a sequence, from what was read up to there: recurrent layers and one linear head.

Tokens go through an embedding, float features to the layers as they are. Outputs are scores of the classes of the data
or, where these ask for numbers, the numbers.
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


class Tagger(Stepwise):
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
