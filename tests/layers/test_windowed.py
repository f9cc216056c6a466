"""What layers with a window promise beyond conformance: their own sums, reach, positions, directions and any mask."""

import functools
import importlib
import inspect
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from support import ARCHS, CELLS, arch, arch_node, evaluate, formula, layer, lengths_mask, randomise

from grux.errors import UsageError
from grux.interop import to_torch
from grux.layers.hybrid import Hybrid
from grux.layers.recurrent import Bidirectional
from grux.layers.self_attention import SelfAttention, turned
from grux.layers.tcn import TCN
from grux.layers.transformer import Transformer

B, T, D, H = 2, 9, 5, 7
OTHERS = [name for name in ARCHS if name not in CELLS]
KINDS = {
    "attention": lambda **options: SelfAttention(**{"heads": 2, "context": 4, "rngs": nnx.Rngs(0), **options}),
    "transformer": lambda **options: Transformer(
        **{"heads": 2, "context": 4, "expansion": 2, "rngs": nnx.Rngs(0), **options}
    ),
    "tcn": lambda **options: TCN(**{"levels": 2, "kernel": 3, "rngs": nnx.Rngs(0), **options}),
}


@functools.cache
def _made(kind, **options):
    return nnx.split(jax.jit(lambda: randomise(KINDS[kind](**options), 1))())


def make(kind, in_features=D, features=H, **options):
    """A layer with random parameters, biases too."""
    return nnx.merge(*_made(kind, in_features=in_features, features=features, **options))


def x_of(width=D, steps=T, seed=0):
    return jax.random.normal(jax.random.key(seed), (B, steps, width))


@functools.partial(jax.jit, static_argnums=0)
def _run(graph, params, x, mask, carry, key):
    return nnx.merge(graph, params)(x, mask=mask, carry=carry, key=key)


def run(f, x, mask=None, carry=None, key=None):
    """One compiled call."""
    return _run(*nnx.split(f), x, mask, carry, key)


def close(a, b, atol=1e-5):
    jax.tree.map(lambda u, v: np.testing.assert_allclose(u, v, atol=atol), a, b)


def affine(linear, x):
    return x @ np.asarray(linear.kernel[...]) + np.asarray(linear.bias[...])


def normed(norm, x):
    x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    return x * np.asarray(norm.scale[...]) + np.asarray(norm.bias[...])


