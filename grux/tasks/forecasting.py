"""The next S rows of a series from the last T: MSE, MAE and MASE on the standardised scale, and two naive forecasts.

MSE and MAE are means over examples, horizon and channels, the convention of Zhou et al. 2021 (Informer) and of the
papers that follow it. MASE divides each channel's MAE by the in-sample MAE of the seasonal naive forecast on the
training rows, then takes the mean over channels (Hyndman and Koehler 2006, "Another look at measures of forecast
accuracy"); below 1 is better than that naive forecast was on the training rows.
"""

from typing import ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np

from grux.batch import Batch, Info
from grux.errors import DataError, UsageError
from grux.tasks.base import Sums, Task


class Forecasting(Task):
    """Outputs and targets: float32 [B, S, D] on the standardised scale; target mask: bool [B, S].

    MASE and the seasonal naive forecast are there where the data name a season.
    """

    name = "forecasting"
    directions: ClassVar = {"mse": False, "mae": False, "mase": False}
    primary = "mse"
    higher_is_better = False

    def __init__(self, *, info: Info, loss: Literal["mse", "mae"], selection: Literal["mse", "mae", "mase"]):
        """`loss`: the error that training minimises."""
        super().__init__(info=info, selection=selection)
        if selection == "mase" and info.mase_scale is None:
            raise UsageError(f"task.selection=mase needs a season, but data={info.name} names none; choose mse or mae.")
        if info.mase_scale is not None and not all(0 < scale < np.inf for scale in info.mase_scale):
            raise DataError(
                f"MASE divides by the seasonal change of each channel, but data={info.name} has a channel that never "
                f"changes over the training rows (scales {info.mase_scale}); leave that channel out."
            )
        self.error = {"mse": jnp.square, "mae": jnp.abs}[loss]

    def loss(self, outputs: jax.Array, batch: Batch) -> tuple[jax.Array, jax.Array]:
        sums, count = _channel_sums(self.error(outputs - batch.targets), batch)
        return sums.sum(), count * sums.size

    def metrics(self, outputs: jax.Array, batch: Batch) -> Sums:
        error = outputs - batch.targets
        absolute, count = _channel_sums(jnp.abs(error), batch)
        sums: Sums = {"mse": _channel_sums(jnp.square(error), batch), "mae": (absolute, count)}
        if self.info.mase_scale is not None:
            sums["mase"] = (absolute / jnp.asarray(self.info.mase_scale, absolute.dtype), count)
        return sums

    def baselines(self, batch: Batch) -> dict[str, jax.Array]:
        """`last_value` repeats the last real row, `seasonal_naive` the last season (again and again if S is longer).

        A window shorter than a season shows no whole season, so there is no `seasonal_naive` then.
        """
        steps = jnp.arange(batch.targets.shape[1])[None, :]
        end = batch.mask.sum(1)[:, None]
        forecasts = {"last_value": _rows(batch.inputs, end - 1 + 0 * steps)}
        if (season := self.info.season) is not None and batch.inputs.shape[1] >= season:
            forecasts["seasonal_naive"] = _rows(batch.inputs, end - season + steps % season)
        return forecasts


def _channel_sums(values: jax.Array, batch: Batch) -> tuple[jax.Array, jax.Array]:
    """Sums [D] over the real steps, and how many they are."""
    return jnp.where(batch.target_mask[..., None], values, 0.0).sum((0, 1)), batch.target_mask.sum()


def _rows(inputs: jax.Array, index: jax.Array) -> jax.Array:
    """Rows [B, S, D] of inputs [B, T, D] at index [B, S]; filler rows have no last row and take the first."""
    return jnp.take_along_axis(inputs, jnp.maximum(index, 0)[..., None], axis=1)
