"""The autoencoder: what it may know of a sequence, that steps differ, and that every layer can learn to give back."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from support import arch, fitted, randomise

from grux.batch import Batch, Info
from grux.errors import UsageError
from grux.models.autoencoder import Autoencoder, step_waves
from grux.tasks.anomaly import Anomaly

INFO = Info(name="toy", task="anomaly", features=2, window=6)


def model(name="gru", seed=0, info=INFO, **options):
    defaults = dict(features=8, code=3, depth=1, residual=False, dropout=0.0, dtype="float32")
    return Autoencoder(info=info, layer=arch(name), **{**defaults, **options}, rngs=nnx.Rngs(seed))


def batch(values):
    values = jnp.asarray(values, jnp.float32)
    mask = jnp.ones(values.shape[:2], bool)
    return Batch(jnp.full_like(values, jnp.nan), mask, values, mask)  # the inputs are for models that foretell


def random(rows=3, steps=6, seed=0):
    return np.random.default_rng(seed).normal(size=(rows, steps, 2))


@pytest.mark.parametrize("name", ["elman", "mingru", "transformer", "tcn"])
def test_every_step_depends_on_every_value_through_the_code(name):
    net = randomise(model(name), 0)
    data = batch(random())
    outputs = net(data)
    assert outputs.shape == (3, 6, 2) and outputs.dtype == jnp.float32 and jnp.isfinite(outputs).all()
    for step in (0, 5):
        seen = jax.grad(lambda x, step=step: net(data._replace(targets=x))[:, step].sum())(data.targets)
        assert seen.any(2).all()
    assert float(jnp.abs(outputs[:, 1:] - outputs[:, :-1]).max(-1).min()) > 1e-5  # also where nothing is carried


def test_the_code_is_all_that_is_known():
    """Two sequences with one code are given back alike: the Jacobian has the rank of the code."""
    net = randomise(model(code=2), 0)
    data = batch(random(rows=1))
    jacobian = jax.jacobian(lambda x: net(data._replace(targets=x)).ravel())(data.targets).reshape(12, 12)
    assert np.linalg.matrix_rank(np.asarray(jacobian), tol=1e-4) == 2


def test_rows_do_not_meet():
    net, values = randomise(model(), 0), random()
    together = net(batch(values))
    for row in range(3):
        np.testing.assert_allclose(net(batch(values[row : row + 1]))[0], together[row], atol=1e-6)


def test_waves_tell_all_steps_apart():
    waves = step_waves(140, 7)
    assert waves.shape == (140, 7) and waves.dtype == np.float32
    apart = np.abs(waves[:, None] - waves[None]).max(-1) + np.eye(140)
    assert apart.min() > 0.05
    assert step_waves(3, 1).tolist() == np.sin(np.arange(3, dtype=np.float64))[:, None].astype(np.float32).tolist()


def test_other_data_are_refused():
    with pytest.raises(UsageError, match="are for polyphony; choose data for anomaly detection"):
        model(info=Info(name="toy", task="polyphony", features=2))


@pytest.mark.parametrize("name", ["elman", "transformer"])
def test_it_learns_to_give_back_and_fails_on_what_it_has_not_seen(name):
    angles = np.arange(6)[None] + np.random.default_rng(0).uniform(0, 2 * np.pi, 64)[:, None]
    values = np.stack([np.sin(angles), np.cos(angles)], -1)
    data, strange = batch(values), batch(np.sign(values))
    task = Anomaly(info=INFO, quantile=0.99, selection="mse")
    graph, state = nnx.split(model(name, features=16))
    net = nnx.merge(graph, fitted(graph, state, task, data, steps=200, learning_rate=1e-2))
    known, unknown = (float(task.collect(net(one), one).mean()) for one in (data, strange))
    assert known < 0.02 and unknown > 4 * known
