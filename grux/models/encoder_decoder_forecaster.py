"""A forecaster of two networks: an encoder reads the window, a decoder writes the horizon, step by step.

    m, carry      = encoder(x_1 ... x_T)                state and summary of the window
    d_s, carry'   = decoder([y_(s-1), c_s, m])          y_0 = x_T, its first carry from the encoder's last (`bridge`)
    y_s           = W d_s + b

m, the encoder's last output, stands beside every input of the decoder (Cho et al. 2014, arXiv 1406.1078), so that a
decoder without a state (attention, convolution) knows the window too. c_s are the covariates of the target steps. It
reads its own forecasts, in training too (`rollout`).
"""

from collections.abc import Callable
from typing import Literal

import jax.numpy as jnp
from flax import nnx

from grux.arguments import PositiveInt
from grux.batch import Batch, Info
from grux.layers.dropout import dropout as drop
from grux.layers.linear import Linear
from grux.layers.stack import Stack
from grux.models.bridge import Bridge
from grux.models.frame import Channels, Frame, Normalise
from grux.models.pooling import last_state
from grux.models.randomness import split
from grux.models.rollout import rollout
from grux.rates import AnyRate
from grux.shapes import Array, Bool, Float, Key


class EncoderDecoderForecaster(nnx.Module):
    """Windows float32 [B, T, D] in, forecasts float32 [B, S, D] out, or [B, S, D, Q] with `quantiles`."""

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
        normalise: Normalise,
        channels: Channels,
        quantiles: list[float] | None,
        dtype: Literal["float32", "bfloat16"],
        rngs: nnx.Rngs,
    ):
        """`features`: width of encoder and decoder; a `bidirectional` encoder gives half to each direction.

        `dropout` falls between layers and before the head.
        """
        self.frame = Frame(
            info=info,
            model="encoder_decoder_forecaster",
            normalise=normalise,
            channels=channels,
            quantiles=quantiles,
            dtype=dtype,
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

        read = self.frame.width + self.frame.covariates
        self.encoder = stack(read, bidirectional=bidirectional)
        self.decoder = stack(read + self.encoder.out_features, bidirectional=False)
        self.bridge = Bridge(encoder=self.encoder, decoder=self.decoder, rngs=rngs)
        self.head = Linear(in_features=self.decoder.out_features, features=self.frame.outputs, rngs=rngs)
        self.bidirectional = bidirectional
        self.dropout = dropout

    def __call__(self, batch: Batch, *, key: Key | None = None) -> Float[Array, "B S D"] | Float[Array, "B S D Q"]:
        reading, writing = split(key, 2)
        frame = self.frame
        x, mask, scale = frame.enter(batch)
        y, final = self.encoder(x, mask=mask, key=reading)
        summary = last_state(y, mask, bidirectional=self.bidirectional).astype(frame.dtype)
        last = last_state(x[..., : frame.width], mask, bidirectional=False)
        return frame.leave(self._write(final, summary, last, frame.future(batch), writing), scale)

    def step(self, inputs: Float[Array, "B D"], carry: tuple) -> tuple[Array, tuple]:
        """(forecast, carry) after one more row, in evaluation: what is forecast from all rows so far, however many."""
        x, mask, scale = self.frame.row(inputs)
        y, carry = self.encoder(x, mask=mask, carry=carry)
        forecast = self._write(carry, y[:, 0].astype(self.frame.dtype), x[:, 0], None, None)
        return self.frame.leave(forecast, scale), carry

    def initial_carry(self, batch_size: int) -> tuple:
        """What the encoder knows before the first row. Raises UsageError for a model that needs more than the past."""
        return self.frame.initial_carry(self.encoder, batch_size)

    def _write(
        self,
        final: tuple,
        summary: Float[Array, "N H"],
        last: Float[Array, "N K"],
        future: Float[Array, "N S C"] | None,
        key: Key | None,
    ) -> Float[Array, "N S O"]:
        """The forecast after the row `last`, from the encoder's carry and its output there."""

        def step(carry, x, key):
            inside, above = split(key, 2)
            y, carry = self.decoder(jnp.concatenate([x, summary], axis=-1)[:, None], carry=carry, key=inside)
            return carry, self.head(drop(y[:, 0], self.dropout, above), dtype=jnp.float32)

        carry = self.bridge(final, self.decoder.initial_carry(len(last)))
        lead = self.frame.lead - 1
        steps = lead + self.frame.horizon
        return rollout(step, self.frame.point, carry, last, future, steps=steps, key=key)[:, lead:]

    def recurrence(self, batch: Batch) -> tuple[Stack, Float[Array, "N T K"], Bool[Array, "N T"]]:
        """The encoder's recurrent layers, what they read of a batch, and its mask; N is B, or B * D."""
        return self.encoder, *self.frame.enter(batch)[:2]
