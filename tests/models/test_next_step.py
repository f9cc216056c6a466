"""The next-step model: never a look ahead, in pieces as in one go, tied weights, and that it learns."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from support import fitted, randomise

from grux.batch import Batch, Info
from grux.cells.gru import GRUCell
from grux.cells.lstm import LSTMCell
from grux.errors import UsageError
from grux.layers.recurrent import Recurrent
from grux.models.next_step import NextStep
from grux.tasks.polyphony import Polyphony

TOKENS = Info(name="toy", task="language_modelling", vocabulary=11)
FRAMES = Info(name="toy", task="polyphony", features=3)
INFOS = {"tokens": TOKENS, "frames": FRAMES}


def model(info=FRAMES, cell=GRUCell, seed=0, **options):
    defaults = dict(embedding=6, features=8, depth=2, residual=False, tied=False, dropout=0.0, dtype="float32")
    layer = functools.partial(Recurrent, cell=cell)
    net = NextStep(info=info, layer=layer, **{**defaults, **options}, rngs=nnx.Rngs(jax.random.key(seed)))
    return randomise(net, seed)


def batch(info=FRAMES, lengths=(6, 4, 0), seed=0):
    random = np.random.default_rng(seed)
    mask = np.arange(6)[None, :] < np.array(lengths)[:, None]
    if info.vocabulary:
        inputs = np.where(mask, random.integers(0, 11, mask.shape), 0).astype(np.int32)
    else:
        inputs = (random.random((*mask.shape, 3)) < 0.5).astype(np.float32)
    return Batch(*map(jnp.asarray, (inputs, mask, inputs, mask)))


@pytest.mark.parametrize("info", INFOS.values(), ids=INFOS)
def test_every_step_has_a_score_for_all_that_may_come(info):
    net, data = model(info), batch(info)
    outputs = net(data)
    assert outputs.shape == (3, 6, info.vocabulary or info.features)
    assert outputs.dtype == jnp.float32 and jnp.isfinite(outputs).all()
    alone = net(jax.tree.map(lambda x: x[1:2, :4], data))
    np.testing.assert_allclose(outputs[1, :4], alone[0], atol=1e-6)


@pytest.mark.parametrize("step", [0, 3, 5])
def test_no_step_sees_a_later_one(step):
    net, data = model(residual=True), batch(lengths=(6, 6, 6))
    seen = jax.grad(lambda x: net(data._replace(inputs=x))[:, step].sum())(data.inputs)
    assert seen[:, : step + 1].any((0, 2)).all() and not seen[:, step + 1 :].any()


@pytest.mark.parametrize("info", INFOS.values(), ids=INFOS)
@pytest.mark.parametrize("cell", [GRUCell, LSTMCell])
def test_pieces_give_what_the_whole_gives(cell, info):
    net, data = model(info, cell), batch(info)
    carry, parts = net.initial_carry(3), []
    for start, end in ((0, 1), (1, 4), (4, 6)):
        logits, carry = net.run(data.inputs[:, start:end], data.mask[:, start:end], carry, None)
        parts.append(logits)
    np.testing.assert_allclose(jnp.concatenate(parts, 1), net(data), atol=1e-6)


def test_the_recurrence_is_what_the_layers_read():
    for info in INFOS.values():
        net, data = model(info), batch(info)
        layers, x, mask = net.recurrence(data)
        y, _ = layers(x, mask=mask)
        np.testing.assert_allclose(net.head(y), net(data), atol=1e-6)


def test_a_tied_embedding_is_the_output_matrix():
    net, data = model(TOKENS, tied=True, embedding=8), batch(TOKENS)
    y, _ = net.layers(net.embedding(data.inputs), mask=data.mask)
    expected = y @ net.embedding.table[...].T + net.bias[...][None, None, :]
    np.testing.assert_allclose(net(data), expected, atol=1e-5)
    own = model(TOKENS, embedding=8)
    numbers = [sum(x.size for x in jax.tree.leaves(nnx.state(each, nnx.Param))) for each in (own, net)]
    assert numbers[0] - numbers[1] == 8 * 11
    follows = nnx.state(model(TOKENS, tied=True, embedding=None), nnx.Param)
    assert sum(x.size for x in jax.tree.leaves(follows)) == numbers[1]


def test_dropout_is_a_function_of_the_key_and_leaves_frames_alone():
    data, key = batch(), jax.random.key(1)
    net = model(dropout=0.5)
    np.testing.assert_array_equal(net(data, key=key), net(data, key=key))
    assert not np.allclose(net(data, key=key), net(data, key=jax.random.key(2)))
    assert not np.allclose(net(data, key=key), net(data))


def test_dropout_leaves_frames_whole():
    net, data = model(dropout=0.9, depth=1), batch(lengths=(6, 6, 6))
    seen = jax.grad(lambda x: net(data._replace(inputs=x), key=jax.random.key(1)).sum())(data.inputs)
    assert (seen[:, 0] != 0).all()
    assert not np.allclose(net(data, key=jax.random.key(1)), net(data))  # what the head reads is dropped


@pytest.mark.parametrize("info", INFOS.values(), ids=INFOS)
def test_bfloat16_gives_float32_logits_near_those_of_float32(info):
    options = {"tied": bool(info.vocabulary), "embedding": 8}
    half = model(info, dtype="bfloat16", **options)(batch(info))
    assert half.dtype == jnp.float32
    np.testing.assert_allclose(half, model(info, **options)(batch(info)), atol=0.1)


def test_it_learns_to_repeat_what_was_two_steps_ago():
    random = np.random.default_rng(0)
    first_two = (random.random((64, 2, 3)) < 0.5).astype(np.float32)
    frames = np.tile(first_two, (1, 4, 1))[:, :7]
    mask = np.ones((64, 6), bool)
    data = Batch(*map(jnp.asarray, (frames[:, :-1], mask, frames[:, 1:], mask)))
    task = Polyphony(info=FRAMES, selection="nll")
    graph, state = nnx.split(model(depth=1))
    state = fitted(graph, state, task, data, steps=300, learning_rate=0.03)
    scores = task.summarise(task.metrics(nnx.merge(graph, state)(data), data))
    # Of the six frames foretold, the second of the two is a fair coin for each of three notes: that much must remain.
    assert 3 * np.log(2) / 6 - 0.1 < scores["nll"] < 3 * np.log(2) / 6 + 0.1


def test_what_does_not_fit_together_is_refused():
    with pytest.raises(UsageError, match="gives neither"):
        model(Info(name="odd", task="classification"))
    with pytest.raises(UsageError, match="float features"):
        model(FRAMES, tied=True)
    with pytest.raises(UsageError, match=r"model\.embedding=6 and model\.features=8 must be equal"):
        model(TOKENS, tied=True)
