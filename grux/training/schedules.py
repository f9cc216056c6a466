"""Learning-rate schedules: a function of the optimiser step, built from optax's.

Each takes the peak `learning_rate` and `total_steps` (optimiser steps of the whole run), which grux fills in, and the
options of `configs/schedule/<name>.yaml`; each returns step -> learning rate. A run that ends after so many seconds has
no `total_steps`: schedules that take None there can serve it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import jax
import optax
import optax.contrib

from grux.arguments import Fraction, NonNegativeInt, PositiveFloat, PositiveInt, Probability
from grux.errors import UsageError
from grux.shapes import Array


def constant(*, learning_rate: PositiveFloat, total_steps: PositiveInt | None) -> optax.Schedule:
    """The same learning rate at every step."""
    return optax.constant_schedule(learning_rate)


def warmup(*, learning_rate: PositiveFloat, total_steps: PositiveInt, warmup_fraction: Fraction) -> optax.Schedule:
    """From 0 to the peak over the first `warmup_fraction` of all steps, then constant."""
    return optax.linear_schedule(0.0, learning_rate, max(1, round(warmup_fraction * total_steps)))


def cosine(
    *,
    learning_rate: PositiveFloat,
    total_steps: PositiveInt,
    warmup_fraction: Probability,
    final_fraction: Fraction,
) -> optax.Schedule:
    """Linear warm-up, then half a cosine down to `final_fraction` of the peak (Loshchilov and Hutter 2017)."""
    # optax wants at least one step of decay: a run of one step is all peak.
    warmup_steps = min(round(warmup_fraction * total_steps), total_steps - 1)
    return optax.warmup_cosine_decay_schedule(
        # Without warm-up the first step is at the peak; optax would otherwise start from init_value.
        init_value=0.0 if warmup_steps else learning_rate,
        peak_value=learning_rate,
        warmup_steps=warmup_steps,
        decay_steps=max(1, total_steps),
        end_value=final_fraction * learning_rate,
    )


def step(
    *, learning_rate: PositiveFloat, total_steps: PositiveInt, factor: PositiveFloat, at: Sequence[Fraction]
) -> optax.Schedule:
    """Multiplied by `factor` after each fraction in `at` of all steps."""
    scales: dict[int, float] = {}
    for fraction in at:  # in a short run two fractions may fall on one step: both count
        boundary = round(fraction * total_steps)
        scales[boundary] = scales.get(boundary, 1.0) * factor
    return optax.piecewise_constant_schedule(learning_rate, scales)


@dataclass(frozen=True)
class Plateau:
    """A constant schedule that `make_optimizer` joins with optax's `reduce_on_plateau`.

    The scale depends on the training losses seen so far, so it is part of the optimiser's state and each seed has its
    own: `update(..., value=loss)` is needed at each step.
    """

    learning_rate: float | Array
    factor: float
    patience: int
    window: int
    cooldown: int
    minimum_fraction: float

    def __call__(self, count: jax.typing.ArrayLike) -> float | Array:
        """The learning rate before the plateau's scale."""
        return self.learning_rate

    def transformation(self) -> optax.GradientTransformationExtraArgs:
        """Multiplies updates by the scale; one loss per step, averaged over `window` steps before it is compared."""
        return optax.contrib.reduce_on_plateau(
            factor=self.factor,
            patience=self.patience,
            cooldown=self.cooldown,
            accumulation_size=self.window,
            min_scale=self.minimum_fraction,
        )


Schedule = optax.Schedule | Plateau


def at_peak(schedule: Schedule, peak: Array) -> Schedule:
    """The schedule of peak 1 with another peak: every schedule here is that many times as high."""
    if isinstance(schedule, Plateau):
        return replace(schedule, learning_rate=peak)
    return lambda count: peak * schedule(count)


def plateau(
    *,
    learning_rate: PositiveFloat,
    total_steps: PositiveInt | None,
    factor: Fraction,
    patience: PositiveInt,
    window: PositiveInt,
    cooldown: NonNegativeInt,
    minimum_fraction: Fraction,
) -> Plateau:
    """Multiplied by `factor` when `patience` means of `window` training losses in a row did not beat the best."""
    if factor in (0.0, 1.0):
        raise UsageError(f"schedule.factor={factor} must lie between 0 and 1, both excluded.")
    return Plateau(learning_rate, factor, patience, window, cooldown, minimum_fraction)
