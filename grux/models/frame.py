"""What forecasters share: how a window is normalised, cut into channels, and how a forecast is put back.

Per-window normalisation takes a level (and a scale) out of each window and channel and puts it back into the forecast:

    last     y = model(x - x_T) + x_T                       NLinear, Zeng et al. 2023 (arXiv 2205.13504)
    window   y = model((x - mean) / std) * std + mean       RevIN without its affine map, Kim et al. 2022 (ICLR)
    revin    u = (x - mean) / std * a + b,  y = (model(u) - b) / (a + floor^2) * std + mean
                                                            with it: a = 1 and b = 0 at first, one of each a channel

With independent channels each channel is a sequence of its own through shared weights (Nie et al. 2023, PatchTST;
Lin et al. 2023, SegRNN): D times the sequences, and forecasts that cannot overfit relations between channels.

Covariates are never normalised; with independent channels each channel reads all of them.
"""

from typing import Literal, NamedTuple

import jax.numpy as jnp
from flax import nnx

from grux.batch import Batch, Info
from grux.errors import UsageError
from grux.layers.stack import Stack
from grux.models.pooling import last_state
from grux.shapes import Array, Bool, Float

FLOOR = 1e-5
"""Of the variance; Kim et al. 2022, official code."""

Normalise = Literal["none", "last", "window", "revin"]
Channels = Literal["together", "independent"]


class Scale(NamedTuple):
    """What was taken out of each window and channel: x = u * scale + level."""

    level: Array
    """[B, 1, D]"""
    scale: Array
    """[B, 1, D]"""


class Frame(nnx.Module):
    """From a batch to N sequences of K values and C covariates, and back: N, K are B, D, or B * D, 1."""

    def __init__(
        self,
        *,
        info: Info,
        model: str,
        normalise: Normalise,
        channels: Channels,
        quantiles: list[float] | None,
        dtype: Literal["float32", "bfloat16"],
    ):
        """`model` is who asks, for the error. `quantiles`: the levels of a forecast, or None for one number.

        Raises UsageError for data without channels and horizon.
        """
        if info.features is None or info.horizon is None:
            raise UsageError(
                f"model={model} needs channels and a horizon, and data={info.name} ({info.task}) does not give "
                "them; choose data for forecasting."
            )
        self.independent = channels == "independent"
        self.channels = info.features
        self.width = 1 if self.independent else info.features
        self.covariates = len(info.covariates or ())
        self.horizon = info.horizon
        self.lead = info.lead
        self.levels = None if quantiles is None else len(quantiles)
        self.middle = 0 if quantiles is None else min(range(len(quantiles)), key=lambda k: abs(quantiles[k] - 0.5))
        self.normalise = normalise
        self.dtype = jnp.dtype(dtype)
        affine = normalise == "revin"
        self.gain = nnx.Param(jnp.ones((info.features,), jnp.float32)) if affine else None
        self.shift = nnx.Param(jnp.zeros((info.features,), jnp.float32)) if affine else None

    @property
    def outputs(self) -> int:
        """Numbers that a model gives for each target step of a sequence."""
        return self.width * (self.levels or 1)

    def enter(self, batch: Batch) -> tuple[Float[Array, "N T K"], Bool[Array, "N T"], Scale]:
        """The windows, normalised, with their covariates behind them; their mask; and what `leave` needs."""
        series, known = batch.inputs[..., : self.channels], batch.inputs[..., self.channels :]
        scale = self._statistics(series, batch.mask)
        x = (series - scale.level) / scale.scale
        if self.gain is not None and self.shift is not None:
            x = x * self.gain[...][None, None, :] + self.shift[...][None, None, :]
        mask = batch.mask
        if self.independent:
            x = jnp.swapaxes(x, 1, 2).reshape(-1, x.shape[1], 1)
            known = self._for_each_channel(known)
            mask = self._for_each_channel(mask)
        return jnp.concatenate([x, known], axis=-1).astype(self.dtype), mask, scale

    def row(self, inputs: Float[Array, "B D"]) -> tuple[Float[Array, "N 1 K"], Bool[Array, "N 1"], Scale]:
        """One row of each series as `enter` gives it, for a model that goes step by step."""
        return self.enter(Batch(inputs[:, None], jnp.ones((inputs.shape[0], 1), bool), None, None))

    def initial_carry(self, layers: Stack, batch_size: int) -> tuple:
        """What layers know before the first row. Raises UsageError where more is needed than the past, row by row."""
        if self.covariates or self.normalise != "none":
            raise UsageError(
                "A forecaster that normalises whole windows or knows something ahead has no single step; train "
                "one with model.normalise=none and without covariates."
            )
        return layers.initial_carry(batch_size * self.channels // self.width)

    def point(self, outputs: Float[Array, "N O"]) -> Float[Array, "N K"]:
        """One number for each channel of a step, as a model reads it: what was given, or the median of quantiles."""
        return outputs.reshape(-1, self.width, self.levels or 1)[..., self.middle].astype(self.dtype)

    def future(self, batch: Batch) -> Float[Array, "N S C"] | None:
        """The covariates of the target steps; None where there are none."""
        if not self.covariates:
            return None
        known = self._for_each_channel(batch.future) if self.independent else batch.future
        return known.astype(self.dtype)

    def leave(self, forecast: Float[Array, "N S O"], scale: Scale) -> Float[Array, "B S D"] | Float[Array, "B S D Q"]:
        """A forecast of `outputs` numbers a step, in the units of the inputs, with an axis of quantiles if any."""
        steps = forecast.shape[1]
        series = self.channels // self.width  # sequences of a row of the batch
        y = forecast.astype(jnp.float32).reshape(-1, series, steps, self.width * (self.levels or 1))
        y = jnp.swapaxes(y, 1, 2).reshape(-1, steps, self.channels, self.levels or 1)
        if self.gain is not None and self.shift is not None:
            gain, shift = (p[...][None, None, :, None] for p in (self.gain, self.shift))
            y = (y - shift) / (gain + FLOOR**2)
        y = y * scale.scale[..., None] + scale.level[..., None]
        return y[..., 0] if self.levels is None else y

    def _for_each_channel(self, x: Array) -> Array:
        return jnp.repeat(x, self.channels, axis=0)

    def _statistics(self, x: Float[Array, "B T D"], mask: Bool[Array, "B T"]) -> Scale:
        """Level and scale of each window and channel, from its real rows."""
        zero, one = jnp.zeros_like(x[:, :1]), jnp.ones_like(x[:, :1])
        if self.normalise == "none":
            return Scale(zero, one)
        if self.normalise == "last":
            return Scale(last_state(x, mask, bidirectional=False)[:, None], one)
        real = mask[..., None]
        count = jnp.maximum(real.sum(1, keepdims=True), 1).astype(x.dtype)
        mean = jnp.where(real, x, 0.0).sum(1, keepdims=True) / count
        variance = jnp.where(real, jnp.square(x - mean), 0.0).sum(1, keepdims=True) / count
        return Scale(mean, jnp.sqrt(variance + FLOOR))
