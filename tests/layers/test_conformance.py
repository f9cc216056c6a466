"""What every layer of `configs/arch/` promises. A new arch is tested by having a yaml."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from support import ARCHS, layer, lengths_mask

from grux.cells.base import Cell

B, T, D, H = 3, 8, 5, 7
pytestmark = pytest.mark.parametrize("name", ARCHS)


def x_of(seed=0, steps=T):
    return jax.random.normal(jax.random.key(seed), (B, steps, D))


def close(a, b, atol=1e-5):
    jax.tree.map(lambda u, v: np.testing.assert_allclose(u, v, atol=atol), a, b)


def float_types(carry):
    """Those of all arrays of a carry but counters of steps."""
    return {c.dtype for c in jax.tree.leaves(carry) if not jnp.issubdtype(c.dtype, jnp.integer)}


def test_padding_changes_neither_outputs_nor_the_final_carry(name):
    f = layer(name)
    mask = lengths_mask([8, 5, 1], T)
    x = x_of()
    y, carry = f(x, mask=mask)
    junk = jnp.where(mask[..., None], x, 1e3)
    close((y, carry), f(junk, mask=mask))
    for row, length in ((1, 5), (2, 1)):
        alone_y, alone_carry = f(x[row : row + 1, :length])
        close(y[row, :length], alone_y[0])
        assert (np.asarray(y[row, length:]) == 0).all()
        close(jax.tree.map(lambda c, r=row: c[r], carry), jax.tree.map(lambda c: c[0], alone_carry))


def test_two_chunks_equal_one(name):
    f = layer(name)
    x = x_of()
    whole_y, whole_carry = f(x)
    first, carry = f(x[:, :3])
    second, carry = f(x[:, 3:], carry=carry)
    close(jnp.concatenate([first, second], 1), whole_y)
    close(carry, whole_carry)


def test_steps_of_one_equal_one_call(name):
    f = layer(name)
    x = x_of()
    carry = f.initial_carry(B)
    outputs = []
    for t in range(T):
        y, carry = f(x[:, t : t + 1], carry=carry)
        outputs.append(y)
    close((jnp.concatenate(outputs, 1), carry), f(x))


def test_causal(name):
    """By gradient: y at step t does not move with x after t."""
    f = layer(name)
    jacobian = jax.jacrev(lambda x: f(x[None])[0][0].sum(-1))(x_of()[0])  # [T, T, D]
    influence = np.abs(np.asarray(jacobian)).sum(-1)
    assert (influence[np.triu_indices(T, 1)] == 0).all()
    assert (np.diag(influence) > 0).all()


def test_batch_rows_do_not_meet(name):
    f = layer(name)
    x, order = x_of(), jnp.array([2, 0, 1])
    y, carry = f(x)
    moved_y, moved_carry = f(x[order])
    close(moved_y, y[order])
    close(moved_carry, jax.tree.map(lambda c: c[order], carry))


def test_jit_and_vmap_change_nothing_and_compile_once(name):
    f = layer(name)
    graph, params = nnx.split(f)
    traces = []

    @jax.jit
    def call(params, x):
        traces.append(None)
        return nnx.merge(graph, params)(x)

    close(call(params, x_of()), f(x_of()))
    call(params, x_of(1))
    assert len(traces) == 1
    batches = jnp.stack([x_of(0), x_of(1)])
    together = jax.vmap(lambda x: call(params, x))(batches)
    close(jax.tree.map(lambda a: a[1], together), f(batches[1]))


def test_bfloat16_stays_bfloat16_with_a_float32_carry(name):
    f = layer(name)
    y, carry = f(x_of().astype(jnp.bfloat16))
    assert y.dtype == jnp.bfloat16
    assert float_types(carry) == {jnp.dtype(jnp.float32)}
    exact, _ = f(x_of())
    # Cells that do not squash their state grow past one, and their rounding with them.
    np.testing.assert_allclose(y.astype(jnp.float32), exact, atol=0.1 * max(1.0, float(jnp.abs(exact).max())))


def test_bfloat16_gradients_are_those_of_float32_to_tolerance(name):
    graph, params = nnx.split(layer(name))

    def gradient(dtype):
        return jax.grad(lambda p: (nnx.merge(graph, p)(x_of().astype(dtype))[0].astype(jnp.float32) ** 2).sum())(params)

    for a, b in zip(jax.tree.leaves(gradient(jnp.bfloat16)), jax.tree.leaves(gradient(jnp.float32)), strict=True):
        assert a.dtype == jnp.float32
        np.testing.assert_allclose(a, b, atol=0.05 * float(jnp.abs(b).max()) + 1e-3)


def test_a_key_draws_the_same_noise_each_time_and_none_is_evaluation(name):
    f, x, mask = layer(name), x_of(), lengths_mask([8, 5, 1], T)
    quiet = f(x, mask=mask)
    close(quiet, f(x, mask=mask), atol=0)
    one, again, other = (f(x, mask=mask, key=jax.random.key(k)) for k in (1, 1, 2))
    close(one, again, atol=0)
    assert (np.asarray(one[0])[~np.asarray(mask)] == 0).all()
    cells = [module for _, module in nnx.iter_modules(f) if isinstance(module, Cell)]
    noises = [cell.noise(jax.random.key(0), T, B) for cell in cells]
    noisy = any(noise.steps or noise.keep is not None for noise in noises)
    assert np.array_equal(one[0], other[0]) != noisy
    assert np.array_equal(one[0], quiet[0]) != noisy
    half, carry = f(x.astype(jnp.bfloat16), key=jax.random.key(1))
    assert half.dtype == jnp.bfloat16 and float_types(carry) == {jnp.dtype(jnp.float32)}
    exact, _ = f(x, key=jax.random.key(1))
    np.testing.assert_allclose(half.astype(jnp.float32), exact, atol=0.15 * max(1.0, float(jnp.abs(exact).max())))


def test_one_step_and_one_row(name):
    f = layer(name)
    y, carry = f(x_of()[:1, :1])
    assert y.shape == (1, 1, f.out_features)
    assert jax.tree.structure(carry) == jax.tree.structure(f.initial_carry(1))
