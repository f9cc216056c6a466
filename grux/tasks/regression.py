"""Numbers at each step that asks for them: mean squared error, mean absolute error.

mse   mean over all answers, and over the numbers of an answer, of (output - target)^2
mae   the same of |output - target|
"""

from typing import ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np

from grux.batch import Batch, Info
from grux.tasks.base import Sums, Task


class Regression(Task):
    """Outputs: float [B, T, K]. Targets: float32 [B, T, K]; target mask: bool [B, T]."""

    name = "regression"
    directions: ClassVar = {"mse": False, "mae": False}
    primary = "mse"
    higher_is_better = False

    def __init__(self, *, info: Info, selection: Literal["mse", "mae"]):
        super().__init__(info=info, selection=selection)

    def loss(self, outputs: jax.Array, batch: Batch) -> tuple[jax.Array, jax.Array]:
        return self.metrics(outputs, batch)["mse"]

    def metrics(self, outputs: jax.Array, batch: Batch) -> Sums:
        error = outputs.astype(jnp.float32) - batch.targets
        return {name: _sum(values, batch) for name, values in (("mse", jnp.square(error)), ("mae", jnp.abs(error)))}

    def baselines(self, batch: Batch) -> dict[str, jax.Array]:
        """`mean`: that of the training targets, whatever was read."""
        if self.info.means is None:
            return {}
        return {"mean": jnp.broadcast_to(np.array(self.info.means, np.float32), batch.targets.shape)}


def _sum(values: jax.Array, batch: Batch) -> tuple[jax.Array, jax.Array]:
    return jnp.where(batch.target_mask, values.mean(-1), 0.0).sum(), batch.target_mask.sum()
