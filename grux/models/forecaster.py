"""The last T rows of a series to the next S, all at once: recurrent layers and one linear map of their last state.

Per-window normalisation takes a level (and a scale) out of each window and channel and puts it back into the forecast:

    last     y = model(x - x_T) + x_T                       NLinear, Zeng et al. 2023 (arXiv 2205.13504)
    window   y = model((x - mean) / std) * std + mean       RevIN without its affine map, Kim et al. 2022 (ICLR)

With independent channels each channel is a sequence of its own through shared weights (Nie et al. 2023, PatchTST;
Lin et al. 2023, SegRNN): D times the sequences, and forecasts that cannot overfit relations between channels.
"""

from collections.abc import Callable
from typing import Literal

import jax.numpy as jnp
from flax import nnx

from grux.arguments import PositiveInt
from grux.batch import Batch, Info
from grux.errors import UsageError
from grux.layers.dropout import dropout as drop
from grux.layers.linear import Linear
from grux.layers.stack import Stack
from grux.models.pooling import last_state
from grux.models.randomness import split
from grux.rates import AnyRate
from grux.shapes import Array, Bool, Float, Key

VARIANCE_FLOOR = 1e-5  # Kim et al. 2022, official code


class Forecaster(nnx.Module):
    """Windows float32 [B, T, D] in, forecasts float32 [B, S, D] out."""

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
        normalise: Literal["none", "last", "window"],
        channels: Literal["together", "independent"],
        dtype: Literal["float32", "bfloat16"],
        rngs: nnx.Rngs,
    ):
        """`dropout` falls between layers and before the head. The rest is said above."""
        if info.features is None or info.horizon is None:
            raise UsageError(
                f"model=forecaster needs channels and a horizon, and data={info.name} ({info.task}) does not give "
                "them; choose data for forecasting."
            )
        self.independent = channels == "independent"
        width = 1 if self.independent else info.features
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
        self.head = Linear(in_features=self.layers.out_features, features=info.horizon * width, rngs=rngs)
        self.horizon = info.horizon
        self.bidirectional = bidirectional
        self.normalise = normalise
        self.dropout = dropout
        self.dtype = jnp.dtype(dtype)

    def __call__(self, batch: Batch, *, key: Key | None = None) -> Float[Array, "B S D"]:
        rows, _, channels = batch.inputs.shape
        level, scale = self._statistics(batch.inputs, batch.mask)
        forecast = self._forecast(*self._series(batch, level, scale), key)
        if self.independent:
            forecast = jnp.swapaxes(forecast.reshape(rows, channels, self.horizon), 1, 2)
        return forecast * scale + level

    def recurrence(self, batch: Batch) -> tuple[Stack, Float[Array, "N T K"], Bool[Array, "N T"]]:
        """The recurrent layers, what they read of a batch, and its mask; N is B, with independent channels B * D."""
        return self.layers, *self._series(batch, *self._statistics(batch.inputs, batch.mask))

    def _series(
        self, batch: Batch, level: Float[Array, "B 1 D"], scale: Float[Array, "B 1 D"]
    ) -> tuple[Float[Array, "N T K"], Bool[Array, "N T"]]:
        """Normalised windows, each channel on its own where they are independent, and their mask."""
        rows, steps, channels = batch.inputs.shape
        x, mask = (batch.inputs - level) / scale, batch.mask
        if self.independent:
            x = jnp.swapaxes(x, 1, 2).reshape(rows * channels, steps, 1)
            mask = jnp.repeat(mask, channels, axis=0)
        return x.astype(self.dtype), mask

    def _forecast(self, x: Float[Array, "N T K"], mask: Bool[Array, "N T"], key: Key | None) -> Float[Array, "N S K"]:
        inside, above = split(key, 2)
        y, _ = self.layers(x, mask=mask, key=inside)
        state = drop(last_state(y, mask, bidirectional=self.bidirectional), self.dropout, above)
        return self.head(state, dtype=jnp.float32).reshape(x.shape[0], self.horizon, x.shape[2])

    def _statistics(
        self, x: Float[Array, "B T D"], mask: Bool[Array, "B T"]
    ) -> tuple[Float[Array, "B 1 D"], Float[Array, "B 1 D"]]:
        """Level and scale of each window and channel, from its real rows."""
        zero, one = jnp.zeros_like(x[:, :1]), jnp.ones_like(x[:, :1])
        if self.normalise == "none":
            return zero, one
        if self.normalise == "last":
            return last_state(x, mask, bidirectional=False)[:, None], one
        real = mask[..., None]
        count = jnp.maximum(real.sum(1, keepdims=True), 1).astype(x.dtype)
        mean = jnp.where(real, x, 0.0).sum(1, keepdims=True) / count
        variance = jnp.where(real, jnp.square(x - mean), 0.0).sum(1, keepdims=True) / count
        return mean, jnp.sqrt(variance + VARIANCE_FLOOR)
