"""The compiled recurrence against `sequential` in float64, and what it promises besides."""

import logging
import os
import platform
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from support import arch, randomise

from grux.cells.gru import GRUCell
from grux.engine import native as native_module
from grux.engine import run as run_module
from grux.engine.kernels import build
from grux.engine.native import KERNELS
from grux.engine.run import run
from grux.errors import UsageError

needs_kernels = pytest.mark.skipif(build.problem() is not None, reason=str(build.problem()))
NAMES = [name for name, *_ in KERNELS.values()]


def cell_of(name, inputs, width):
    cell = randomise(arch(name)(in_features=inputs, features=width, rngs=nnx.Rngs(0)).cell, 1)
    cell.w_hh[...] = cell.w_hh[...] * min(1.0, 20 / width)  # a wide one would be chaotic
    return cell


def data(rows, steps, inputs, seed=0):
    x = jax.random.normal(jax.random.key(seed), (rows, steps, inputs))
    mask = jax.random.bernoulli(jax.random.key(seed + 1), 0.6, (rows, steps))
    return x, mask


def outcome(cell, x, mask, reverse, strategy):
    """Values and gradients of weights, inputs and first carry, with a cotangent on every output and last carry."""
    graph, params = nnx.split(cell)
    carry = tuple(
        jax.random.normal(jax.random.key(7 + k), (x.shape[0], cell.features), jnp.float32).astype(x.dtype)
        for k in range(cell.carries)
    )

    def loss(params, x, carry):
        y, last = run(nnx.merge(graph, params), x, mask=mask, carry=carry, reverse=reverse, strategy=strategy)
        weigh = lambda a: (a * jnp.cos(jnp.arange(a.size, dtype=a.dtype)).reshape(a.shape)).sum()  # noqa: E731
        return weigh(y) + sum(weigh(c) for c in last), (y, last)

    (_, values), gradients = jax.jit(jax.value_and_grad(loss, (0, 1, 2), has_aux=True))(params, x, carry)
    return values, gradients


def in_float64(cell, x, mask, reverse):
    graph, params = nnx.split(cell)
    with jax.enable_x64(True):
        wide = jax.tree.map(lambda a: jnp.asarray(np.asarray(a), jnp.float64), (params, x))
        return outcome(nnx.merge(graph, wide[0]), wide[1], mask, reverse, "sequential")


@needs_kernels
@pytest.mark.parametrize(
    ("shape", "masked"),
    [
        ((1, 1, 1, 1), False),
        ((3, 6, 4, 5), True),
        ((9, 3, 2, 16), False),
        ((17, 4, 3, 50), True),
        ((2, 3, 9, 32), True),  # few rows and steps: the weights are taken as they are
        ((33, 40, 20, 200), False),  # more than one chunk of time
        ((33, 40, 20, 200), True),
    ],
)
@pytest.mark.parametrize("name", NAMES)
def test_values_and_gradients_are_those_of_sequential_in_float64(name, masked, shape):
    rows, steps, inputs, width = shape
    x, mask = data(rows, steps, inputs)
    mask = mask if masked else None
    for reverse in (False, True):
        cell = cell_of(name, inputs, width)
        got = outcome(cell, x, mask, reverse, "native")
        expected = in_float64(cell, x, mask, reverse)
        for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
            np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-6 * (1 + np.abs(b).max()))


@needs_kernels
@pytest.mark.parametrize("width", [21, 32])
@pytest.mark.parametrize("name", NAMES)
def test_results_do_not_depend_on_threads_or_on_the_other_rows(name, width, monkeypatch):
    cell = cell_of(name, 3, width)
    x, mask = data(13, 5, 3)
    one = outcome(cell, x, mask, False, "native")
    for cores in (1, 3, 16):
        monkeypatch.setattr(native_module, "available_cores", lambda n=cores: n)
        for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(outcome(cell, x, mask, False, "native")), strict=True):
            np.testing.assert_array_equal(a, b)
    whole = run(cell, x, mask=mask, strategy="native")
    for row in range(13):
        alone = run(cell, x[row : row + 1], mask=mask[row : row + 1], strategy="native")
        for a, b in zip(jax.tree.leaves(alone), jax.tree.leaves(whole), strict=True):
            np.testing.assert_array_equal(a[0], b[row])


