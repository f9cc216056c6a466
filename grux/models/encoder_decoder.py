"""A source sentence to a target sentence: encoder, bridge, decoder with or without attention.

    memory, e = encoder(source)              memory [B, T, M], e: the final carry of every layer
    s_0       = tanh(W_b e + b)              the bridge: one map per carry array and layer
    s_i, y_i  = decoder(s_(i-1), input_i)
    h_i       = tanh(W_c [y_i; c_i] + b)     logits_i = W_o h_i + b

    attention    input_i                 c_i
    none         [embedding_i; c]        c, the encoder's final state, at every step (Cho et al. 2014, arXiv 1406.1078)
    bahdanau     [embedding_i; c_i]      additive attention by the state before the step (Bahdanau et al., 1409.0473)
    luong        embedding_i             general attention by the output of the step (Luong et al., 1508.04025)
    luong_dot    embedding_i             the same with dot scores

Layers without a state (a Transformer) know the source by attention alone, so they take the last two.

Choices: one way to the logits for all four, equation 5 of Luong et al., so that they differ in their attention alone;
Bahdanau et al. used a maxout layer instead. Luong et al. also feed h_(i-1) back into step i; without that the decoder
runs over the whole target in one call of the engine, and attention, h and logits are each one product over all steps.

Teacher forcing is one call of `advance` with all target tokens, decoding is calls with one token each: the same code.
"""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from grux.arguments import PositiveInt
from grux.batch import BOS, Batch, Info
from grux.engine import sequential
from grux.errors import UsageError
from grux.layers.attention import AdditiveAttention, MultiplicativeAttention
from grux.layers.dropout import dropout as drop
from grux.layers.embedding import Embedding
from grux.layers.linear import Linear
from grux.layers.stack import Stack
from grux.models.bridge import Bridge
from grux.models.decode import greedy
from grux.models.randomness import split
from grux.rates import AnyRate
from grux.shapes import Array, Bool, Float, Int, Key


class Encoded(NamedTuple):
    """What a decoder knows of the source, besides its first carry."""

    memory: Array
    """[B, T, M]; without attention [B, 1, M], the final state."""
    keys: Array
    """What attention precomputes from the memory; without attention the memory."""
    mask: Array
    """[B, T]: the real source steps."""


