"""Directions, depth, residual connections and dropout."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from support import arch, lengths_mask, randomise

from grux.engine.run import run
from grux.errors import UsageError
from grux.layers.dropout import dropout
from grux.layers.recurrent import Bidirectional
from grux.layers.stack import Stack


def stack(**options):
    options = {"layer": arch("gru"), "in_features": 4, "features": 6, **options}
    return randomise(Stack(rngs=nnx.Rngs(0), **options), 1)


def test_the_backward_half_reads_each_row_from_its_own_end():
    f = randomise(Bidirectional(layer=arch("lstm"), in_features=3, features=8, rngs=nnx.Rngs(0)), 1)
    x = jax.random.normal(jax.random.key(0), (2, 5, 3))
    y, _ = f(x, mask=lengths_mask([5, 3], 5))
    flipped, _ = run(f.backward.cell, x[1:, :3][:, ::-1])
    np.testing.assert_allclose(y[1, :3, 4:], flipped[0, ::-1], atol=1e-6)
    assert y.shape == (2, 5, 8)


def test_odd_width_for_two_directions_is_refused():
    with pytest.raises(UsageError, match="features=7 of a bidirectional layer"):
        Bidirectional(layer=arch("gru"), in_features=3, features=7, rngs=nnx.Rngs(0))


def test_depth_is_the_layers_in_turn():
    f = stack(depth=3)
    x = jax.random.normal(jax.random.key(0), (2, 5, 4))
    y, carries = f(x)
    z = x
    for layer, carry in zip(f.layers, carries, strict=True):
        z, last = layer(z)
        np.testing.assert_allclose(last[0], carry[0], atol=1e-6)
    np.testing.assert_allclose(y, z, atol=1e-6)


def test_residual_adds_where_widths_agree():
    f = stack(depth=2, residual=True)
    x = jax.random.normal(jax.random.key(0), (2, 5, 4))
    first, _ = f.layers[0](x)  # 4 -> 6: nothing to add
    second, _ = f.layers[1](first)
    np.testing.assert_allclose(f(x)[0], first + second, atol=1e-6)


def test_dropout_falls_between_layers_only_and_follows_the_key():
    x = jax.random.normal(jax.random.key(0), (2, 5, 4))
    deep = stack(depth=2, dropout=0.5)
    np.testing.assert_array_equal(deep(x)[0], deep(x)[0])
    a, b = (deep(x, key=jax.random.key(k))[0] for k in (1, 2))
    assert not np.allclose(a, b)
    np.testing.assert_array_equal(a, deep(x, key=jax.random.key(1))[0])
    shallow = stack(depth=1, dropout=0.5)
    np.testing.assert_array_equal(shallow(x, key=jax.random.key(1))[0], shallow(x)[0])


def test_dropout_keeps_the_mean_and_the_type():
    x = jnp.ones((200, 200), jnp.bfloat16)
    y = dropout(x, 0.25, jax.random.key(0))
    assert y.dtype == jnp.bfloat16
    assert abs(float(y.astype(jnp.float32).mean()) - 1) < 0.02
    values = np.unique(np.asarray(y.astype(jnp.float32)))
    np.testing.assert_allclose(values, [0.0, 4 / 3], rtol=4e-3)  # bfloat16 rounds 4/3
    assert dropout(x, 0.25, None) is x


def test_a_learned_initial_state_is_where_the_first_step_starts():
    learned = functools.partial(arch("lstm"), initial_state="learned")
    f = randomise(learned(in_features=3, features=4, rngs=nnx.Rngs(0)), 1)
    x = jax.random.normal(jax.random.key(0), (2, 5, 3))
    carry = f.initial_carry(2)
    for array, initial in zip(carry, f.initial, strict=True):
        np.testing.assert_array_equal(array, np.stack([initial[...]] * 2))
        assert np.abs(array).min() > 0
    np.testing.assert_array_equal(f(x)[0], run(f.cell, x, carry=carry)[0])
    graph, params = nnx.split(f)
    gradient = jax.grad(lambda p: (nnx.merge(graph, p)(x)[0] ** 2).sum())(params)
    assert all(np.abs(g).max() > 0 for g in jax.tree.leaves(gradient["initial"]))


def test_both_directions_and_all_layers_learn_their_own_start():
    f = stack(layer=functools.partial(arch("gru"), initial_state="learned"), depth=2, bidirectional=True)
    starts = [np.asarray(c[0][0]) for pair in f.initial_carry(3) for c in pair]
    assert len(starts) == 4 and len({tuple(s) for s in starts}) == 4
    assert f(jnp.ones((3, 2, 4)))[0].shape == (3, 2, 6)
