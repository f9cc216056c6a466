"""Sound to text without times: recurrent layers, and at each step scores of every character and of the blank.

    p(pi | x) = prod_t softmax(W y_t + b)[pi_t],   p(text | x) = sum over all paths pi that collapse to the text

A path has one class for each step; it collapses by merging equal neighbours and then leaving out the blanks (Graves et
al. 2006, "Connectionist temporal classification", ICML). Class 0 is the blank, class c the c-th token after the special
ones. The greedy text is what the likeliest path collapses to, which need not be the likeliest text.
"""

from collections.abc import Callable
from typing import Literal

import jax.numpy as jnp
from flax import nnx

from grux.arguments import PositiveInt
from grux.batch import SPECIAL_TOKENS, Batch, Info
from grux.errors import UsageError
from grux.layers.linear import Linear
from grux.layers.stack import Stack
from grux.models.next_step import NextStep
from grux.rates import AnyRate
from grux.shapes import Array, Bool, Float, Int

BLANK = 0
SHIFT = len(SPECIAL_TOKENS) - 1
"""From class to token."""


class CTC(NextStep):
    """Float features [B, T, D] in, float32 logits [B, T, 1 + characters] out.

    Only layers of one direction may take a sound in pieces (`run`).
    """

    def __init__(
        self,
        *,
        info: Info,
        layer: Callable,
        features: PositiveInt,
        depth: PositiveInt,
        bidirectional: bool,
        residual: bool,
        dropout: AnyRate,
        dtype: Literal["float32", "bfloat16"],
        rngs: nnx.Rngs,
    ):
        """`dropout` falls between layers and before the head. Raises UsageError for data of another kind."""
        if info.features is None or info.target_vocabulary is None:
            raise UsageError(
                f"model=ctc needs float features and texts to write, and data={info.name} ({info.task}) does not give "
                "them; choose data for transcription."
            )
        self.embedding = None
        self.layers = Stack(
            layer=layer,
            in_features=info.features,
            features=features,
            depth=depth,
            bidirectional=bidirectional,
            residual=residual,
            dropout=dropout,
            rngs=rngs,
        )
        classes = info.target_vocabulary - SHIFT
        self.head = Linear(in_features=self.layers.out_features, features=classes, rngs=rngs)
        self.bias = None
        self.bidirectional = bidirectional
        self.dropout = dropout
        self.dtype = jnp.dtype(dtype)

    def decode(self, batch: Batch, max_length: int) -> Int[Array, "B S"]:
        """The greedy text, int32 [B, max_length]: tokens, then PAD. The targets of `batch` are not read."""
        return best_path(self(batch), batch.mask, max_length)


def best_path(logits: Float[Array, "B T C"], mask: Bool[Array, "B T"], max_length: int) -> Int[Array, "B S"]:
    """What the likeliest class of each real step collapses to: int32 tokens [B, max_length], then PAD."""
    best = jnp.where(mask, logits.argmax(-1), BLANK)
    before = jnp.pad(best[:, :-1], ((0, 0), (1, 0)), constant_values=BLANK)
    kept = (best != BLANK) & (best != before)
    # Each one that is kept goes to the place after those before it, all others beyond the end, where they are dropped.
    place = jnp.where(kept, kept.cumsum(1) - 1, max_length)
    rows = jnp.broadcast_to(jnp.arange(len(best))[:, None], best.shape)
    tokens = jnp.zeros((len(best), max_length), jnp.int32)
    return tokens.at[rows, place].set((best + SHIFT).astype(jnp.int32), mode="drop")