@needs_kernels
def test_gates_are_exact_over_the_whole_range():
    """A tanh RNN and a GRU of width 1 without recurrent weights show their activations."""
    values = np.concatenate([np.linspace(-12, 12, 4001), np.logspace(-30, 6, 500), -np.logspace(-30, 6, 500)])
    x = jnp.asarray(values.astype(np.float32))[:, None, None]
    cell = arch("elman")(in_features=1, features=1, rngs=nnx.Rngs(0)).cell
    cell.w_ih[...] = jnp.ones((1, 1, 1))
    y = run(cell, x, strategy="native")[0][:, 0, 0]
    np.testing.assert_allclose(y, np.tanh(np.asarray(x, np.float64)[:, 0, 0]), rtol=4e-7)
    gru = arch("gru")(in_features=1, features=1, rngs=nnx.Rngs(0)).cell
    gru.w_ih[...], gru.w_hh[...] = jnp.asarray([[[0.0]], [[1.0]], [[0.0]]]), jnp.zeros((3, 1, 1))
    kept = run(gru, x, carry=(jnp.ones((len(values), 1)),), strategy="native")[0][:, 0, 0]  # n = 0, so h' = z h
    wide = np.clip(np.asarray(x, np.float64)[:, 0, 0], -87, None)
    np.testing.assert_allclose(kept, 1 / (1 + np.exp(-wide)), rtol=1e-6, atol=1e-37)


@needs_kernels
@pytest.mark.parametrize("name", NAMES)
def test_a_nan_stays_a_nan(name):
    x = jnp.ones((4, 5, 2)).at[0, 1, 0].set(jnp.nan)
    y = np.asarray(run(cell_of(name, 2, 5), x, strategy="native")[0])
    assert np.isnan(y[0, 1:]).all() and np.isfinite(y[0, 0]).all() and np.isfinite(y[1]).all()


@needs_kernels
@pytest.mark.parametrize("name", NAMES)
def test_auto_takes_it_in_float32_alone(name):
    cell = cell_of(name, 2, 3)

    def program(x):
        return str(jax.make_jaxpr(lambda x: run(cell, x)[0])(x))

    assert f"grux_{name}_forward" in program(jnp.ones((4, 5, 2)))
    assert "ffi_call" not in program(jnp.ones((4, 5, 2), jnp.bfloat16))
    with pytest.raises(UsageError, match=r"its kernels are for float32 and this is bfloat16\. Choose strategy=gated"):
        run(cell, jnp.ones((4, 5, 2), jnp.bfloat16), strategy="native")


def test_where_there_is_a_compiler_there_are_kernels():
    """A mistake in their source must not pass for a machine without a compiler, on which these tests are skipped."""
    if platform.system() != "Linux" or platform.machine() not in ("x86_64", "aarch64"):
        pytest.skip("no kernels for this platform")
    try:
        build._compiler()
    except build.KernelsUnavailable as reason:
        pytest.skip(str(reason))
    assert build.problem() is None


ANOTHER_WIDTH = """
import jax, jax.numpy as jnp, numpy as np
from flax import nnx
from grux.cells.elman import ElmanCell
from grux.cells.gru import GRUCell
from grux.cells.lstm import LSTMCell
from grux.engine.run import run

for kind in (ElmanCell, GRUCell, LSTMCell):
    graph, params = nnx.split(kind(in_features=3, features=21, rngs=nnx.Rngs(0)))
    x = jax.random.normal(jax.random.key(0), (9, 4, 3))
    mask = jax.random.bernoulli(jax.random.key(1), 0.6, (9, 4))
    found = {}
    for strategy in ("native", "sequential"):
        loss = lambda p, x: (run(nnx.merge(graph, p), x, mask=mask, strategy=strategy)[0] ** 2).sum()
        found[strategy] = jax.tree.leaves(jax.value_and_grad(loss, (0, 1))(params, x))
    for a, b in zip(*found.values(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)
    print(kind.__name__, "same")
"""


