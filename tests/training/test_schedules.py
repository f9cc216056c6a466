"""Schedules at steps where their value is known."""

import math
from pathlib import Path

import jax.numpy as jnp
import pytest

from grux.config import build, compose
from grux.errors import UsageError
from grux.training.schedules import at_peak, constant, cosine, plateau, step, warmup

NAMES = sorted(path.stem for path in (Path(__file__).resolve().parents[2] / "configs" / "schedule").glob("*.yaml"))


def at(schedule, *steps: int) -> list[float]:
    return [float(schedule(s)) for s in steps]


def test_constant():
    assert at(constant(learning_rate=0.5, total_steps=10), 0, 9, 99) == [0.5, 0.5, 0.5]


def test_warmup():
    schedule = warmup(learning_rate=1.0, total_steps=100, warmup_fraction=0.1)
    assert at(schedule, 0, 5, 10, 99) == pytest.approx([0.0, 0.5, 1.0, 1.0])


def test_cosine():
    schedule = cosine(learning_rate=2.0, total_steps=110, warmup_fraction=1 / 11, final_fraction=0.1)
    half = 0.2 + 0.5 * (2.0 - 0.2)
    assert at(schedule, 0, 5, 10, 60, 110) == pytest.approx([0.0, 1.0, 2.0, half, 0.2], rel=1e-5)
    quarter = 0.2 + 1.8 * 0.5 * (1 + math.cos(math.pi / 4))
    assert at(schedule, 35) == pytest.approx([quarter], rel=1e-5)


def test_cosine_without_warmup_starts_at_the_peak():
    schedule = cosine(learning_rate=2.0, total_steps=100, warmup_fraction=0.0, final_fraction=0.0)
    assert at(schedule, 0, 100) == pytest.approx([2.0, 0.0], abs=1e-6)


def test_step():
    schedule = step(learning_rate=1.0, total_steps=100, factor=0.1, at=[0.5, 0.75])
    assert at(schedule, 0, 49, 51, 74, 76, 99) == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])
    twice = step(learning_rate=1.0, total_steps=2, factor=0.1, at=[0.5, 0.6])
    assert at(twice, 2) == pytest.approx([0.01])


def test_plateau_needs_a_factor_that_lowers():
    options = {"patience": 1, "window": 1, "cooldown": 0, "minimum_fraction": 0.0}
    assert at(plateau(learning_rate=0.3, total_steps=5, factor=0.5, **options), 0, 4) == [0.3, 0.3]
    with pytest.raises(UsageError, match=r"factor=1\.0"):
        plateau(learning_rate=0.3, total_steps=5, factor=1.0, **options)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("total", [1, 2, 3, 1000])
def test_every_schedule_is_finite_and_below_the_peak(name: str, total: int):
    node = compose([f"schedule={name}"]).config["schedule"]
    schedule = build(node, learning_rate=0.1, total_steps=total)
    assert all(0.0 <= rate <= 0.1 + 1e-6 for rate in at(schedule, 0, 1, total // 2, total - 1, total))


@pytest.mark.parametrize("name", NAMES)
def test_every_schedule_is_as_high_as_its_peak(name: str):
    """A program of several learning rates has the schedule of peak 1 and each peak as a factor."""
    node = compose([f"schedule={name}"]).config["schedule"]
    unit, own = (build(node, learning_rate=rate, total_steps=100) for rate in (1.0, 0.03))
    steps = (0, 1, 7, 49, 51, 76, 99, 100)
    assert at(at_peak(unit, jnp.float32(0.03)), *steps) == pytest.approx(at(own, *steps), rel=1e-5, abs=1e-9)
