"""The next S rows of a series from the last T: errors, and what they are without any training.

MSE and MAE are means over examples, horizon and channels on the standardised scale, the convention of Zhou et al. 2021
(Informer) and of the papers that follow it. MASE divides each channel's MAE by the in-sample MAE of the seasonal naive
forecast on the training rows, then takes the mean over channels (Hyndman and Koehler 2006, "Another look at measures of
forecast accuracy"); below 1 is better than that naive forecast was on the training rows. RSE and CORR are those of Lai
et al. 2018 (`relative`).

With quantiles (`quantiles`) a forecast is a distribution: pinball loss and CRPS on the standardised scale, the share
of truths within the outermost quantiles (`coverage`: good is what these promise, 0.8 for 0.1 and 0.9), and of the
median all of the above. A forecast of one number is the same at all levels: its CRPS is its MAE.
"""

from collections.abc import Iterable
from typing import ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np

from grux.batch import Batch, Info
from grux.errors import DataError, UsageError
from grux.tasks.base import Sums, Task
from grux.tasks.linear import fit_linear, linear_forecast
from grux.tasks.quantiles import Levels
from grux.tasks.relative import corr, moments, rse


class Forecasting(Task):
    """Outputs: float32 [B, S, D], or quantiles [B, S, D, Q]; targets: float32 [B, S, D]; target mask: bool [B, S].

    All on the standardised scale. MASE and the seasonal naive forecast are there where the data name a season.
    """

    name = "forecasting"
    # Coverage has a right value and no better way, so it has no direction.
    directions: ClassVar = {
        **{"mse": False, "mae": False, "mase": False, "rse": False, "corr": True},
        **{"pinball": False, "crps": False},
    }
    higher_is_better = False

    def __init__(
        self,
        *,
        info: Info,
        loss: Literal["mse", "mae", "pinball"],
        quantiles: list[float] | None,
        selection: Literal["mse", "mae", "mase", "rse", "corr", "pinball", "crps"],
    ):
        """`loss`: the error that training minimises; pinball needs levels, the `quantiles`, which the model then gives.

        The primary metric is the MSE, with quantiles the pinball loss.
        """
        super().__init__(info=info, selection=selection)
        if (loss == "pinball") != (quantiles is not None):
            raise UsageError(
                f"task.loss={loss} and task.quantiles={quantiles} do not go together: pinball needs levels, like "
                "task.quantiles=[0.1,0.5,0.9], and the others have none."
            )
        self.levels = None if quantiles is None else Levels(quantiles)
        self.primary = "mse" if quantiles is None else "pinball"
        self._check_selection(selection)
        if info.mase_scale is not None and not all(0 < scale < np.inf for scale in info.mase_scale):
            raise DataError(
                f"MASE divides by the seasonal change of each channel, but data={info.name} has a channel that never "
                f"changes over the training rows (scales {info.mase_scale}); leave that channel out."
            )
        self.error = {"mse": jnp.square, "mae": jnp.abs}.get(loss)
        self.linear: np.ndarray | None = None

    def _check_selection(self, selection: str) -> None:
        if selection == "mase" and self.info.mase_scale is None:
            raise UsageError(
                f"task.selection=mase needs a season, but data={self.info.name} names none; choose mse or mae."
            )
        if selection == "rse" and self.info.means is None:
            raise UsageError(f"task.selection=rse needs raw units, but data={self.info.name} has none; choose mse.")
        if selection in ("pinball", "crps") and self.levels is None:
            raise UsageError(f"task.selection={selection} needs quantiles: task.loss=pinball and task.quantiles=[...].")
        if selection == "crps" and self.levels is not None and not self.levels.even:
            raise UsageError(
                f"task.selection=crps needs quantiles on an even grid like [0.1,0.2,...,0.9], not "
                f"{list(self.levels.levels)}; choose pinball."
            )

    def loss(self, outputs: jax.Array, batch: Batch) -> tuple[jax.Array, jax.Array]:
        if self.levels is None:
            assert self.error is not None
            errors = self.error(outputs - batch.targets)
        else:
            errors = self.levels.pinball(outputs, batch.targets)
        sums, count = _channel_sums(errors, batch)
        return sums.sum(), count * sums.size

    def metrics(self, outputs: jax.Array, batch: Batch) -> Sums:
        sums: Sums = {}
        if self.levels is not None:
            outputs, sums = self._of_quantiles(self.levels, outputs, batch)
        error = outputs - batch.targets
        absolute, count = _channel_sums(jnp.abs(error), batch)
        sums |= {"mse": _channel_sums(jnp.square(error), batch), "mae": (absolute, count)}
        if self.info.mase_scale is not None:
            sums["mase"] = (absolute / jnp.asarray(self.info.mase_scale, absolute.dtype), count)
        return sums | {MOMENTS: (moments(outputs, batch.targets, batch.target_mask), count)}

    def _of_quantiles(self, levels: Levels, outputs: jax.Array, batch: Batch) -> tuple[jax.Array, Sums]:
        """The medians, and the sums of what is scored of a distribution; of outputs without quantiles less of it."""
        distribution = outputs.ndim > batch.targets.ndim
        q = jnp.sort(outputs, axis=-1) if distribution else outputs[..., None]
        total, count = _channel_sums(levels.pinball(q, batch.targets), batch)
        sums: Sums = {"pinball": (total, count)}
        if levels.even:
            sums["crps"] = (2 * total, count)
        if not distribution:
            return outputs, sums
        if levels.central:
            inside = (q[..., 0] <= batch.targets) & (batch.targets <= q[..., -1])
            sums["coverage"] = _channel_sums(inside.astype(jnp.float32), batch)
        return q[..., levels.median], sums

    def summarise(self, totals: Sums) -> dict[str, float]:
        """Means over channels; RSE and CORR from their moments, RSE where the data know raw units."""
        found = super().summarise({name: pair for name, pair in totals.items() if name != MOMENTS})
        total, count = totals[MOMENTS]
        sums, number = np.asarray(total, np.float64), float(np.asarray(count))
        if self.info.means is not None and self.info.deviations is not None:
            found["rse"] = rse(sums, number, self.info.means, self.info.deviations)
        return found | {"corr": corr(sums, number)}

    def fit(self, batches: Iterable[Batch]) -> None:
        """The linear baseline."""
        self.linear = fit_linear(batches)

    def baselines(self, batch: Batch) -> dict[str, jax.Array]:
        """`last_value` repeats the last real row, `seasonal_naive` the last season (again and again if S is longer).

        A window shorter than a season shows no whole season, so there is no `seasonal_naive` then. `linear` is there
        once it is fitted; it reads windows without padding.
        """
        inputs = batch.inputs[..., : batch.targets.shape[-1]]
        steps = self.info.lead - 1 + jnp.arange(batch.targets.shape[1])[None, :]
        end = batch.mask.sum(1)[:, None]
        forecasts = {"last_value": _rows(inputs, end - 1 + 0 * steps)}
        if (season := self.info.season) is not None and inputs.shape[1] >= season:
            forecasts["seasonal_naive"] = _rows(inputs, end - season + steps % season)
        if self.linear is not None:
            forecasts["linear"] = linear_forecast(inputs, self.linear)
        return forecasts


MOMENTS = "moments"
"""What `metrics` adds up for RSE and CORR, which are no means."""


def _channel_sums(values: jax.Array, batch: Batch) -> tuple[jax.Array, jax.Array]:
    """Sums [D] over the real steps, and how many they are."""
    return jnp.where(batch.target_mask[..., None], values, 0.0).sum((0, 1)), batch.target_mask.sum()


def _rows(inputs: jax.Array, index: jax.Array) -> jax.Array:
    """Rows [B, S, D] of inputs [B, T, D] at index [B, S]; filler rows have no last row and take the first."""
    return jnp.take_along_axis(inputs, jnp.maximum(index, 0)[..., None], axis=1)
