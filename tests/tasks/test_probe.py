"""Probes and regression by plain sums: sequences count alike, answers count alike, fillers count nothing."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from grux.batch import Batch, Info
from grux.tasks.probe import Probe
from grux.tasks.regression import Regression

CLASSES = Info(name="toy", task="probe", vocabulary=6, classes=("a", "b", "c"), frequencies=(0.5, 0.25, 0.25))
NUMBERS = Info(name="toy", task="regression", features=2, means=(1.0, -2.0))


def batch(targets, asked) -> Batch:
    asked = jnp.asarray(asked, bool)
    return Batch(jnp.zeros(asked.shape, jnp.int32), jnp.ones_like(asked), jnp.asarray(targets), asked)


ASKED = [[0, 1, 1, 1, 1], [0, 0, 0, 1, 0], [0, 1, 1, 0, 0], [0, 0, 0, 0, 0]]
TARGETS = [[0, 0, 1, 2, 2], [0, 0, 0, 1, 0], [0, 2, 0, 0, 0], [0, 0, 0, 0, 0]]
CHOSEN = [[2, 0, 1, 2, 0], [2, 2, 2, 1, 2], [2, 0, 1, 2, 2], [0, 0, 0, 0, 0]]
"""Right: three of four, one of one, none of two; the last row is a filler."""


def test_sequences_count_alike_and_whole_ones_are_told():
    task, data = Probe(info=CLASSES, selection="loss"), batch(TARGETS, ASKED)
    logits = jnp.log(0.1 + 0.7 * jnp.asarray([[[c == chosen for c in range(3)] for chosen in row] for row in CHOSEN]))
    found = task.summarise(task.metrics(logits, data))
    assert found["accuracy"] == pytest.approx((0.75 + 1 + 0) / 3)
    assert found["exact_match"] == pytest.approx(1 / 3)
    assert found["loss"] == pytest.approx(-(4 * math.log(0.8) + 3 * math.log(0.1)) / 7)
    parts = [
        task.metrics(logits[rows], jax.tree.map(lambda x, rows=rows: x[rows], data))
        for rows in (slice(0, 1), slice(1, 4))
    ]
    for name, (total, count) in task.metrics(logits, data).items():
        assert float(total) == pytest.approx(sum(float(part[name][0]) for part in parts))
        assert int(count) == sum(int(part[name][1]) for part in parts)
    nothing = data._replace(target_mask=jnp.zeros_like(data.target_mask))
    assert all(float(total) == 0 and int(count) == 0 for total, count in task.metrics(logits, nothing).values())


def test_guessing_by_frequency_has_their_entropy():
    task, data = Probe(info=CLASSES, selection="loss"), batch([[0, 0, 1, 2]], [[1, 1, 1, 1]])
    found = task.summarise(task.metrics(task.baselines(data)["class_frequencies"], data))
    assert found["loss"] == pytest.approx(1.5 * math.log(2)) and found["accuracy"] == 0.5


def test_numbers_by_plain_sums():
    task, random = Regression(info=NUMBERS, selection="mse"), np.random.default_rng(0)
    targets, outputs = random.normal(size=(2, 2, 3, 2)).astype(np.float32)
    data = batch(targets, [[0, 1, 1], [0, 0, 0]])
    found = task.summarise(task.metrics(jnp.asarray(outputs), data))
    errors = (outputs - targets)[0, 1:]
    assert found["mse"] == pytest.approx(np.mean(errors**2), rel=1e-5)
    assert found["mae"] == pytest.approx(np.mean(np.abs(errors)), rel=1e-5)
    assert task.loss(jnp.asarray(outputs), data)[1] == 2
    mean = task.baselines(data)["mean"]
    assert mean.shape == targets.shape and mean[1, 2].tolist() == [1.0, -2.0]
