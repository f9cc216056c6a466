"""Likelihoods of piano rolls against plain sums, accuracy by hand, and the methods without training."""

import dataclasses
import math

import jax.numpy as jnp
import numpy as np
import pytest

from grux.batch import Batch, Info
from grux.tasks.polyphony import Polyphony

INFO = Info(name="toy", task="polyphony", features=88)


def task(info=INFO, **options):
    return Polyphony(info=info, **{"selection": "nll", **options})


def batch(lengths=(5, 3, 0), steps=5, notes=88, seed=0):
    random = np.random.default_rng(seed)
    mask = np.arange(steps)[None, :] < np.array(lengths)[:, None]
    frames = (random.random((len(lengths), steps + 1, notes)) < 0.2).astype(np.float32)
    return Batch(*map(jnp.asarray, (frames[:, :-1], mask, frames[:, 1:], mask)))


def logits(data, seed=1):
    return jnp.asarray(np.random.default_rng(seed).normal(size=data.targets.shape), jnp.float32)


def plain_nll(outputs, targets, lengths, first=0):
    """Nats of the steps from `first` on, and how many they are, one note at a time."""
    total, count = 0.0, 0
    for row, length in enumerate(lengths):
        for step in range(first, length):
            count += 1
            for output, target in zip(outputs[row, step].tolist(), targets[row, step].tolist(), strict=True):
                p = 1 / (1 + math.exp(-output))
                total -= math.log(p) if target else math.log(1 - p)
    return total, count


def test_a_fair_coin_for_each_key_costs_88_bits():
    data = batch()
    got = task().summarise(task().metrics(jnp.zeros_like(data.targets), data))
    assert got["nll"] == got["nll_after_first"] == pytest.approx(88 * math.log(2), rel=1e-6)


def test_likelihood_is_the_plain_sum_over_real_steps():
    data = batch(lengths := (5, 3, 0))
    outputs = logits(data)
    sums = task().metrics(outputs, data)
    for name, first in (("nll", 0), ("nll_after_first", 1)):
        total, count = plain_nll(outputs, data.targets, lengths, first)
        assert float(sums[name][0]) == pytest.approx(total, rel=1e-5)
        assert int(sums[name][1]) == count
    assert task().loss(outputs, data) == sums["nll"]


def test_sure_outputs_stay_finite():
    data = batch()
    sure = task().metrics(jnp.where(data.targets > 0, 200.0, -200.0), data)
    wrong = task().metrics(jnp.where(data.targets > 0, -200.0, 200.0), data)
    assert float(sure["nll"][0]) == 0.0
    assert float(wrong["nll"][0]) == pytest.approx(200.0 * 88 * 8)


def test_accuracy_by_hand():
    """Of four notes that sound or are said to: one right, one missed, two too many; padding does not count."""
    targets = jnp.array([[[1, 1, 0, 0, 0], [1, 0, 0, 0, 0]]], jnp.float32)
    outputs = jnp.array([[[2, -1, 1, 3, -1], [1, 1, 1, 1, 1]]], jnp.float32)
    mask = jnp.array([[True, False]])
    total, count = task().metrics(outputs, Batch(targets, mask, targets, mask))["accuracy"]
    assert (int(total), int(count)) == (1, 4)


def test_fillers_and_splits_add_up():
    data = batch((5, 3, 4))
    outputs = logits(data)
    head, tail = (
        data._replace(target_mask=data.target_mask & keep[:, None])
        for keep in (jnp.array([True, False, False]), jnp.array([False, True, True]))
    )
    whole, *parts = (task().metrics(outputs, part) for part in (data, head, tail))
    for name, (total, count) in whole.items():
        np.testing.assert_allclose(total, sum(part[name][0] for part in parts), rtol=1e-5)
        assert int(count) == sum(int(part[name][1]) for part in parts)
    nothing = data._replace(target_mask=jnp.zeros_like(data.mask))
    assert all(float(total) == 0.0 and int(count) == 0 for total, count in task().metrics(outputs, nothing).values())


def test_methods_without_training():
    info = dataclasses.replace(INFO, features=2, frequencies=(0.25, 0.5), transitions=((0.1, 0.2), (0.6, 0.7)))
    data = batch(notes=2)._replace(inputs=jnp.tile(jnp.array([[[1.0, 0.0]]]), (3, 5, 1)))
    found = {name: 1 / (1 + np.exp(-np.asarray(out))) for name, out in task(info).baselines(data).items()}
    assert set(found) == {"note_frequencies", "previous_step"}
    np.testing.assert_allclose(found["note_frequencies"], np.tile([0.25, 0.5], (3, 5, 1)), rtol=1e-6)
    np.testing.assert_allclose(found["previous_step"], np.tile([0.6, 0.2], (3, 5, 1)), rtol=1e-6)
    assert task().baselines(batch()) == {}  # nothing was counted
