"""When a training ends: after so many epochs, steps, FLOPs or seconds, the same rule for every arch.

    epochs, steps   optimiser steps of each seed, known before the first one
    flops           the steps that so many FLOPs pay for: FLOPs of an epoch (counted per example, forward and backward,
                    over padded shapes) divided by the steps of an epoch; in whole epochs the count is exact
    seconds         wall time of training steps, all seeds of a run together, without compilation, evaluation and
                    checkpoints; looked at after each dispatch, so that a run ends at the first one past the limit

Whatever ends a training, a seed ends before where `patience` evaluations in a row brought nothing better.
"""

import math
from dataclasses import dataclass
from typing import Any

from grux.data.base import Dataset
from grux.data.batching import steps_per_epoch
from grux.errors import UsageError


@dataclass(frozen=True)
class Length:
    """How long each seed trains at most."""

    by: str
    """epochs, steps, flops or seconds."""
    limit: float
    steps: int | None
    """Optimiser steps of a seed; None where seconds decide."""
    epoch_steps: int
    step_flops: float
    """Training FLOPs of a seed's step, the mean over an epoch."""

    @property
    def seconds(self) -> float | None:
        return self.limit if self.by == "seconds" else None

    def used(self, steps: int, seconds: float) -> float:
        """What `steps` of a seed, or `seconds` of the run, are in the unit of the limit."""
        each = {"epochs": steps / self.epoch_steps, "steps": steps, "flops": steps * self.step_flops}
        return each.get(self.by, seconds)


def length_of(
    dataset: Dataset,
    *,
    batch_size: int,
    epochs: int,
    steps: int | None,
    flops: float | None,
    seconds: float | None,
    flops_per_example: float,
) -> Length:
    """The length of a run: one of steps, flops and seconds where it is given, else `epochs`.

    Raises UsageError for FLOPs that do not pay for one step.
    """
    train = dataset.splits["train"]
    epoch_steps = steps_per_epoch(train, batch_size)
    step_flops = flops_per_example * train.size / epoch_steps
    if flops is not None:
        if flops < step_flops:
            raise UsageError(
                f"flops={flops:g} is less than one training step takes ({step_flops:.4g}, batch_size={batch_size}); "
                "give more, or choose a smaller batch_size or model."
            )
        # Where the limit is so many whole steps, rounding must not take one away.
        return Length("flops", flops, math.floor(flops / step_flops * (1 + 1e-12)), epoch_steps, step_flops)
    if seconds is not None:
        return Length("seconds", seconds, None, epoch_steps, step_flops)
    if steps is not None:
        return Length("steps", steps, steps, epoch_steps, step_flops)
    return Length("epochs", epochs, epochs * epoch_steps, epoch_steps, step_flops)


def budget_record(length: Length, *, taken: int, seconds: float, patience: int | None, metric: str) -> dict[str, Any]:
    """The `budget` of a run record: the rule that ended the training, and what the longest seed used of it.

    `taken`: steps of that seed; `seconds`: of the run's training.
    """
    words = {
        "epochs": f"{length.limit:g} epochs for each seed",
        "steps": f"{length.limit:g} steps for each seed",
        "flops": f"{length.limit:.4g} training FLOPs for each seed",
        "seconds": f"{length.limit:g} seconds of training for all seeds together, without compilation and evaluation",
    }
    early = f"; a seed ends after {patience} evaluations in a row without a better validation {metric}"
    return {
        "by": length.by,
        "limit": length.limit,
        "used": round(length.used(taken, seconds), 6),
        "steps": length.steps,
        "patience": patience,
        "rule": words[length.by] + early * (patience is not None),
    }
