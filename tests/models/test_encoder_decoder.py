"""The encoder-decoder: causality, padding, decoding that agrees with teacher forcing, and that it learns to reverse."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from support import arch, fitted

from grux.batch import BOS, EOS, PAD, Batch, Info
from grux.cells.elman import ElmanCell
from grux.cells.gru import GRUCell
from grux.cells.gru_reset_before import GRUResetBeforeCell
from grux.cells.lstm import LSTMCell
from grux.errors import UsageError
from grux.layers.recurrent import Recurrent
from grux.models.decode import best, greedy
from grux.models.encoder_decoder import EncoderDecoder
from grux.tasks.translation import Translation

INFO = Info(name="toy", task="translation", vocabulary=12, target_vocabulary=10, max_target_length=6)
JOINT = Info(name="toy", task="translation", vocabulary=12, target_vocabulary=12, max_target_length=6)
KINDS = ["none", "bahdanau", "luong", "luong_dot", "luong_concat", "luong+feeding", "bahdanau+feeding"]
WINDOWED = ["transformer", "tcn", "gru_attention"]


def model(info=INFO, cell=GRUCell, seed=0, layer=None, **options):
    defaults = dict(
        embedding=8,
        features=8,
        depth=1,
        bidirectional=False,
        residual=False,
        attention="luong",
        dropout=0.0,
        tied=False,
        share_embeddings=False,
        dtype="float32",
    )
    layer = layer or functools.partial(Recurrent, cell=cell)
    options = {**defaults, **options}
    options["attention"], _, feeding = options["attention"].partition("+")
    options["input_feeding"] = bool(feeding)
    return EncoderDecoder(info=info, layer=layer, **options, rngs=nnx.Rngs(jax.random.key(seed)))


def awake(net, seed=0):
    """The same model with random weights everywhere, so that biases and gates are at work and decoding varies."""
    graph, state = nnx.split(net)
    random = np.random.default_rng(seed)
    state = jax.tree.map(lambda p: jnp.asarray(random.normal(size=p.shape), p.dtype), state)
    return nnx.merge(graph, state)


def batch(lengths=(5, 3, 0), steps=5, target_steps=6, seed=0):
    random = np.random.default_rng(seed)
    rows = len(lengths)
    mask = np.arange(steps)[None, :] < np.array(lengths)[:, None]
    inputs = np.where(mask, random.integers(4, 12, (rows, steps)), PAD).astype(np.int32)
    targets = random.integers(4, 10, (rows, target_steps)).astype(np.int32)
    return Batch(*map(jnp.asarray, (inputs, mask, targets, np.broadcast_to(mask[:, :1], targets.shape))))


@functools.partial(jax.jit, static_argnums=0)
def _call(graph, state, data, key):
    return nnx.merge(graph, state)(data, key=key)


@functools.partial(jax.jit, static_argnums=(0, 3))
def _decode(graph, state, data, max_length):
    return nnx.merge(graph, state).decode(data, max_length)


def call(net, data, key=None):
    return _call(*nnx.split(net), data, key)


def decode(net, data, max_length):
    return _decode(*nnx.split(net), data, max_length)


@pytest.mark.parametrize("kind", KINDS)
def test_padding_changes_nothing_and_filler_rows_are_finite(kind):
    net, data = awake(model(attention=kind, bidirectional=True)), batch()
    wide = data._replace(
        inputs=jnp.pad(data.inputs, ((0, 0), (0, 3)), constant_values=7), mask=jnp.pad(data.mask, ((0, 0), (0, 3)))
    )
    logits = call(net, data)
    assert logits.shape == (3, 6, 10) and logits.dtype == jnp.float32 and jnp.isfinite(logits).all()
    np.testing.assert_allclose(logits, call(net, wide), atol=1e-5)
    alone = Batch(data.inputs[1:2, :3], jnp.ones((1, 3), bool), data.targets[1:2], data.target_mask[1:2])
    np.testing.assert_allclose(logits[1:2], call(net, alone), atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_finite_with_filler_rows(kind):
    net, data = model(attention=kind, bidirectional=True), batch()
    graph, state = nnx.split(net)
    task = Translation(info=INFO, label_smoothing=0.1, selection="loss")
    gradient = jax.jit(jax.grad(lambda s: task.loss(nnx.merge(graph, s)(data), data)[0]))(state)
    for path, leaf in jax.tree.leaves_with_path(gradient):
        assert jnp.isfinite(leaf).all(), path
        assert leaf.any(), path  # every parameter takes part


@pytest.mark.parametrize("kind", KINDS)
def test_position_i_reads_targets_before_i_only(kind):
    data = batch(lengths=(5,))._replace(targets=jnp.array([[4, 5, 6, 7, 8, 9]]))
    inputs = np.array([BOS, 4, 5, 6, 7, 8])  # all different, so a row of the table is one position
    graph, table, rest = nnx.split(awake(model(attention=kind)), lambda path, _: "target_embedding" in path, ...)
    jacobian = jax.jit(jax.jacobian(lambda table: nnx.merge(graph, table, rest)(data)[0]))(table)
    (leaf,) = jax.tree.leaves(jacobian)  # [step, V of the logits, V of the table, E]
    dependence = np.asarray(leaf != 0).any((1, 3))[:, inputs]
    np.testing.assert_array_equal(dependence, np.tril(np.ones((6, 6), bool)))


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_input_is_bos_and_the_last_target_is_not_read(kind):
    net, data = awake(model(attention=kind)), batch()
    last = data._replace(targets=data.targets.at[:, -1].set(5))
    np.testing.assert_array_equal(call(net, data), call(net, last))
    encoded, carry = net.encode(data.inputs, data.mask)
    first, _, _ = net.attend(encoded, carry, jnp.full((3, 1), BOS))
    np.testing.assert_allclose(call(net, data)[:, :1], first, atol=1e-5)


CASES = [
    ("none", GRUCell, {}),
    ("bahdanau", GRUCell, {"bidirectional": True}),
    ("luong", GRUCell, {"tied": True}),
    ("luong_dot", GRUCell, {}),
    ("none", LSTMCell, {"depth": 2, "bidirectional": True, "residual": True}),
    ("bahdanau", LSTMCell, {"depth": 2, "residual": True}),
    ("luong", LSTMCell, {"depth": 2, "bidirectional": True}),
    ("bahdanau", GRUResetBeforeCell, {}),
    ("luong", ElmanCell, {"depth": 2}),
    ("luong_concat+feeding", LSTMCell, {"depth": 2, "bidirectional": True}),
]


@pytest.mark.parametrize("kind, cell, options", CASES)
def test_decoding_agrees_with_teacher_forcing_on_what_it_wrote(kind, cell, options):
    net = awake(model(attention=kind, cell=cell, **options), seed=3)
    data = batch(lengths=(5, 3, 4, 1, 2, 5, 0))
    written = decode(net, data, 9)
    assert written.shape == (7, 9) and written.dtype == jnp.int32
    told = best(call(net, data._replace(targets=written, target_mask=written != PAD)))
    real = np.asarray(written) != PAD
    np.testing.assert_array_equal(np.asarray(told)[real], np.asarray(written)[real])
    assert real[:6, 0].all() and not real[6].any()
    for row in np.asarray(written):
        if EOS in row:
            assert (row[list(row).index(EOS) + 1 :] == PAD).all()


def test_decoding_reads_no_targets():
    net, data = awake(model()), batch()
    other = data._replace(targets=jnp.zeros_like(data.targets), target_mask=jnp.zeros_like(data.target_mask))
    np.testing.assert_array_equal(decode(net, data, 7), decode(net, other, 7))


def test_greedy_stops_when_all_rows_have_ended():
    def step(steps, token):  # row r ends after r + 1 tokens
        ended = jnp.arange(3) <= steps
        return steps + 1, jnp.where(ended[:, None], jax.nn.one_hot(EOS, 6)[None], jax.nn.one_hot(5, 6)[None])

    calls = []

    def counted(steps, token):
        jax.debug.callback(lambda _: calls.append(1), steps)
        return step(steps, token)

    tokens = greedy(counted, jnp.int32(0), live=jnp.array([True, True, False]), max_length=50)
    jax.effects_barrier()
    np.testing.assert_array_equal(tokens[:, :3], [[EOS, PAD, PAD], [5, EOS, PAD], [PAD, PAD, PAD]])
    assert len(calls) == 2


def test_pad_and_bos_are_never_written():
    assert int(best(jnp.array([9.0, 1.0, 8.0, 2.0]))) == EOS


def test_dropout_is_a_function_of_the_key():
    data, key = batch(), jax.random.key(1)
    for kind in ("bahdanau", "luong", "luong+feeding"):
        net = model(attention=kind, dropout=0.5, depth=2)
        np.testing.assert_array_equal(call(net, data, key), call(net, data, key))
        assert not np.allclose(call(net, data, key), call(net, data, jax.random.key(2)))
        assert not np.allclose(call(net, data, key), call(net, data))
        np.testing.assert_array_equal(call(net, data), call(model(attention=kind, depth=2), data))


@pytest.mark.parametrize("kind", ["bahdanau", "luong"])
def test_dropout_reaches_between_the_layers_of_the_decoder(kind):
    net, data = model(attention=kind, dropout=0.5, depth=2), batch()
    net.dropout = net.encoder.dropout = 0.0
    assert not np.allclose(call(net, data, jax.random.key(1)), call(net, data))


def test_bfloat16_gives_float32_logits_near_those_of_float32():
    for kind in ("bahdanau", "luong", "luong+feeding"):
        half = call(model(attention=kind, dtype="bfloat16"), batch())
        assert half.dtype == jnp.float32
        np.testing.assert_allclose(half, call(model(attention=kind), batch()), atol=0.05)


def test_tied_and_shared_weights_are_one_array():
    own = nnx.state(model(info=JOINT))
    tied = nnx.state(model(info=JOINT, tied=True))
    shared = nnx.state(model(info=JOINT, tied=True, share_embeddings=True))
    follows = nnx.state(model(info=JOINT, tied=True, embedding=None))
    sizes = [sum(leaf.size for leaf in jax.tree.leaves(state)) for state in (own, tied, shared, follows)]
    assert sizes[3] == sizes[1]
    assert sizes[0] - sizes[1] == 12 * 8 + 12  # the output matrix and its bias
    assert sizes[1] - sizes[2] == 12 * 8
    assert call(model(info=JOINT, tied=True, share_embeddings=True), batch()).shape == (3, 6, 12)


def test_seeds_are_an_axis():
    graph, _ = nnx.split(model(attention="bahdanau", dropout=0.3))
    states = jax.vmap(lambda s: nnx.state(model(attention="bahdanau", dropout=0.3, seed=s)))(jnp.arange(2))
    keys, data = jax.random.split(jax.random.key(0), 2), batch()
    outputs = jax.jit(jax.vmap(lambda state, key: nnx.merge(graph, state)(data, key=key)))(states, keys)
    alone = call(model(attention="bahdanau", dropout=0.3, seed=1), data, keys[1])
    np.testing.assert_allclose(outputs[1], alone, atol=1e-5)
    tokens = jax.jit(jax.vmap(lambda state: nnx.merge(graph, state).decode(data, 7)))(states)
    np.testing.assert_array_equal(tokens[1], decode(model(attention="bahdanau", seed=1), data, 7))


@pytest.mark.parametrize("kind", ["bahdanau", "luong", "luong+feeding"])
def test_it_learns_to_reverse(kind):
    info = Info(name="toy", task="translation", vocabulary=8, target_vocabulary=8, max_target_length=5)
    inputs = np.random.default_rng(0).integers(4, 8, (128, 4)).astype(np.int32)
    targets = np.concatenate([inputs[:, ::-1], np.full((128, 1), EOS, np.int32)], axis=1)
    data = Batch(*map(jnp.asarray, (inputs, inputs > 0, targets, targets > 0)))
    task = Translation(info=info, label_smoothing=0.0, selection="loss")
    graph, state = nnx.split(model(info=info, attention=kind, embedding=16, features=32, bidirectional=True))
    state = fitted(graph, state, task, data, steps=250, learning_rate=0.01)
    written = decode(nnx.merge(graph, state), data, 5)
    assert (np.asarray(written) == targets).all(1).mean() > 0.95


@pytest.mark.parametrize(
    "options, message",
    [
        ({"tied": True, "embedding": 4}, "model.embedding=4"),
        ({"share_embeddings": True}, "12 source and 10 target"),
        ({"info": Info(name="sst2", task="classification", vocabulary=9, classes=("a", "b"))}, "target vocabulary"),
        ({"features": 9, "bidirectional": True}, "even"),
        ({"attention": "none+feeding"}, "model.attention=none reads nothing"),
    ],
)
def test_impossible_choices_are_refused(options, message):
    with pytest.raises(UsageError, match=message):
        model(**options)


@pytest.mark.parametrize(("kind", "bidirectional"), [("luong", False), ("luong", True), ("luong_concat+feeding", True)])
@pytest.mark.parametrize("name", WINDOWED)
def test_layers_with_a_window_decode_as_they_are_taught(name, kind, bidirectional):
    net = awake(model(layer=arch(name), attention=kind, bidirectional=bidirectional, depth=2))
    data = batch()
    written = decode(net, data, 6)
    logits = call(net, data._replace(targets=written, target_mask=written != PAD))
    taught = np.asarray(best(logits))
    for row in range(2):
        real = int(np.sum(np.asarray(written[row]) != PAD))
        assert real > 1
        np.testing.assert_array_equal(taught[row, :real], written[row, :real])


@pytest.mark.parametrize("name", WINDOWED)
@pytest.mark.parametrize("kind", ["none", "bahdanau"])
def test_layers_with_a_window_have_no_state_to_ask(kind, name):
    with pytest.raises(UsageError, match=f"model.attention={kind} reads the state .* choose model.attention=luong"):
        model(layer=arch(name), attention=kind)


def test_the_state_of_a_hybrid_crosses_the_bridge_and_its_window_starts_empty():
    net = awake(model(layer=arch("gru_attention")))
    _, (((state,), cache),) = net.encode(batch().inputs, batch().mask)
    assert np.abs(state).min() > 0 and not cache.filled.any() and not cache.keys.any()


@pytest.mark.parametrize("kind", ["luong", "bahdanau"])
def test_input_feeding_gives_the_attentional_vector_to_the_next_step(kind):
    """Step by step by hand: h of a step, zero before the first, stands behind what else the decoder reads."""
    net, data = awake(model(attention=f"{kind}+feeding")), batch(lengths=(5, 3))
    encoded, (states, fed) = net.encode(data.inputs, data.mask)
    assert not fed.any()
    for step, token in enumerate([jnp.full((2, 1), BOS), *(data.targets[:, i : i + 1] for i in range(5))]):
        x = net.target_embedding(token)
        if kind == "bahdanau":
            context, _ = net.attention(states[-1][0][:, None], encoded.keys, encoded.memory, encoded.mask)
            x = jnp.concatenate([x, context], -1)
        y, states = net.decoder(jnp.concatenate([x, fed[:, None]], -1), carry=states)
        if kind == "luong":
            context, _ = net.attention(y, encoded.keys, encoded.memory, encoded.mask)
        fed = jnp.tanh(net.combine(jnp.concatenate([y, context], -1)))[:, 0]
        np.testing.assert_allclose(call(net, data)[:, step], net.output(fed), atol=1e-4)
