"""Each strategy against `sequential`, and `sequential` against a plain loop and finite differences, in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.test_util import check_grads
from support import CELLS, arch, randomise

from grux.cells.base import GatedCell, Noise
from grux.engine.gated import dependencies
from grux.engine.run import run
from grux.errors import UsageError

B, T, D, H = 3, 6, 4, 5


def cell64(name):
    return randomise(arch(name)(in_features=D, features=H, rngs=nnx.Rngs(0)).cell, 1, dtype=jnp.float64)


SHAPES = {n: nnx.eval_shape(lambda n=n: arch(n)(in_features=D, features=H, rngs=nnx.Rngs(0))).cell for n in CELLS}
GATED = [name for name, cell in SHAPES.items() if isinstance(cell, GatedCell)]
# One of each kind of structure; the others differ from these in their equations alone.
KINDS = ["elman", "gru", "lstm", "indrnn", "lstm_fgr", "slstm", "mut2", "gru_layernorm"]
NOISY = [n for n in GATED if jax.eval_shape(lambda k, n=n: SHAPES[n].noise(k, T, B), jax.random.key(0)) != Noise()]


def inputs(cell, seed=0):
    """x, a mask with holes, and a carry as an earlier chunk leaves it: a normaliser, say, is never negative."""
    keys = jax.random.split(jax.random.key(seed), 3)
    x, before = (jax.random.normal(k, (B, T, D), jnp.float64) for k in keys[:2])
    mask = jax.random.bernoulli(keys[2], 0.6, (B, T))
    _, carry = run(cell, before, strategy="sequential")
    return x, mask, carry


def plain_loop(cell, x, mask, carry, reverse):
    """What the engine promises, written as slowly as possible: row by row, step by step."""
    step = jax.jit(lambda state, x: cell.step(state, cell.project(x)))
    y = np.zeros((B, T, H))
    last = [np.array(c) for c in carry]
    for b in range(B):
        state = tuple(c[b : b + 1] for c in carry)
        for t in reversed(range(T)) if reverse else range(T):
            if mask is None or mask[b, t]:
                state, out = step(state, x[b : b + 1, t])
                y[b, t] = out[0]
        for array, value in zip(last, state, strict=True):
            array[b] = value[0]
    return y, tuple(last)


PLAIN_AND_MASKED = [(name, masked) for name in CELLS for masked in (False, True) if masked or name in KINDS]


@pytest.mark.parametrize(("name", "masked"), PLAIN_AND_MASKED)
def test_equals_a_plain_loop(name, masked, float64):
    """The masked case runs backwards in time, too."""
    cell, reverse = cell64(name), masked
    x, mask, carry = inputs(cell)
    mask = mask if masked else None
    y, last = run(cell, x, mask=mask, carry=carry, reverse=reverse)
    expected_y, expected_last = plain_loop(cell, x, mask, carry, reverse)
    np.testing.assert_allclose(y, expected_y, atol=1e-12)
    for got, expected in zip(last, expected_last, strict=True):
        np.testing.assert_allclose(got, expected, atol=1e-12)


def value_and_gradients(cell, x, mask, carry, reverse, strategy, key=None):
    """A loss with a cotangent of its own on every output and on the final carry; gradients of everything."""
    graph, params = nnx.split(cell)

    def loss(params, x, carry):
        y, last = run(nnx.merge(graph, params), x, mask=mask, carry=carry, reverse=reverse, strategy=strategy, key=key)
        weigh = lambda a, f: (a * f(jnp.arange(a.size, dtype=a.dtype).reshape(a.shape))).sum()  # noqa: E731
        return weigh(y, jnp.cos) + sum(weigh(c, jnp.sin) for c in last)

    return jax.jit(jax.value_and_grad(loss, (0, 1, 2)))(params, x, carry)


@pytest.mark.parametrize(("name", "masked"), [pair for pair in PLAIN_AND_MASKED if pair[0] in GATED])
def test_gated_equals_sequential_in_values_and_all_gradients(name, masked, float64):
    cell, reverse = cell64(name), masked
    x, mask, carry = inputs(cell)
    mask = mask if masked else None
    expected = value_and_gradients(cell, x, mask, carry, reverse, "sequential")
    got = value_and_gradients(cell, x, mask, carry, reverse, "gated")
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("name", NOISY)
def test_gated_equals_sequential_with_noise(name, reverse, float64):
    cell = cell64(name)
    x, mask, carry = inputs(cell)
    key = jax.random.key(3)
    expected = value_and_gradients(cell, x, mask, carry, reverse, "sequential", key)
    got = value_and_gradients(cell, x, mask, carry, reverse, "gated", key)
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)


@pytest.mark.parametrize("name", CELLS)
def test_sequential_gradients_equal_finite_differences(name, float64):
    cell = cell64(name)
    x, mask, carry = inputs(cell)
    graph, params = nnx.split(cell)

    def loss(params, x, carry):
        # The finite differences come as numpy arrays.
        params, x, carry = jax.tree.map(jnp.asarray, (params, x, carry))
        y, last = run(nnx.merge(graph, params), x, mask=mask, carry=carry, strategy="sequential")
        return (y**2).sum() + sum((c**3).sum() for c in last)

    # Finite differences are that exact: the rates of an LRU are exponentials of exponentials of its parameters.
    check_grads(loss, (params, x, carry), order=1, modes=["rev"], atol=1e-6, rtol=1e-5)


@settings(max_examples=25, deadline=None)
@given(
    lengths=st.lists(st.integers(0, 4), min_size=3, max_size=3),
    holes=st.lists(st.booleans(), min_size=12, max_size=12),
    reverse=st.booleans(),
)
def test_any_mask_holds_the_carry_and_silences_y(lengths, holes, reverse):
    cell = randomise(arch("lstm")(in_features=2, features=3, rngs=nnx.Rngs(0)).cell, 1)
    x = jax.random.normal(jax.random.key(0), (3, 4, 2))
    mask = (np.arange(4) < np.array(lengths)[:, None]) & np.array(holes).reshape(3, 4)
    carry = tuple(jnp.full((3, 3), 0.5) for _ in range(2))
    y, last = run(cell, x, mask=jnp.asarray(mask), carry=carry, reverse=reverse)
    for b in range(3):
        kept = np.flatnonzero(mask[b])
        part_y, part_last = (
            run(cell, x[b : b + 1, kept], carry=tuple(c[:1] for c in carry), reverse=reverse)
            if len(kept)
            else (np.zeros((1, 0, 3)), tuple(c[:1] for c in carry))
        )
        np.testing.assert_allclose(y[b, kept], part_y[0], atol=1e-6)
        np.testing.assert_array_equal(y[b][~mask[b]], 0)
        for got, expected in zip(last, part_last, strict=True):
            np.testing.assert_allclose(got[b], expected[0], atol=1e-6)


@pytest.mark.parametrize("name", KINDS)
def test_vmap_over_weights_equals_one_after_the_other(name):
    cells = [randomise(arch(name)(in_features=D, features=H, rngs=nnx.Rngs(0)).cell, seed) for seed in range(3)]
    graph = nnx.split(cells[0])[0]
    params = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(nnx.state(c) for c in cells))
    x = jax.random.normal(jax.random.key(0), (B, T, D))

    @jax.jit
    def gradient(params):
        return jax.grad(lambda p: (run(nnx.merge(graph, p), x)[0] ** 2).sum())(params)

    together = jax.vmap(gradient)(params)
    for number in range(3):
        alone = gradient(jax.tree.map(lambda leaf, i=number: leaf[i], params))
        for a, b in zip(jax.tree.leaves(together), jax.tree.leaves(alone), strict=True):
            np.testing.assert_allclose(a[number], b, rtol=2e-5, atol=1e-5)


def test_structural_zeros_of_the_lstm_stay_out_of_the_loop():
    cell = type(arch("lstm")(in_features=1, features=1, rngs=nnx.Rngs(0)).cell)
    hidden, memory = dependencies(cell.combine, 2, 4, 4)
    assert hidden[0] == (False, True)  # h' reads h through r alone, and c
    assert memory[0] == (False, True)
    assert memory[1] == (True, True, True, False)  # c' does not know the output gate


def test_a_dependence_is_seen_where_its_derivative_is_nearly_always_zero():
    def combine(carry, p, r, v):
        return (jax.nn.relu(p[0] - 1e6) * v[0], carry[1])

    first, second = dependencies(combine, 2, 1, 0, 1)
    assert first == ((False, False), (True,), (), (True,))
    assert second == ((False, True), (False,), (), (False,))


@pytest.mark.parametrize(("masked", "diagonals"), [(False, 2 + 7), (True, 3 + 7)])
def test_the_backward_loop_of_the_lstm_reads_only_what_it_needs(masked, diagonals):
    """By the memory h' and c', by four and three gates; with a mask, h' also by h, which padding hands on."""
    graph, params = nnx.split(arch("lstm")(in_features=4, features=8, rngs=nnx.Rngs(0)).cell)
    x, mask = jnp.ones((2, 6, 4)), jnp.ones((2, 6), bool) if masked else None
    backward = jax.grad(lambda p: run(nnx.merge(graph, p), x, mask=mask, strategy="gated")[0].sum())
    jaxpr = jax.make_jaxpr(backward)(params)
    _, loop = [e for e in jaxpr.jaxpr.eqns if e.primitive.name == "scan"]
    read = len(loop.invars) - loop.params["num_consts"] - loop.params["num_carry"]
    assert read == diagonals + 1  # and dy


