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
    luong_concat embedding_i             the same with additive scores, without their bias

Layers without a state (a Transformer) know the source by attention alone, so they take the last three.

Choices: one way to the logits for all, equation 5 of Luong et al., so that they differ in their attention alone;
Bahdanau et al. used a maxout layer instead. With `input_feeding` (Luong et al., section 3.3) h_(i-1), zero at first and
after its dropout, is a further input of step i, so steps are taken one after the other; without it the decoder of the
luong kinds runs over the whole target in one call of the engine, and attention, h and logits are each one product.

Teacher forcing is one call of `attend` with all target tokens, decoding is calls with one token each: the same code.
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
from grux.models.decode import Hypotheses, beam, drawn, greedy
from grux.models.randomness import split
from grux.rates import AnyRate
from grux.shapes import Array, Bool, Float, Int, Key

Attention = AdditiveAttention | MultiplicativeAttention


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
        embedding: PositiveInt | None,
        features: PositiveInt,
        depth: PositiveInt,
        bidirectional: bool,
        residual: bool,
        attention: Literal["none", "bahdanau", "luong", "luong_dot", "luong_concat"],
        dropout: AnyRate,
        tied: bool,
        share_embeddings: bool,
        dtype: Literal["float32", "bfloat16"],
        input_feeding: bool = False,
        rngs: nnx.Rngs,
    ):
        """`features`: width of encoder and decoder; a `bidirectional` encoder gives half to each direction.

        `embedding` None is as wide as `features`, also where `match` chooses the width.
        `tied`: the target embedding is the output matrix too. `share_embeddings`: source and target have one embedding,
        for a joint vocabulary. `dropout` falls on embeddings, between layers and before the output. `input_feeding`
        is of the attention, so `none` has none.
        """
        if info.vocabulary is None or info.target_vocabulary is None:
            raise UsageError(
                f"model=encoder_decoder needs a source and a target vocabulary, and data={info.name} ({info.task}) "
                "does not give them; choose data for translation."
            )
        embedding = features if embedding is None else embedding
        if tied and embedding != features:
            raise UsageError(
                f"model.tied=true makes the target embedding the output matrix, so model.embedding={embedding} and "
                f"model.features={features} must be equal; set model.embedding=null or model.tied=false."
            )
        if share_embeddings and info.vocabulary != info.target_vocabulary:
            raise UsageError(
                f"model.share_embeddings=true needs one joint vocabulary, but data={info.name} has {info.vocabulary} "
                f"source and {info.target_vocabulary} target tokens; set model.share_embeddings=false."
            )
        if input_feeding and attention == "none":
            raise UsageError(
                "model.input_feeding=true feeds back what attention has read, and model.attention=none reads nothing; "
                "choose an attention or model.input_feeding=false."
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
        inputs = embedding + (width if early else 0) + (features if input_feeding else 0)
        self.decoder = stack(inputs, bidirectional=False)
        self.bridge = Bridge(encoder=self.encoder, decoder=self.decoder, rngs=rngs)
        if early and not self.bridge.whole:
            raise UsageError(
                f"model.attention={attention} reads the state of a recurrent layer, and the arch that was chosen has a "
                "window of last steps; choose model.attention=luong, luong_dot or luong_concat, or a recurrent arch."
            )
        self.early, self.input_feeding, self.features = early, input_feeding, features
        self.attention = _attention(attention, self.decoder.out_features, width, rngs)
        self.combine = Linear(in_features=self.decoder.out_features + width, features=features, rngs=rngs)
        self.output = None if tied else Linear(in_features=features, features=info.target_vocabulary, rngs=rngs)
        self.dropout = dropout
        self.dtype = jnp.dtype(dtype)

    def __call__(self, batch: Batch, *, key: Key | None = None) -> Float[Array, "B S V"]:
        encoding, decoding = split(key, 2)
        encoded, carry = self.encode(batch.inputs, batch.mask, key=encoding)
        return self.attend(encoded, carry, _before(batch.targets), key=decoding)[0]

    def recurrence(self, batch: Batch) -> tuple[Stack, Float[Array, "B T D"], Bool[Array, "B T"]]:
        """The encoder's recurrent layers, what they read of a batch, and its mask."""
        return self.encoder, self.source_embedding(batch.inputs, dtype=self.dtype), batch.mask

    def decode(self, batch: Batch, max_length: int) -> Int[Array, "B S"]:
        """Greedy translation, int32 [B, max_length]: tokens, EOS, PAD. The targets of `batch` are not read."""
        encoded, carry = self.encode(batch.inputs, batch.mask)
        return greedy(self._step(encoded), carry, live=batch.mask.any(1), max_length=max_length)

    def draw(self, batch: Batch, max_length: int, key: Key, *, temperature: float) -> Int[Array, "B S"]:
        """As `decode`, with tokens drawn by `decode.drawn`."""
        encoded, carry = self.encode(batch.inputs, batch.mask)
        live = batch.mask.any(1)
        return drawn(self._step(encoded), carry, key, live=live, max_length=max_length, temperature=temperature)

    def search(
        self, batch: Batch, max_length: int, *, size: int, length_penalty: float, coverage_penalty: float
    ) -> Hypotheses:
        """Translations by `decode.beam`. The targets of `batch` are not read; without attention nothing is covered."""
        # Each row as often as it has hypotheses.
        encoded, carry = jax.tree.map(lambda x: jnp.repeat(x, size, axis=0), self.encode(batch.inputs, batch.mask))

        def step(carry, token):
            logits, carry, weights = self.attend(encoded, carry, token[:, None])
            return carry, logits[:, 0], None if weights is None else weights[:, 0]

        penalties = {"length_penalty": length_penalty, "coverage_penalty": coverage_penalty}
        return beam(step, carry, source=batch.mask, size=size, max_length=max_length, **penalties)

    def alignment(self, batch: Batch) -> Float[Array, "B S T"]:
        """What each target token attended to: weights over the source, as read from the targets of `batch`."""
        encoded, carry = self.encode(batch.inputs, batch.mask)
        weights = self.attend(encoded, carry, _before(batch.targets))[2]
        if weights is None:
            raise UsageError("model.attention=none attends to nothing; name a run with another attention.")
        return weights

    def _step(self, encoded: Encoded) -> Callable[[Any, Array], tuple[Any, Array]]:
        def step(carry, token):
            logits, carry, _ = self.attend(encoded, carry, token[:, None])
            return carry, logits[:, 0]

        return step

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
        states = self.bridge(final, self.decoder.initial_carry(len(source)))
        start = (states, jnp.zeros((len(source), self.features), self.dtype)) if self.input_feeding else states
        return Encoded(memory, keys, mask), start

    def attend(
        self, encoded: Encoded, carry: Any, before: Int[Array, "B S"], *, key: Key | None = None
    ) -> tuple[Float[Array, "B S V"], Any, Float[Array, "B S T"] | None]:
        """Logits after each of the tokens `before`, the carry after the last, and the weights of the attention.

        S is 1 or more.
        """
        below, inside, above = split(key, 3)
        embedding = self.source_embedding if self.target_embedding is None else self.target_embedding
        x = drop(embedding(before, dtype=self.dtype), self.dropout, below)
        weights = None
        if self.attention is None:
            context = jnp.broadcast_to(encoded.memory, (*x.shape[:2], encoded.memory.shape[-1]))
            y, carry = self.decoder(jnp.concatenate([x, context], axis=-1), carry=carry, key=inside)
            h = self._hidden(y, context, above)
        elif self.early or self.input_feeding:
            h, carry, weights = self._by_steps(self.attention, encoded, carry, x, inside, above)
        else:
            y, carry = self.decoder(x, carry=carry, key=inside)
            context, weights = self.attention(y, encoded.keys, encoded.memory, encoded.mask)
            h = self._hidden(y, context, above)
        logits = embedding.attend(h) if self.output is None else self.output(h, dtype=jnp.float32)
        return logits, carry, weights

    def _hidden(self, y: Float[Array, "B S H"], context: Float[Array, "B S M"], key: Key | None):
        return drop(jnp.tanh(self.combine(jnp.concatenate([y, context], axis=-1))), self.dropout, key)

    def _by_steps(
        self,
        attention: Attention,
        encoded: Encoded,
        carry: Any,
        x: Float[Array, "B S E"],
        inside: Key | None,
        above: Key | None,
    ) -> tuple[Float[Array, "B S K"], Any, Float[Array, "B S T"]]:
        """h of each step, where the context of a step, or h of the one before, is an input of the step."""
        keys = (None, None) if inside is None or above is None else (inside, above)
        keys = jax.tree.map(lambda key: jax.random.split(key, x.shape[1]), keys)

        def step(carry, inputs):
            (states, fed), (x, (inside, above)) = carry, inputs
            parts = [x[:, None]]
            if self.early:
                query = states[-1][0].astype(x.dtype)[:, None]  # what the top layer showed last
                parts.append((read := attention(query, encoded.keys, encoded.memory, encoded.mask))[0])
            if fed is not None:
                parts.append(fed[:, None])
            y, states = self.decoder(jnp.concatenate(parts, axis=-1), carry=states, key=inside)
            context, weights = read if self.early else attention(y, encoded.keys, encoded.memory, encoded.mask)
            if fed is None:
                return (states, None), ((y[:, 0], context[:, 0]), weights[:, 0])
            fed = self._hidden(y, context, above)[:, 0]
            return (states, fed), (fed, weights[:, 0])

        start = carry if self.input_feeding else (carry, None)
        found, carry = sequential.scan(step, start, (jnp.swapaxes(x, 0, 1), keys), mask=None)
        made, weights = jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), found)
        if self.input_feeding:
            return made, carry, weights
        y, context = made
        return self._hidden(y, context, above), carry[0], weights


def _before(targets: Int[Array, "B S"]) -> Int[Array, "B S"]:
    """The token before each target, BOS before the first."""
    return jnp.pad(targets[:, :-1], ((0, 0), (1, 0)), constant_values=BOS)


def _attention(name: str, query: int, memory: int, rngs: nnx.Rngs) -> Attention | None:
    if name == "none":
        return None
    widths = {"query_features": query, "memory_features": memory}
    if name in ("bahdanau", "luong_concat"):
        return AdditiveAttention(**widths, features=query, bias=name == "bahdanau", rngs=rngs)
    return MultiplicativeAttention(**widths, score="dot" if name == "luong_dot" else "general", rngs=rngs)
