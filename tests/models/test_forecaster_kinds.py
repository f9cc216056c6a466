"""Every kind of forecaster, over archs with a state and without: causality of the horizon, covariates, seeds."""

import importlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import yaml
from flax import nnx
from support import ROOT, arch, fitted, randomise

from grux.batch import Batch, Info
from grux.tasks.forecasting import Forecasting

KINDS = ("forecaster", "autoregressive_forecaster", "encoder_decoder_forecaster")
ROLLED = KINDS[1:]
ARCHS = ("gru", "lstm", "elman", "mingru", "transformer", "tcn")
INFO = Info(name="toy", task="forecasting", features=2, window=6, horizon=3)
KNOWN = Info(name="toy", task="forecasting", features=2, covariates=("hour",), window=6, horizon=3)


def model(kind, name="gru", info=INFO, seed=0, random=True, **options):
    node = yaml.safe_load((ROOT / "configs" / "model" / f"{kind}.yaml").read_text())
    module, _, target = node["_target_"].rpartition(".")
    given = {key: value for key, value in node.items() if not key.startswith("_")}
    given |= {"features": 8, "quantiles": None, "normalise": "none", **options}
    made = getattr(importlib.import_module(module), target)(
        info=info, layer=arch(name), **given, rngs=nnx.Rngs(jax.random.key(seed))
    )
    return randomise(made, seed) if random else made


def batch(info=INFO, rows=4, seed=0):
    random = np.random.default_rng(seed)
    known = len(info.covariates or ())
    inputs = jnp.asarray(random.normal(size=(rows, 6, 2 + known)), jnp.float32)
    targets = jnp.asarray(random.normal(size=(rows, 3, 2)), jnp.float32)
    future = jnp.asarray(random.normal(size=(rows, 3, known)), jnp.float32) if known else None
    return Batch(inputs, jnp.ones((rows, 6), bool), targets, jnp.ones((rows, 3), bool), future)


def run(net, data, key=None):
    """One program: a forecast taken operation by operation compiles each of them."""
    return jax.jit(lambda data: net(data, key=key))(data)


def plain_rollout(net, data):
    """A loop over rows with one call of the layers for each, channel by channel."""
    found = []
    for channel in (0, 1):
        rows = jnp.concatenate([data.inputs[..., channel : channel + 1], data.inputs[..., 2:]], -1)
        if hasattr(net, "layers"):
            carry, layers, extra = net.layers.initial_carry(4), net.layers, jnp.zeros((4, 0))
            for t in range(5):
                x = jnp.concatenate([rows[:, t, :1], rows[:, t + 1, 1:]], -1)
                _, carry = net.layers(x[:, None], carry=carry)
        else:
            y, final = net.encoder(rows)
            carry, layers, extra = net.bridge(final, net.decoder.initial_carry(4)), net.decoder, y[:, -1]
        value, steps = rows[:, -1, :1], []
        for s in range(3):
            y, carry = layers(jnp.concatenate([value, data.future[:, s], extra], -1)[:, None], carry=carry)
            steps.append(net.head(y[:, 0]))
            value = steps[-1][:, 1:2]  # the median is read on
        found.append(jnp.stack(steps, 1))
    return jnp.stack(found, 2)


