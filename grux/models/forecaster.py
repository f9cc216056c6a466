"""The last T rows of a series to the next S, all at once: recurrent layers and one linear map of their last state.

    y_s = W_s h_T + V c_s + b_s

c_s are the covariates of target step s, where the data have any: what they add is the same map at every step. How a
window is normalised and its channels are cut stands in `frame`.
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
from grux.models.pooling import last_state
from grux.models.randomness import split
from grux.rates import AnyRate
from grux.shapes import Array, Bool, Float, Key


class Forecaster(nnx.Module):
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
        dtype: Literal["float32", "bfloat16"],
        rngs: nnx.Rngs,
        quantiles: list[float] | None = None,
    ):
        """`dropout` falls between layers and before the head. The rest is said above.

        `quantiles` has a default, so that records from before there were any can be used.
        """
        self.frame = Frame(
            info=info, model="forecaster", normalise=normalise, channels=channels, quantiles=quantiles, dtype=dtype
        )
        self.layers = Stack(
            layer=layer,
            in_features=self.frame.width + self.frame.covariates,
            features=features,
            depth=depth,
            bidirectional=bidirectional,
            residual=residual,
            dropout=dropout,
            rngs=rngs,
        )
        outputs = self.frame.outputs
        self.head = Linear(in_features=self.layers.out_features, features=self.frame.horizon * outputs, rngs=rngs)
        known = self.frame.covariates
        self.ahead = Linear(in_features=known, features=outputs, bias=False, rngs=rngs) if known else None
        self.bidirectional = bidirectional
        self.dropout = dropout

    def __call__(self, batch: Batch, *, key: Key | None = None) -> Float[Array, "B S D"] | Float[Array, "B S D Q"]:
        inside, above = split(key, 2)
        x, mask, scale = self.frame.enter(batch)
        y, _ = self.layers(x, mask=mask, key=inside)
        state = drop(last_state(y, mask, bidirectional=self.bidirectional), self.dropout, above)
        forecast = self._read(state)
        future = self.frame.future(batch)
        if self.ahead is not None and future is not None:
            forecast = forecast + self.ahead(future, dtype=jnp.float32)
        return self.frame.leave(forecast, scale)

    def step(self, inputs: Float[Array, "B D"], carry: tuple) -> tuple[Array, tuple]:
        """(forecast, carry) after one more row, in evaluation: what is forecast from all rows so far, however many."""
        x, mask, scale = self.frame.row(inputs)
        y, carry = self.layers(x, mask=mask, carry=carry)
        return self.frame.leave(self._read(y[:, 0]), scale), carry

    def initial_carry(self, batch_size: int) -> tuple:
        """What the layers know before the first row. Raises UsageError for a model that needs more than the past."""
        return self.frame.initial_carry(self.layers, batch_size)

    def _read(self, state: Float[Array, "N H"]) -> Float[Array, "N S O"]:
        forecast = self.head(state, dtype=jnp.float32)
        return forecast.reshape(state.shape[0], self.frame.horizon, self.frame.outputs)

    def recurrence(self, batch: Batch) -> tuple[Stack, Float[Array, "N T K"], Bool[Array, "N T"]]:
        """The recurrent layers, what they read of a batch, and its mask; N is B, with independent channels B * D."""
        return self.layers, *self.frame.enter(batch)[:2]
