"""The CTC model: the greedy text, in pieces as in one go, no look ahead, and that it learns to write."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from support import fitted, randomise

from grux.batch import Batch, Info
from grux.cells.gru import GRUCell
from grux.errors import UsageError
from grux.layers.recurrent import Recurrent
from grux.models.ctc import CTC, best_path
from grux.tasks.transcription import Transcription

INFO = Info(name="toy", task="transcription", features=3, target_vocabulary=4 + 2)


def model(info=INFO, seed=0, **options):
    defaults = dict(features=8, depth=1, bidirectional=False, residual=False, dropout=0.0, dtype="float32")
    layer = functools.partial(Recurrent, cell=GRUCell)
    return randomise(CTC(info=info, layer=layer, **{**defaults, **options}, rngs=nnx.Rngs(seed)), seed)


def batch(lengths=(6, 4, 0), seed=0):
    mask = np.arange(6)[None, :] < np.array(lengths)[:, None]
    inputs = np.random.default_rng(seed).normal(size=(*mask.shape, 3)).astype(np.float32) * mask[..., None]
    targets = np.full((len(lengths), 2), 4, np.int32)
    return Batch(*map(jnp.asarray, (inputs, mask, targets, targets > 0)))


def scores(*paths):
    """Logits [B, T, 3] whose likeliest path is the one given."""
    return jax.nn.one_hot(jnp.array(paths), 3)


def test_a_path_collapses_to_its_text():
    paths = ([1, 1, 0, 1, 2, 2], [0, 0, 0, 0, 0, 0], [2, 1, 2, 0, 2, 2], [1, 0, 0, 1, 1, 0])
    mask = jnp.array([[True] * 6, [True] * 6, [True] * 6, [True, True, False, False, False, False]])
    got = best_path(scores(*paths), mask, 4)
    # Tokens are classes and three: 4 stands for class 1.
    assert got.tolist() == [[4, 4, 5, 0], [0, 0, 0, 0], [5, 4, 5, 5], [4, 0, 0, 0]]
    assert best_path(scores(*paths), mask, 2).tolist() == [[4, 4], [0, 0], [5, 4], [4, 0]]


def test_decoding_reads_no_target():
    net, data = model(), batch()
    got = net.decode(data, 6)
    assert got.tolist() == net.decode(data._replace(targets=data.targets * 0), 6).tolist()
    assert got.tolist() == best_path(net(data), data.mask, 6).tolist() and not got[2].any()


def test_shapes_and_rows_alone():
    net, data = model(dtype="float32"), batch()
    outputs = net(data)
    assert outputs.shape == (3, 6, 3) and outputs.dtype == jnp.float32
    np.testing.assert_allclose(outputs[1, :4], net(jax.tree.map(lambda x: x[1:2, :4], data))[0], atol=1e-6)


def test_pieces_give_what_the_whole_gives():
    net, data = model(depth=2), batch()
    carry, parts = net.initial_carry(3), []
    for start, end in ((0, 1), (1, 4), (4, 6)):
        logits, carry = net.run(data.inputs[:, start:end], data.mask[:, start:end], carry, None)
        parts.append(logits)
    np.testing.assert_allclose(jnp.concatenate(parts, 1), net(data), atol=1e-6)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_only_both_directions_hear_what_comes(bidirectional):
    net, data = model(bidirectional=bidirectional), batch((6, 6, 6))
    heard = jax.grad(lambda x: net(data._replace(inputs=x))[:, 2].sum())(data.inputs)
    assert heard[:, :3].any((0, 2)).all() and bool(heard[:, 3:].any()) == bidirectional


def test_dropout_is_a_function_of_the_key():
    net, data, key = model(dropout=0.5), batch(), jax.random.key(1)
    np.testing.assert_array_equal(net(data, key=key), net(data, key=key))
    assert not np.allclose(net(data, key=key), net(data))


def test_it_learns_to_write_what_it_hears():
    """Each of two sounds lasts one or two steps, with or without silence between: no time is told, only the text."""
    random = np.random.default_rng(0)
    inputs, targets, lengths = np.zeros((48, 12, 3), np.float32), np.zeros((48, 3), np.int32), []
    for row in range(48):
        said, step = random.integers(0, 2, 3), 0
        for each in said:
            step += 1  # silence
            for _ in range(random.integers(1, 3)):
                inputs[row, step, each] = 1.0
                step += 1
        targets[row] = said + 4
        lengths.append(step)
    mask = np.arange(12)[None, :] < np.array(lengths)[:, None]
    data = Batch(*map(jnp.asarray, (inputs, mask, targets, targets > 0)))
    graph, state = nnx.split(model())
    state = fitted(graph, state, Transcription(info=INFO, selection="ler"), data, steps=250, learning_rate=0.03)
    written = nnx.merge(graph, state).decode(data, 12)
    assert (written[:, :3] == data.targets).all(1).mean() > 0.95 and not written[:, 3:].any(1).mean() > 0.05


def test_other_data_are_refused():
    with pytest.raises(UsageError, match="model=ctc needs float features and texts to write, and data=odd"):
        model(Info(name="odd", task="classification", features=3))