@needs_kernels
@pytest.mark.skipif(platform.machine() != "x86_64", reason="the flags are those of x86-64")
def test_vectors_of_another_width_give_the_same(tmp_path):
    """The kernels without AVX, as an old or a virtual machine has them."""
    env = os.environ | {"CXXFLAGS": "-mno-avx -mno-avx512f", "JAX_COMPILATION_CACHE_DIR": str(tmp_path)}
    result = subprocess.run([sys.executable, "-c", ANOTHER_WIDTH], env=env, capture_output=True, text=True)
    assert result.stdout.count("same") == 3, result.stderr[-2000:]


def test_a_cell_without_a_kernel_is_refused_by_name():
    cell = arch("gru_reset_before")(in_features=2, features=2, rngs=nnx.Rngs(0)).cell
    with pytest.raises(UsageError, match=r"strategy=native .* GRUResetBeforeCell is not; choose"):
        run(cell, jnp.ones((1, 1, 2)), strategy="native")


@pytest.fixture
def no_compiler(monkeypatch, tmp_path):
    """A machine without a compiler and without kernels from before."""
    monkeypatch.setenv("CXX", "no-such-compiler")
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path))
    caches = (build.kernels, build.problem, run_module._say_once)
    for cached in caches:
        cached.cache_clear()
    yield
    for cached in caches:
        cached.cache_clear()


def test_without_a_compiler_auto_falls_back_and_says_so_once(no_compiler, caplog):
    cell = cell_of("gru", 2, 3)
    with caplog.at_level(logging.WARNING, "grux"):
        run(cell, jnp.ones((4, 5, 2)))
        run(cell, jnp.ones((4, 6, 2)))
    assert [r.message for r in caplog.records] == [
        "The CPU kernels need a C++ compiler and there is no CXX=no-such-compiler; install g++. Until then recurrent "
        "layers run by strategy=gated, which is slower."
    ]
    with pytest.raises(UsageError, match="strategy=native cannot run here: The CPU kernels need a C"):
        run(cell, jnp.ones((4, 5, 2)), strategy="native")


@needs_kernels
def test_a_source_that_does_not_compile_is_a_reason_not_a_crash(monkeypatch, tmp_path):
    for source in build.SOURCES.glob("*.h"):
        (tmp_path / source.name).write_bytes(source.read_bytes())
    (tmp_path / "recurrence.cc").write_text("#error broken on purpose\n")
    monkeypatch.setattr(build, "SOURCES", tmp_path)
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path / "cache"))
    build.kernels.cache_clear()
    try:
        with pytest.raises(build.KernelsUnavailable, match=r"could not be compiled .*broken on purpose"):
            build.kernels()
    finally:
        build.kernels.cache_clear()
    assert not list((tmp_path / "cache").rglob("*.so"))


def test_one_step_of_many_rows_or_of_large_weights_is_not_packed(monkeypatch):
    packed = []

    def kernel(cell, x, carry, mask, reverse):
        packed.append(x.shape)
        return x[..., : cell.features], carry

    monkeypatch.setattr("grux.engine.run.native", kernel)
    monkeypatch.setattr("grux.engine.run.problem", lambda: None)
    cell = GRUCell(in_features=4, features=3, rngs=nnx.Rngs(0))
    for shape in ((1, 1, 4), (8, 1, 4), (9, 1, 4), (9, 2, 4)):
        run(cell, jnp.ones(shape))
    assert packed == [(1, 1, 4), (8, 1, 4), (9, 2, 4)]
    run(GRUCell(in_features=4, features=1000, rngs=nnx.Rngs(0)), jnp.ones((1, 1, 4)))
    assert len(packed) == 3
    run(cell, jnp.ones((9, 1, 4)), strategy="native")
    assert len(packed) == 4