@pytest.mark.parametrize("name", ARCHS)
@pytest.mark.parametrize("kind", ROLLED)
def test_the_rollout_is_a_loop_over_single_steps(kind, name):
    """With quantiles, covariates and independent channels."""
    net, data = model(kind, name, KNOWN, quantiles=[0.2, 0.5, 0.9], channels="independent"), batch(KNOWN)
    got, wanted = jax.jit(lambda data: (net(data), plain_rollout(net, data)))(data)
    assert got.shape == (4, 3, 2, 3)
    np.testing.assert_allclose(got, wanted, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_knows_of_covariates_up_to_its_own_and_of_the_window(kind):
    net, data = model(kind, info=KNOWN), batch(KNOWN)

    def forecast(future, inputs):
        return jnp.sin(net(data._replace(future=future, inputs=inputs))).sum((0, 2))

    future, inputs = jax.jit(jax.jacrev(forecast, argnums=(0, 1)))(data.future, data.inputs)  # [S, B, ...]
    for s in range(3):
        seen = np.abs(np.asarray(future[s])).max((0, 2)) > 0
        first = 0 if kind in ROLLED else s  # a forecast of all steps at once adds what belongs to each step
        assert seen.tolist() == [first <= k <= s for k in range(3)]
        assert np.abs(np.asarray(inputs[s, ..., :2])).max((0, 2)).all() and np.asarray(inputs[s, ..., 2]).any()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("normalise", ["last", "window", "revin"])
def test_a_shift_of_the_window_shifts_the_forecast(kind, normalise):
    net, data = model(kind, normalise=normalise, channels="independent", quantiles=[0.1, 0.5]), batch()
    shift = jnp.array([3.0, -5.0])[None, None, :]
    moved, forecast = jax.jit(lambda inputs: (net(data._replace(inputs=inputs + shift)), net(data)))(data.inputs)
    np.testing.assert_allclose(moved, forecast + shift[..., None], atol=1e-3)


def test_revin_is_its_own_inverse_around_what_the_model_gives():
    """With gain a and shift b, u = (x - mean) / std * a + b goes in, and what comes out goes the same way back."""
    net, data = model("forecaster", normalise="revin", random=False), batch()
    assert np.asarray(net.frame.gain[...]).tolist() == [1, 1] and np.asarray(net.frame.shift[...]).tolist() == [0, 0]
    plain = model("forecaster", normalise="window", random=False)
    np.testing.assert_allclose(run(net, data), run(plain, data), rtol=1e-5, atol=1e-6)
    net.frame.gain[...], net.frame.shift[...] = jnp.array([2.0, -0.5]), jnp.array([0.3, 1.0])
    x, _, scale = net.frame.enter(data)
    mean, std = data.inputs.mean(1), np.sqrt(np.asarray(data.inputs).var(1) + 1e-5)
    gain, shift = jnp.array([2.0, -0.5])[None, None], jnp.array([0.3, 1.0])[None, None]
    wanted = (data.inputs - mean[:, None]) / std[:, None] * gain + shift
    np.testing.assert_allclose(x, wanted, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(net.frame.leave(x, scale), data.inputs, rtol=1e-4, atol=1e-5)
    # Trained like every other weight.
    gradient = nnx.jit(nnx.grad(lambda m: jnp.square(m(data)).sum()))(net)
    assert np.asarray(gradient["frame"]["gain"][...]).all() and np.asarray(gradient["frame"]["shift"][...]).all()


@pytest.mark.parametrize("kind", ROLLED)
def test_a_lead_runs_ahead_of_what_is_scored(kind):
    near = model(kind, info=Info(name="toy", task="forecasting", features=2, window=6, horizon=3))
    far = model(kind, info=Info(name="toy", task="forecasting", features=2, window=6, horizon=1, lead=3))
    np.testing.assert_allclose(run(far, batch())[:, 0], run(near, batch())[:, 2], rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_seeds_are_an_axis_and_dropout_a_function_of_the_key(kind):
    data = batch()
    graph, _ = nnx.split(model(kind, random=False))
    states = jax.vmap(lambda seed: nnx.state(model(kind, seed=seed, random=False)))(jnp.arange(2))
    outputs = jax.jit(jax.vmap(lambda state: nnx.merge(graph, state)(data)))(states)
    np.testing.assert_allclose(outputs[1], run(model(kind, seed=1, random=False), data), atol=1e-5)
    net = model(kind, dropout=0.5)
    dropped = jax.jit(lambda key: net(data, key=key))
    np.testing.assert_array_equal(dropped(jax.random.key(1)), dropped(jax.random.key(1)))
    assert not np.allclose(dropped(jax.random.key(1)), dropped(jax.random.key(2)))
    assert jax.eval_shape(model(kind, dtype="bfloat16"), data).dtype == jnp.float32


@pytest.mark.parametrize("kind", ROLLED)
def test_it_learns_a_sine(kind):
    start = np.random.default_rng(0).uniform(0, 6, (32, 1, 2))
    wave = jnp.asarray(np.sin(start + 0.7 * np.arange(9)[None, :, None]), jnp.float32)
    ones = jnp.ones((32, 9), bool)
    data = Batch(wave[:, :6], ones[:, :6], wave[:, 6:], ones[:, 6:])
    task = Forecasting(info=INFO, loss="mse", quantiles=None, selection="mse")
    graph, state = nnx.split(model(kind, random=False))
    state = fitted(graph, state, task, data, steps=150, learning_rate=0.02)
    naive = task.summarise(task.metrics(task.baselines(data)["last_value"], data))["mse"]
    assert task.summarise(task.metrics(nnx.merge(graph, state)(data), data))["mse"] < 0.05 * naive