def test_a_cell_without_recurrent_matrices_has_no_product_in_its_loops():
    graph, params = nnx.split(arch("indrnn")(in_features=4, features=8, rngs=nnx.Rngs(0)).cell)
    jaxpr = jax.make_jaxpr(jax.grad(lambda p: run(nnx.merge(graph, p), jnp.ones((2, 6, 4)))[0].sum()))(params)
    loops = [e for e in jaxpr.jaxpr.eqns if e.primitive.name == "scan"]
    assert len(loops) == 2 and not any("dot_general" in str(loop.params["jaxpr"]) for loop in loops)


def test_weight_gradient_is_formed_once_after_the_loop():
    """No product inside the backward loop has a weight gradient as its result."""
    cell = arch("gru")(in_features=4, features=8, rngs=nnx.Rngs(0)).cell
    graph, params = nnx.split(cell)
    x = jnp.ones((2, 6, 4))
    jaxpr = jax.make_jaxpr(jax.grad(lambda p: run(nnx.merge(graph, p), x, strategy="gated")[0].sum()))(params)
    loops = [e for e in jaxpr.jaxpr.eqns if e.primitive.name == "scan"]
    assert len(loops) == 2
    for loop in loops:
        products = [e for e in loop.params["jaxpr"].jaxpr.eqns if e.primitive.name == "dot_general"]
        assert len(products) == 3  # one per gate
        assert {e.outvars[0].aval.shape for e in products} == {(2, 8)}


@pytest.mark.parametrize("strategy", ["gated", "linear", "associative", "chunked"])
def test_a_strategy_that_cannot_run_is_refused(strategy):
    cell = arch("gru_reset_before")(in_features=2, features=2, rngs=nnx.Rngs(0)).cell
    sentence = rf"strategy={strategy} needs .* GRUResetBeforeCell is not; choose strategy=sequential"
    with pytest.raises(UsageError, match=sentence):
        run(cell, jnp.ones((1, 1, 2)), strategy=strategy)


def test_zero_gradient_on_padding():
    cell = arch("gru")(in_features=2, features=3, rngs=nnx.Rngs(0)).cell
    mask = jnp.array([[True, True, False]])
    gradient = jax.grad(lambda x: run(cell, x, mask=mask)[0].sum())(jnp.ones((1, 3, 2)))
    assert (np.asarray(gradient[0, 2]) == 0).all()
    assert (np.asarray(gradient[0, :2]) != 0).all()
