"""A one-step forecaster that goes on by itself: the same layers read the window and then their own forecasts.

    h_t, carry = layers([x_t, c_(t+1)], carry)          o_(t+1) = W h_t + b

Each step reads its row and what is known ahead of the next one, as in DeepAR (Salinas et al. 2020, arXiv 1704.04110);
DeepAR is trained on true rows and draws samples, this on its own forecasts (`rollout`). The horizon costs no
parameters.

Windows are whole: with padding on the right the row before the horizon would not be the last one.
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
from grux.models.frame import Channels, Frame, Normalise
from grux.models.randomness import split
from grux.models.rollout import rollout
from grux.rates import AnyRate
from grux.shapes import Array, Bool, Float, Key


class AutoregressiveForecaster(nnx.Module):
    """Windows float32 [B, T, D] in, forecasts float32 [B, S, D] out, or [B, S, D, Q] with `quantiles`."""

    def __init__(
        self,
        *,
        info: Info,
        layer: Callable,
        features: PositiveInt,
        depth: PositiveInt,
        residual: bool,
        dropout: AnyRate,
        normalise: Normalise,
        channels: Channels,
        quantiles: list[float] | None,
        dtype: Literal["float32", "bfloat16"],
        rngs: nnx.Rngs,
    ):
        """`dropout` falls between layers and before the head. The rest is said above and in `frame`."""
        self.frame = Frame(
            info=info,
            model="autoregressive_forecaster",
            normalise=normalise,
            channels=channels,
            quantiles=quantiles,
            dtype=dtype,
        )
        self.layers = Stack(
            layer=layer,
            in_features=self.frame.width + self.frame.covariates,
            features=features,
            depth=depth,
            residual=residual,
            dropout=dropout,
            rngs=rngs,
        )
        self.head = Linear(in_features=self.layers.out_features, features=self.frame.outputs, rngs=rngs)
        self.dropout = dropout

    def __call__(self, batch: Batch, *, key: Key | None = None) -> Float[Array, "B S D"] | Float[Array, "B S D Q"]:
        reading, writing = split(key, 2)
        frame = self.frame
        x, mask, scale = frame.enter(batch)
        series, known = x[..., : frame.width], x[..., frame.width :]
        past = jnp.concatenate([series[:, :-1], known[:, 1:]], axis=-1)
        carry = self.layers.initial_carry(len(x))
        if past.shape[1]:
            _, carry = self.layers(past, mask=mask[:, :-1], carry=carry, key=reading)
        return frame.leave(self._write(carry, series[:, -1], frame.future(batch), writing), scale)

    def step(self, inputs: Float[Array, "B D"], carry: tuple) -> tuple[Array, tuple]:
        """(forecast, carry) after one more row, in evaluation: what is forecast from all rows so far, however many."""
        x, mask, scale = self.frame.row(inputs)
        forecast = self._write(carry, x[:, 0], None, None)
        _, carry = self.layers(x, mask=mask, carry=carry)
        return self.frame.leave(forecast, scale), carry

    def initial_carry(self, batch_size: int) -> tuple:
        """What the layers know before the first row. Raises UsageError for a model that needs more than the past."""
        return self.frame.initial_carry(self.layers, batch_size)

    def _write(
        self, carry: tuple, last: Float[Array, "N K"], future: Float[Array, "N S C"] | None, key: Key | None
    ) -> Float[Array, "N S O"]:
        """The forecast after the row `last`, from what the layers knew before it."""

        def step(carry, x, key):
            inside, above = split(key, 2)
            y, carry = self.layers(x[:, None], carry=carry, key=inside)
            return carry, self.head(drop(y[:, 0], self.dropout, above), dtype=jnp.float32)

        lead = self.frame.lead - 1
        steps = lead + self.frame.horizon
        return rollout(step, self.frame.point, carry, last, future, steps=steps, key=key)[:, lead:]

    def recurrence(self, batch: Batch) -> tuple[Stack, Float[Array, "N T K"], Bool[Array, "N T"]]:
        """The recurrent layers, what they could read of a batch, and its mask; N is B, or B * D."""
        return self.layers, *self.frame.enter(batch)[:2]
