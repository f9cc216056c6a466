"""Linear cells: every way through time equals `sequential`, in values and all gradients, and large numbers are safe."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from support import CELLS, arch, randomise

from grux.cells.base import LinearCell
from grux.cells.lru import LRUCell
from grux.cells.mingru import MinGRUCell, log_positive
from grux.cells.minlstm import MinLSTMCell
from grux.cells.zoneout import zoneout
from grux.engine.linear import chunked, linear
from grux.engine.run import choose, run
from grux.errors import UsageError

B, T, D, H = 3, 11, 4, 5
SIZES = {"in_features": D, "features": H}
SHAPES = {n: nnx.eval_shape(lambda n=n: arch(n)(**SIZES, rngs=nnx.Rngs(0))).cell for n in CELLS}
LINEAR = [name for name, cell in SHAPES.items() if isinstance(cell, LinearCell)]


def zoned(**size):
    return zoneout(cell=MinGRUCell, rate=0.3, **size)


CELLS = {name: lambda name=name: arch(name)(**SIZES, rngs=nnx.Rngs(0)).cell for name in LINEAR} | {
    "mingru plain": lambda: MinGRUCell(**SIZES, space="plain", rngs=nnx.Rngs(0)),
    "minlstm plain": lambda: MinLSTMCell(**SIZES, space="plain", rngs=nnx.Rngs(0)),
    "mingru zoneout": lambda: zoned(**SIZES, rngs=nnx.Rngs(0)),
    "lru zoneout": lambda: zoneout(cell=LRUCell, rate=0.3, **SIZES, rngs=nnx.Rngs(0)),
}
WAYS = ["linear", "associative", "chunks of 4"]


def inputs(cell, dtype, steps=T):
    keys = jax.random.split(jax.random.key(0), 2 + cell.carries)
    x = jax.random.normal(keys[0], (B, steps, D), dtype)
    mask = jax.random.bernoulli(keys[1], 0.6, (B, steps))
    return x, mask, tuple(jax.random.normal(k, (B, H), dtype) for k in keys[2:])


def through(cell, x, mask, carry, reverse, way, key=None):
    """`run`, and for chunks of a size that is not the usual one what `run` does."""
    if not way.startswith("chunks"):
        return run(cell, x, mask=mask, carry=carry, reverse=reverse, strategy=way, key=key)
    p = cell.project(jnp.swapaxes(x, 0, 1))
    p += () if key is None else cell.noise(key, x.shape[1], B).steps
    steps = None if mask is None else mask.T
    y, carry = chunked(cell, p, carry, steps, reverse, chunk=int(way.split()[-1]))
    return jnp.swapaxes(y, 0, 1), carry


def value_and_gradients(cell, x, mask, carry, reverse, way, key=None):
    graph, params = nnx.split(cell)

    def loss(params, x, carry):
        y, last = through(nnx.merge(graph, params), x, mask, carry, reverse, way, key)
        weigh = lambda a, f: (a * f(jnp.arange(a.size, dtype=a.dtype).reshape(a.shape))).sum()  # noqa: E731
        return weigh(y, jnp.cos) + sum(weigh(c, jnp.sin) for c in last), (y, last)

    (_, outputs), gradients = jax.jit(jax.value_and_grad(loss, (0, 1, 2), has_aux=True))(params, x, carry)
    return outputs, gradients


@pytest.mark.parametrize(("masked", "reverse"), [(False, True), (True, False), (True, True)])
@pytest.mark.parametrize("name", CELLS)
def test_every_way_equals_sequential_in_values_and_all_gradients(name, masked, reverse, float64):
    cell = randomise(CELLS[name](), 1, dtype=jnp.float64)
    x, mask, carry = inputs(cell, jnp.float64)
    mask, key = (mask, jax.random.key(7)) if masked else (None, None)
    expected = value_and_gradients(cell, x, mask, carry, reverse, "sequential", key)
    for way in WAYS:
        got = value_and_gradients(cell, x, mask, carry, reverse, way, key)
        for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-10, err_msg=way)


@pytest.mark.parametrize("name", LINEAR)
def test_float32_is_close_over_many_steps(name):
    cell = randomise(CELLS[name](), 1)
    x, mask, carry = inputs(cell, jnp.float32, steps=300)
    expected = value_and_gradients(cell, x, mask, carry, False, "sequential")
    for way in ("linear", "associative", "chunked"):  # 300 steps are two chunks
        got = value_and_gradients(cell, x, mask, carry, False, way)
        for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
            np.testing.assert_allclose(a, b, atol=2e-5 * max(1.0, float(jnp.abs(b).max())), err_msg=way)


@pytest.mark.parametrize("kind", [MinGRUCell, MinLSTMCell])
@pytest.mark.parametrize("space", ["log", "plain"])
def test_closed_gates_and_large_inputs_stay_finite(kind, space):
    """Gates of sigmoid(-200), which is zero in float32, for hundreds of steps, and wide open ones beside them."""
    cell = kind(in_features=1, features=2, space=space, rngs=nnx.Rngs(0))
    cell.w_ih[...] = jnp.full_like(cell.w_ih[...], 200.0)
    x = jnp.where(jnp.arange(600) % 3 == 0, 1.0, -1.0)[None, :, None]
    graph, params = nnx.split(cell)
    for way in ("sequential", "linear", "associative", "chunked"):

        def loss(params, x, way=way):
            y, _ = run(nnx.merge(graph, params), x, carry=(jnp.full((1, 2), -3.0),), strategy=way)
            return y.mean(), y

        (_, y), gradients = jax.value_and_grad(loss, (0, 1), has_aux=True)(params, x)
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((y, gradients))), way


def test_g_is_continuous_positive_and_safe_to_differentiate():
    u = jnp.array([-1e4, -60.0, -1.0, 0.0, 1.0, 1e4])
    expected = np.where(u >= 0, np.asarray(u) + 0.5, np.asarray(jax.nn.sigmoid(u)))
    np.testing.assert_allclose(np.exp(log_positive(u)), expected, rtol=1e-5)
    slopes = jax.vmap(jax.grad(log_positive))(u)
    assert np.isfinite(slopes).all() and (np.asarray(slopes) > 0).all()
    np.testing.assert_allclose(jax.grad(log_positive)(-1e-6), jax.grad(log_positive)(1e-6) / 4, rtol=1e-4)


def test_minimal_cells_are_the_equations():
    x = jax.random.normal(jax.random.key(0), (1, 2, D))
    h = jnp.full((1, H), -0.4)
    gru = randomise(MinGRUCell(**SIZES, rngs=nnx.Rngs(0)), 1)
    lstm = randomise(MinLSTMCell(**SIZES, rngs=nnx.Rngs(0)), 1)
    u = np.asarray(x[:, 0]) @ np.asarray(gru.w_ih[...]) + np.asarray(gru.b_ih[...])[:, None]
    z, g = 1 / (1 + np.exp(-u[0])), np.where(u[1] >= 0, u[1] + 0.5, 1 / (1 + np.exp(-u[1])))
    np.testing.assert_allclose(run(gru, x[:, :1], carry=(h,))[0][:, 0], (1 - z) * h + z * g, atol=1e-6)
    u = np.asarray(x[:, 0]) @ np.asarray(lstm.w_ih[...]) + np.asarray(lstm.b_ih[...])[:, None]
    f, i = 1 / (1 + np.exp(-u[0])), 1 / (1 + np.exp(-u[1]))
    g = np.where(u[2] >= 0, u[2] + 0.5, 1 / (1 + np.exp(-u[2])))
    np.testing.assert_allclose(run(lstm, x[:, :1], carry=(h,))[0][:, 0], (f * h + i * g) / (f + i), atol=1e-6)


def test_lru_is_its_complex_recurrence():
    cell = randomise(LRUCell(**SIZES, activation="none", rngs=nnx.Rngs(0)), 1)
    x, _, carry = inputs(cell, jnp.float32)
    w, b = np.asarray(cell.w_ih[...], complex), np.asarray(cell.b_ih[...], complex)
    eigenvalue = np.exp(-np.exp(np.asarray(cell.nu[...])) + 1j * np.exp(np.asarray(cell.theta[...])))
    h, expected = np.asarray(carry[0]) + 1j * np.asarray(carry[1]), []
    out = np.asarray(cell.w_out[0]) + 1j * np.asarray(cell.w_out[1])
    for x_t in np.swapaxes(np.asarray(x), 0, 1):
        drive = x_t @ (w[0] + 1j * w[1]) + b[0] + 1j * b[1]
        h = eigenvalue * h + np.exp(np.asarray(cell.gamma[...])) * drive
        expected.append((h @ out).real + (x_t @ w[2] + b[2]).real)
    y, last = run(cell, x, carry=carry)
    np.testing.assert_allclose(y, np.stack(expected, 1), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(last[0] + 1j * last[1], h, rtol=1e-4, atol=1e-4)


def test_lru_starts_on_its_ring_and_keeps_the_variance():
    cell = LRUCell(in_features=3, features=2000, r_min=0.5, r_max=0.9, max_phase=1.0, rngs=nnx.Rngs(0))
    size, phase = np.exp(-np.exp(cell.nu[...])), np.exp(cell.theta[...])
    assert size.min() >= 0.5 and size.max() <= 0.9 and phase.min() >= 0 and phase.max() <= 1.0
    assert abs((size**2).mean() - (0.5**2 + 0.9**2) / 2) < 0.01  # uniform in the square of the radius
    np.testing.assert_allclose(np.exp(cell.gamma[...]), np.sqrt(1 - size**2), rtol=1e-4)
    with pytest.raises(UsageError, match=r"r_min=0\.9 must be smaller than r_max=0\.5"):
        LRUCell(**SIZES, r_min=0.9, r_max=0.5, rngs=nnx.Rngs(0))


def test_auto_is_the_measured_way_of_the_platform(monkeypatch):
    assert choose(MinGRUCell, "auto") == "linear"
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert choose(MinGRUCell, "auto") == "associative"


def test_a_gated_strategy_is_refused_for_a_linear_cell():
    cell = LRUCell(**SIZES, rngs=nnx.Rngs(0))
    with pytest.raises(UsageError, match=r"strategy=gated needs .* LRUCell is not"):
        run(cell, jnp.ones((1, 1, D)), strategy="gated")


def test_chunks_keep_no_coefficients_for_the_backward_pass():
    """What is saved between the passes: the projected input and a carry per chunk, nothing else of length T."""
    cell = MinGRUCell(**SIZES, rngs=nnx.Rngs(0))
    p = cell.project(jnp.ones((64, B, D)))

    def saved(run_all) -> int:
        _, pull = jax.vjp(lambda p: run_all(p)[0], p)
        return sum(leaf.size for leaf in jax.tree.leaves(pull) if leaf.size >= 64 * B * H)

    carry = cell.initial_carry(B)
    whole = saved(lambda p: linear(cell, p, carry, None, False, way="associative"))
    cut = saved(lambda p: chunked(cell, p, carry, None, False, chunk=8))
    assert cut <= 2 * 64 * B * H < whole