class EncoderDecoder(nnx.Module):
    """Source and target tokens in, float32 logits [B, S, V] out: position i predicts target i from targets before i."""

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
        attention: Literal["none", "bahdanau", "luong", "luong_dot"],
        dropout: AnyRate,
        tied: bool,
        share_embeddings: bool,
        dtype: Literal["float32", "bfloat16"],
        rngs: nnx.Rngs,
    ):
        """`features`: width of encoder and decoder; a `bidirectional` encoder gives half to each direction.

        `tied`: the target embedding is the output matrix too. `share_embeddings`: source and target have one embedding,
        for a joint vocabulary. `dropout` falls on embeddings, between layers and before the output.
        """
        if info.vocabulary is None or info.target_vocabulary is None:
            raise UsageError(
                f"model=encoder_decoder needs a source and a target vocabulary, and data={info.name} ({info.task}) "
                "does not give them; choose data for translation."
            )
        if tied and embedding != features:
            raise UsageError(
                f"model.tied=true makes the target embedding the output matrix, so model.embedding={embedding} and "
                f"model.features={features} must be equal; set both to one number or model.tied=false."
            )
        if share_embeddings and info.vocabulary != info.target_vocabulary:
            raise UsageError(
                f"model.share_embeddings=true needs one joint vocabulary, but data={info.name} has {info.vocabulary} "
                f"source and {info.target_vocabulary} target tokens; set model.share_embeddings=false."
            )
        self.source_embedding = Embedding(vocabulary=info.vocabulary, features=embedding, rngs=rngs)
        own = not share_embeddings
        self.target_embedding = (
            Embedding(vocabulary=info.target_vocabulary, features=embedding, rngs=rngs) if own else None
        )

        def stack(in_features: int, *, bidirectional: bool) -> Stack:
            return Stack(
                layer=layer,
                in_features=in_features,
                features=features,
                depth=depth,
                bidirectional=bidirectional,
                residual=residual,
                dropout=dropout,
                rngs=rngs,
            )

        self.encoder = stack(embedding, bidirectional=bidirectional)
        width = self.encoder.out_features
        # Luong's context enters after the decoder, the others before it.
        early = attention in ("none", "bahdanau")
        self.decoder = stack(embedding + width if early else embedding, bidirectional=False)
        self.bridge = Bridge(encoder=self.encoder, decoder=self.decoder, rngs=rngs)
        if early and not self.bridge.whole:
            raise UsageError(
                f"model.attention={attention} reads the state of a recurrent layer, and the arch that was chosen has a "
                "window of last steps; choose model.attention=luong or luong_dot, or a recurrent arch."
            )
        self.attention = _attention(attention, self.decoder.out_features, width, rngs)
        self.combine = Linear(in_features=self.decoder.out_features + width, features=features, rngs=rngs)
        self.output = None if tied else Linear(in_features=features, features=info.target_vocabulary, rngs=rngs)
        self.dropout = dropout
        self.dtype = jnp.dtype(dtype)

    def __call__(self, batch: Batch, *, key: Key | None = None) -> Float[Array, "B S V"]:
        encoding, decoding = split(key, 2)
        encoded, carry = self.encode(batch.inputs, batch.mask, key=encoding)
        before = jnp.pad(batch.targets[:, :-1], ((0, 0), (1, 0)), constant_values=BOS)
        return self.advance(encoded, carry, before, key=decoding)[0]

    def recurrence(self, batch: Batch) -> tuple[Stack, Float[Array, "B T D"], Bool[Array, "B T"]]:
        """The encoder's recurrent layers, what they read of a batch, and its mask."""
        return self.encoder, self.source_embedding(batch.inputs, dtype=self.dtype), batch.mask

    def decode(self, batch: Batch, max_length: int) -> Int[Array, "B S"]:
        """Greedy translation, int32 [B, max_length]: tokens, EOS, PAD. The targets of `batch` are not read."""
        encoded, carry = self.encode(batch.inputs, batch.mask)

        def step(carry, token):
            logits, carry = self.advance(encoded, carry, token[:, None])
            return carry, logits[:, 0]

        return greedy(step, carry, live=batch.mask.any(1), max_length=max_length)

    def encode(
        self, source: Int[Array, "B T"], mask: Bool[Array, "B T"], *, key: Key | None = None
    ) -> tuple[Encoded, Any]:
        """The source, read once, and the carry with which the decoder starts."""
        below, inside = split(key, 2)
        x = drop(self.source_embedding(source, dtype=self.dtype), self.dropout, below)
        memory, final = self.encoder(x, mask=mask, key=inside)
        if self.attention is None:
            memory = keys = self.bridge.summary(final)[:, None].astype(self.dtype)
        else:
            keys = self.attention.keys(memory)
        return Encoded(memory, keys, mask), self.bridge(final, self.decoder.initial_carry(len(source)))

    def advance(
        self, encoded: Encoded, carry: Any, before: Int[Array, "B S"], *, key: Key | None = None
    ) -> tuple[Float[Array, "B S V"], Any]:
        """Logits after each of the tokens `before`, and the carry after the last; S is 1 or more."""
        below, inside, above = split(key, 3)
        embedding = self.source_embedding if self.target_embedding is None else self.target_embedding
        x = drop(embedding(before, dtype=self.dtype), self.dropout, below)
        if isinstance(self.attention, AdditiveAttention):
            joint, carry = self._attend_within(self.attention, encoded, carry, x, inside)
        elif self.attention is not None:
            y, carry = self.decoder(x, carry=carry, key=inside)
            context, _ = self.attention(y, encoded.keys, encoded.memory, encoded.mask)
            joint = jnp.concatenate([y, context], axis=-1)
        else:
            context = jnp.broadcast_to(encoded.memory, (*x.shape[:2], encoded.memory.shape[-1]))
            y, carry = self.decoder(jnp.concatenate([x, context], axis=-1), carry=carry, key=inside)
            joint = jnp.concatenate([y, context], axis=-1)
        h = drop(jnp.tanh(self.combine(joint)), self.dropout, above)
        logits = embedding.attend(h) if self.output is None else self.output(h, dtype=jnp.float32)
        return logits, carry

    def _attend_within(
        self, attention: AdditiveAttention, encoded: Encoded, carry: Any, x: Float[Array, "B S E"], key: Key | None
    ) -> tuple[Float[Array, "B S K"], Any]:
        """[y; context] of each step, where the context is an input of the step."""

        def step(carry, inputs):
            x, key = inputs
            query = carry[-1][0].astype(x.dtype)  # what the top layer showed last
            context, _ = attention(query[:, None], encoded.keys, encoded.memory, encoded.mask)
            y, carry = self.decoder(jnp.concatenate([x[:, None], context], axis=-1), carry=carry, key=key)
            return carry, jnp.concatenate([y, context], axis=-1)[:, 0]

        keys = None if key is None else jax.random.split(key, x.shape[1])
        joint, carry = sequential.scan(step, carry, (jnp.swapaxes(x, 0, 1), keys), mask=None)
        return jnp.swapaxes(joint, 0, 1), carry


Attention = AdditiveAttention | MultiplicativeAttention


def _attention(name: str, query: int, memory: int, rngs: nnx.Rngs) -> Attention | None:
    if name == "none":
        return None
    if name == "bahdanau":
        return AdditiveAttention(query_features=query, memory_features=memory, features=query, rngs=rngs)
    score = "dot" if name == "luong_dot" else "general"
    return MultiplicativeAttention(query_features=query, memory_features=memory, score=score, rngs=rngs)
