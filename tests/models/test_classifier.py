"""The classifier: what it may read, what it may not, and that it learns."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from support import arch, fitted

from grux.batch import Batch, Info
from grux.cells.gru import GRUCell
from grux.cells.gru_reset_before import GRUResetBeforeCell
from grux.cells.lstm import LSTMCell
from grux.errors import UsageError
from grux.layers.recurrent import Recurrent
from grux.models.classifier import Classifier
from grux.tasks.classification import Classification

TOKENS = Info(name="toy", task="classification", vocabulary=12, classes=("a", "b", "c"))
FEATURES = Info(name="toy", task="classification", features=3, classes=("a", "b"))
POOLINGS = ["last", "mean", "max", "attention"]


def model(info=TOKENS, cell=GRUCell, seed=0, **options):
    defaults: dict[str, Any] = dict(
        embedding=6,
        features=8,
        depth=1,
        bidirectional=False,
        residual=False,
        dropout=0.0,
        pooling="last",
        dtype="float32",
    )
    options = {"layer": functools.partial(Recurrent, cell=cell), **defaults, **options}
    return Classifier(info=info, **options, rngs=nnx.Rngs(jax.random.key(seed)))


def batch(lengths=(5, 3, 0), steps=5, seed=0):
    random = np.random.default_rng(seed)
    rows = len(lengths)
    mask = np.arange(steps)[None, :] < np.array(lengths)[:, None]
    inputs = np.where(mask, random.integers(4, 12, (rows, steps)), 0).astype(np.int32)
    targets = random.integers(0, 3, rows).astype(np.int32)
    return Batch(*map(jnp.asarray, (inputs, mask, targets, mask[:, 0])))


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_padding_changes_nothing_and_filler_rows_are_finite(pooling, bidirectional):
    net, data = model(pooling=pooling, bidirectional=bidirectional, depth=2, residual=True, embedding=8), batch()
    wide = data._replace(
        inputs=jnp.pad(data.inputs, ((0, 0), (0, 4)), constant_values=7),
        mask=jnp.pad(data.mask, ((0, 0), (0, 4))),
    )
    outputs = net(data)
    assert outputs.shape == (3, 3) and jnp.isfinite(outputs).all()
    np.testing.assert_allclose(outputs, net(wide), atol=1e-6)
    alone = batch(lengths=(3,), steps=3)._replace(inputs=data.inputs[1:2, :3])
    np.testing.assert_allclose(outputs[1], net(alone)[0], atol=1e-6)


@pytest.mark.parametrize("name", ["mingru", "transformer", "tcn"])
@pytest.mark.parametrize(("pooling", "bidirectional"), [("last", True), ("mean", False), ("attention", True)])
def test_layers_that_are_no_gated_cell_are_pooled_over_real_steps(name, pooling, bidirectional):
    options = {"pooling": pooling, "bidirectional": bidirectional}
    net = model(layer=arch(name), **options)
    whole, data = jax.jit(net), batch()
    outputs = whole(data)
    assert outputs.shape == (3, 3) and jnp.isfinite(outputs).all()
    hidden = data._replace(inputs=jnp.where(data.mask, data.inputs, 7))
    np.testing.assert_allclose(outputs, whole(hidden), atol=1e-6)
    shown = data._replace(inputs=data.inputs.at[1, 0].set(7 + (data.inputs[1, 0] == 7)))
    assert not np.allclose(outputs[1], whole(shown)[1], atol=1e-6)
    images = model(info=FEATURES, layer=arch(name), **options)
    assert images.embedding is None and jax.jit(images)(data._replace(inputs=jnp.ones((3, 5, 3)))).shape == (3, 2)


def test_last_pooling_takes_each_direction_where_it_ends():
    net, data = model(bidirectional=True), batch(lengths=(4,), steps=4)
    y, ((forward, backward),) = net.layers(net.embedding(data.inputs), mask=data.mask)
    np.testing.assert_allclose(net._pool(y, data.mask), jnp.concatenate([forward[0], backward[0]], -1), atol=1e-6)


@pytest.mark.parametrize("cell", [GRUCell, LSTMCell, GRUResetBeforeCell])
def test_float_features_need_no_embedding(cell):
    data = batch()
    data = data._replace(inputs=jnp.ones((3, 5, 3)))
    net = model(info=FEATURES, cell=cell)
    assert net.embedding is None and net(data).shape == (3, 2)


def test_dropout_is_a_function_of_the_key():
    net, data, key = model(dropout=0.5, depth=2), batch(), jax.random.key(1)
    np.testing.assert_array_equal(net(data), net(data))
    np.testing.assert_array_equal(net(data, key=key), net(data, key=key))
    assert not np.allclose(net(data, key=key), net(data, key=jax.random.key(2)))
    assert not np.allclose(net(data, key=key), net(data))


def test_bfloat16_gives_float32_logits_near_those_of_float32():
    data = batch()
    half = model(dtype="bfloat16", pooling="attention")(data)
    assert half.dtype == jnp.float32
    np.testing.assert_allclose(half, model(pooling="attention")(data), atol=0.05)


def test_seeds_are_an_axis():
    graph, _ = nnx.split(model(dropout=0.3))
    states = jax.vmap(lambda seed: nnx.state(model(seed=seed, dropout=0.3)))(jnp.arange(2))
    keys = jax.random.split(jax.random.key(0), 2)
    data = batch()
    run = jax.jit(jax.vmap(lambda state, key: nnx.merge(graph, state)(data, key=key)))
    outputs = run(states, keys)
    np.testing.assert_allclose(outputs[1], model(seed=1, dropout=0.3)(data, key=keys[1]), atol=1e-6)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_it_learns_the_first_token(pooling):
    random = np.random.default_rng(0)
    inputs = random.integers(4, 12, (64, 4)).astype(np.int32)
    inputs[:, 0] = random.integers(4, 7, 64)
    inputs[:, 1:] = random.integers(7, 12, (64, 3))
    ones = np.ones((64, 4), bool)
    data = Batch(*map(jnp.asarray, (inputs, ones, inputs[:, 0] - 4, ones[:, 0])))
    task = Classification(info=TOKENS, label_smoothing=0.0, selection="accuracy")
    net = model(pooling=pooling)
    graph, state = nnx.split(net)
    state = fitted(graph, state, task, data, steps=120, learning_rate=0.02)
    scores = task.summarise(task.metrics(nnx.merge(graph, state)(data), data))
    assert scores["accuracy"] > 0.95


def test_data_without_classes_are_refused():
    with pytest.raises(UsageError, match="needs classes"):
        model(info=Info(name="ett", task="forecasting", features=7, window=8, horizon=4))
