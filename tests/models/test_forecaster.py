"""The forecaster: normalisation, independent channels, and that it learns."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from support import fitted

from grux.batch import Batch, Info
from grux.cells.gru import GRUCell
from grux.errors import UsageError
from grux.layers.recurrent import Recurrent
from grux.models.forecaster import Forecaster
from grux.tasks.forecasting import Forecasting

INFO = Info(name="toy", task="forecasting", features=2, window=8, horizon=3)


def model(info=INFO, seed=0, **options):
    defaults = dict(
        features=8,
        depth=1,
        bidirectional=False,
        residual=False,
        dropout=0.0,
        normalise="none",
        channels="together",
        quantiles=None,
        dtype="float32",
    )
    layer = functools.partial(Recurrent, cell=GRUCell)
    return Forecaster(info=info, layer=layer, **{**defaults, **options}, rngs=nnx.Rngs(jax.random.key(seed)))


def batch(rows=4, seed=0):
    random = np.random.default_rng(seed)
    arrays = random.normal(size=(rows, 8, 2)), np.ones((rows, 8), bool), random.normal(size=(rows, 3, 2))
    inputs, mask, targets = (jnp.asarray(a, bool if a.dtype == bool else jnp.float32) for a in arrays)
    return Batch(inputs, mask, targets, jnp.ones((rows, 3), bool))


@pytest.mark.parametrize("channels", ["together", "independent"])
@pytest.mark.parametrize("normalise", ["none", "last", "window", "revin"])
def test_shapes_and_filler_rows(normalise, channels):
    data = batch()
    filler = data._replace(mask=data.mask.at[3].set(False), inputs=data.inputs.at[3].set(0.0))
    net = model(normalise=normalise, channels=channels)
    outputs = net(filler)
    assert outputs.shape == (4, 3, 2) and outputs.dtype == jnp.float32 and jnp.isfinite(outputs).all()
    np.testing.assert_allclose(outputs[:3], net(data)[:3], atol=1e-6)
    gradient = jax.grad(lambda x: net(filler._replace(inputs=x)).sum())(filler.inputs)
    assert jnp.isfinite(gradient).all()


@pytest.mark.parametrize("normalise", ["last", "window", "revin"])
def test_a_shift_of_the_window_shifts_the_forecast(normalise):
    net, data = model(normalise=normalise), batch()
    shift = jnp.array([3.0, -5.0])[None, None, :]
    np.testing.assert_allclose(net(data._replace(inputs=data.inputs + shift)), net(data) + shift, atol=1e-4)


def test_window_normalisation_also_scales():
    net, data = model(normalise="window"), batch()
    np.testing.assert_allclose(net(data._replace(inputs=100 * data.inputs)), 100 * net(data), rtol=1e-3, atol=1e-2)


def test_independent_channels_do_not_see_each_other():
    net, data = model(channels="independent"), batch()
    gradient = jax.grad(lambda x: net(data._replace(inputs=x))[:, :, 0].sum())(data.inputs)
    assert gradient[..., 0].any() and not gradient[..., 1].any()
    swapped = net(data._replace(inputs=data.inputs[..., ::-1]))
    np.testing.assert_allclose(swapped[..., ::-1], net(data), atol=1e-6)


def test_dropout_is_a_function_of_the_key():
    net, data, key = model(dropout=0.5), batch(), jax.random.key(1)
    np.testing.assert_array_equal(net(data), net(data))
    np.testing.assert_array_equal(net(data, key=key), net(data, key=key))
    assert not np.allclose(net(data, key=key), net(data, key=jax.random.key(2)))


def test_bfloat16_gives_a_float32_forecast():
    data = batch()
    half = model(dtype="bfloat16", normalise="last")(data)
    assert half.dtype == jnp.float32
    np.testing.assert_allclose(half, model(normalise="last")(data), atol=0.05)


def test_seeds_are_an_axis():
    graph, _ = nnx.split(model())
    states = jax.vmap(lambda seed: nnx.state(model(seed=seed)))(jnp.arange(2))
    data = batch()
    outputs = jax.jit(jax.vmap(lambda state: nnx.merge(graph, state)(data)))(states)
    np.testing.assert_allclose(outputs[1], model(seed=1)(data), atol=1e-6)


@pytest.mark.parametrize("channels", ["together", "independent"])
def test_it_learns_a_sine(channels):
    start = np.random.default_rng(0).uniform(0, 6, (64, 1, 2))
    wave = np.sin(start + 0.7 * np.arange(11)[None, :, None]).astype(np.float32)
    ones = jnp.ones((64, 11), bool)
    data = Batch(jnp.asarray(wave[:, :8]), ones[:, :8], jnp.asarray(wave[:, 8:]), ones[:, 8:])
    task = Forecasting(info=INFO, loss="mse", quantiles=None, selection="mse")
    graph, state = nnx.split(model(channels=channels, normalise="last"))
    state = fitted(graph, state, task, data, steps=200, learning_rate=0.02)
    naive = task.summarise(task.metrics(task.baselines(data)["last_value"], data))["mse"]
    assert task.summarise(task.metrics(nnx.merge(graph, state)(data), data))["mse"] < 0.05 * naive


def test_data_without_a_horizon_are_refused():
    with pytest.raises(UsageError, match="horizon"):
        model(info=Info(name="sst2", task="classification", vocabulary=9, classes=("a", "b")))