def plain_attention(f, x):
    """One row [T, D], written as slowly as possible; positions from the first step of the row."""
    u = x if f.widen is None else affine(f.widen, x)
    q, k, v = (affine(m, normed(f.norm, u)) for m in (f.query, f.key, f.value))
    read = np.zeros_like(q)
    width = f.head_features
    for head in range(f.heads):
        part = slice(head * width, (head + 1) * width)

        def pair_turned(vector, position):
            pairs = vector[: width // 2] + 1j * vector[width // 2 :]
            pairs = pairs * np.exp(1j * position * 10_000.0 ** (-2 * np.arange(width // 2) / width))
            return np.concatenate([pairs.real, pairs.imag])

        for t in range(len(x)):
            window = range(max(0, t - f.context + 1), t + 1)
            scores = [pair_turned(q[t, part], t) @ pair_turned(k[s, part], s) / np.sqrt(width) for s in window]
            weights = np.exp(scores) / np.exp(scores).sum()
            read[t, part] = sum(w * v[s, part] for w, s in zip(weights, window, strict=True))
    return u + affine(f.output, read)


@pytest.mark.parametrize("in_features", [D, H])
@pytest.mark.parametrize(("heads", "context"), [(2, 4), (3, 1), (1, 100)])
def test_attention_equals_a_loop_over_heads_and_steps(in_features, heads, context):
    f = make("attention", in_features, heads=heads, context=context)
    y, carry = run(f, x_of(in_features))
    for row in range(B):
        np.testing.assert_allclose(y[row], plain_attention(f, np.asarray(x_of(in_features)[row])), atol=1e-5)
    assert carry.keys.shape == (B, context - 1, f.heads * f.head_features)
    np.testing.assert_array_equal(carry.filled, min(T, context - 1))


def test_a_transformer_is_attention_and_a_feed_forward_network():
    f = make("transformer")
    h = np.stack([plain_attention(f.attention, np.asarray(row)) for row in x_of()])
    inside = np.asarray(jax.nn.gelu(jnp.asarray(affine(f.up, normed(f.norm, h)))))
    np.testing.assert_allclose(run(f, x_of())[0], h + affine(f.down, inside), atol=1e-4)


def test_scores_of_turned_vectors_know_their_distance_alone():
    q, k = (jax.random.normal(jax.random.key(seed), (1, 1, 1, 8)) for seed in (0, 1))

    def score(t, s):
        return float((turned(q, jnp.array([t])) * turned(k, jnp.array([s]))).sum())

    assert abs(score(7, 3) - score(104, 100)) < 1e-4
    assert abs(score(7, 3) - score(7, 5)) > 1e-2
    np.testing.assert_allclose(turned(q, jnp.array([0])), q, atol=1e-7)


def test_a_stream_is_the_same_however_long_it_has_been():
    """After its window has passed, nothing of a step depends on how many came before."""
    f = make("attention")
    late = f.initial_carry(B)
    for seed in range(5):
        _, late = run(f, x_of(seed=seed), carry=late)
    _, early = run(f, x_of(seed=4))
    close(run(f, x_of(seed=9), carry=late), run(f, x_of(seed=9), carry=early))


def plain_tcn(f, x):
    """One row [T, D] by the sums of the definition."""
    for block in f.blocks:
        y = x
        for convolution in block.convolutions:
            taps = np.asarray(convolution.kernel[...]).reshape(convolution.taps, y.shape[1], -1)[::-1]
            found = np.zeros((len(y), taps.shape[2]))
            for t in range(len(y)):
                found[t] = np.asarray(convolution.bias[...])
                for j, w in enumerate(taps):
                    past = t - j * convolution.dilation
                    found[t] += y[past] @ w if past >= 0 else 0
            y = np.maximum(found, 0)
        x = np.maximum(y + (x if block.widen is None else affine(block.widen, x)), 0)
    return x


@pytest.mark.parametrize(("in_features", "levels", "kernel"), [(D, 2, 3), (H, 3, 2), (D, 1, 1)])
def test_a_tcn_equals_explicit_sums(in_features, levels, kernel):
    f = make("tcn", in_features, levels=levels, kernel=kernel)
    y, carry = run(f, x_of(in_features))
    for row in range(B):
        np.testing.assert_allclose(y[row], plain_tcn(f, np.asarray(x_of(in_features)[row])), rtol=1e-4, atol=1e-4)
    assert [c.shape[1] for c in carry] == [(kernel - 1) * 2**level for level in range(levels) for _ in range(2)]


@pytest.mark.parametrize(
    ("f", "reach"),
    [
        (("attention", {"context": 4}), 4),
        (("transformer", {"context": 1}), 1),
        (("tcn", {"levels": 3, "kernel": 2}), 1 + 2 * 1 * 7),
        (("tcn", {"levels": 2, "kernel": 3}), 1 + 2 * 2 * 3),
    ],
)
def test_the_receptive_field_is_exactly_as_stated(f, reach):
    steps, f = reach + 3, make(f[0], **f[1])
    graph, params = nnx.split(f)
    if isinstance(f, TCN):
        params = jax.tree.map(jnp.abs, params)  # no unit of a ReLU is off
    influence = jax.jit(jax.grad(lambda x: nnx.merge(graph, params)(x)[0][:, -1, 0].sum()))(jnp.abs(x_of(steps=steps)))
    seen = np.abs(np.asarray(influence)).sum((0, 2)) > 0
    np.testing.assert_array_equal(seen, np.arange(steps) >= steps - reach)
    if isinstance(f, TCN):
        assert f.receptive_field == reach


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("reverse", [False, True])
def test_any_mask_and_either_direction_is_the_real_steps_alone(kind, reverse):
    f = make(kind, reverse=reverse)
    mask = np.array([[0, 1, 1, 0, 0, 1, 1, 1, 0], [1, 0, 0, 0, 0, 0, 0, 0, 1]], bool)
    _, before = run(f, x_of(seed=5))
    y, carry = run(f, x_of(), mask=jnp.asarray(mask), carry=before)
    for row in range(B):
        kept = np.flatnonzero(mask[row])
        start = jax.tree.map(lambda c, r=row: c[r : r + 1], before)
        alone_y, alone_carry = run(f, x_of()[row : row + 1, kept], carry=start)
        close(y[row, kept], alone_y[0])
        close(jax.tree.map(lambda c, r=row: c[r : r + 1], carry), alone_carry)
        assert not y[row][~mask[row]].any()
    nothing, same = run(f, x_of(), mask=jnp.zeros((B, T), bool), carry=before)
    close(same, before, atol=0)
    assert not nothing.any()


@pytest.mark.parametrize("name", OTHERS)
def test_reverse_is_the_reversed_sequence(name):
    forward, backward = layer(name), randomise(arch(name)(in_features=5, features=7, reverse=True, rngs=nnx.Rngs(0)), 0)
    x = x_of(5)
    y, carry = run(forward, x[:, ::-1])
    close(run(backward, x), (y[:, ::-1], carry))
    both = randomise(Bidirectional(layer=arch(name), in_features=5, features=8, rngs=nnx.Rngs(0)), 1)
    y, _ = run(both, x, mask=lengths_mask([9, 4], T))
    alone, _ = run(both, x[1:, :4])
    close(y[1, :4], alone[0])


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_reach_the_first_step_through_a_carry(kind):
    """Two chunks, differentiated as one."""
    f = make(kind)

    def cut(x):
        y, carry = run(f, x[:, :6])
        return (y**2).sum() + (run(f, x[:, 6:], carry=carry)[0] ** 2).sum()

    whole = jax.grad(lambda x: (run(f, x)[0] ** 2).sum())
    close(jax.jit(jax.grad(cut))(x_of()), jax.jit(whole)(x_of()), atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_dropout_follows_the_key_and_the_rate(kind):
    f = make(kind, dropout=0.5)
    one, again, other = (run(f, x_of(), key=jax.random.key(k))[0] for k in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert not np.allclose(one, other) and not np.allclose(one, run(f, x_of())[0])
    close(run(f, x_of())[0], run(make(kind), x_of(), key=jax.random.key(1))[0])


def test_dropout_of_a_tcn_takes_whole_channels():
    f = make("tcn", H, levels=1, dropout=0.5)
    f.blocks[0].convolutions[1].bias[...] = jnp.full(H, 100.0)  # every channel is far above zero unless it is dropped
    y = np.asarray(run(f, x_of(H), key=jax.random.key(0))[0])
    low = y < 50
    assert 0 < low.sum() < low.size and (low.all(1) == low.any(1)).all()


def test_widths_that_heads_do_not_divide_get_wider_heads():
    for features, width in ((1, 2), (7, 2), (8, 2), (9, 4), (64, 16)):
        shapes = nnx.eval_shape(lambda n=features: KINDS["attention"](in_features=D, features=n, heads=4))
        assert shapes.head_features == width


@pytest.mark.parametrize(("in_features", "own"), [(D, 0), (H, 1)])
def test_parameters_are_those_of_the_docstrings(in_features, own):
    def count(f):
        return sum(x.size for x in jax.tree.leaves(nnx.state(f, nnx.Param)))

    names = {"D": in_features, "H": H, "A": 8, "F": 14, "K": 3, "M": 1}
    without = own * (in_features * H + H)  # the map of x is there where widths differ
    texts = {kind: formula(inspect.getmodule(type(make(kind))).__doc__ or "") for kind in KINDS}
    assert count(make("attention", in_features)) == evaluate(texts["attention"], **names) - without
    whole = evaluate(texts["transformer"], **names, attention=evaluate(texts["attention"], **names))
    assert count(make("transformer", in_features)) == whole - without
    assert count(make("tcn", in_features)) == evaluate(texts["tcn"], **names) - without


@pytest.mark.parametrize("name", OTHERS)
def test_files_of_layers_open_with_equations_and_a_paper(name):
    nodes = arch_node(name).get("layers", [arch_node(name)])
    for module in {node["_target_"].rpartition(".")[0] for node in nodes if "cell" not in node}:
        text = importlib.import_module(module).__doc__ or ""
        assert re.search(r"\b(19|20)\d\d[ ,(]+arXiv", text) and re.search(r"^ +\w+ +=", text, re.MULTILINE)


@pytest.mark.parametrize("name", OTHERS)
def test_what_does_not_fit_is_refused(name):
    f = layer(name)
    with pytest.raises(UsageError, match=r"x has the shape \[2, 9, 6\] and the (layer|cell) takes \[batch, time, 5\]"):
        f(x_of(6))
    with pytest.raises(UsageError, match="Weights go in and out of Recurrent"):
        to_torch(f)


def test_a_carry_of_another_layer_is_refused():
    with pytest.raises(UsageError, match=r"the carry has arrays of shape \[\[2, 3, 8\]"):
        make("attention", context=9)(x_of(), carry=make("attention", context=4).initial_carry(B))


def test_a_hybrid_is_its_layers_in_turn_and_needs_one():
    f = layer("gru_attention")
    below, first = run(f.layers[0], x_of())
    above, second = run(f.layers[1], below)
    close(run(f, x_of()), (above, (first, second)))
    with pytest.raises(UsageError, match="layers of a hybrid is empty"):
        Hybrid(layers=[], in_features=2, features=2, rngs=nnx.Rngs(0))
