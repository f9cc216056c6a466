"""Which derivatives a strategy serves, and what it says of the others."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from grux.cells.gru import GRUCell
from grux.cells.mingru import MinGRUCell
from grux.engine.kernels import build
from grux.engine.run import run
from grux.errors import UsageError

needs_kernels = pytest.mark.skipif(build.problem() is not None, reason=str(build.problem()))
OWN_BACKWARD = ["gated", pytest.param("native", marks=needs_kernels)]
X = jnp.linspace(-1, 1, 24).reshape(2, 3, 4)
TANGENT = jnp.ones_like(X)


def loss_of(strategy, kind=GRUCell):
    cell = kind(in_features=4, features=5, rngs=nnx.Rngs(0))
    return lambda x: (run(cell, x, strategy=strategy)[0] ** 2).sum()


FORWARD = {
    "jvp": lambda f: jax.jvp(f, (X,), (TANGENT,))[1],
    "jvp in jit": lambda f: jax.jit(lambda x: jax.jvp(f, (x,), (TANGENT,))[1])(X),
    "jacfwd": lambda f: jax.jacfwd(f)(X).sum(),
    "jvp in vmap": lambda f: jax.vmap(lambda x: jax.jvp(f, (x,), (TANGENT,))[1])(X[None])[0],
    "vmap in jvp": lambda f: jax.jvp(lambda x: jax.vmap(f)(x[None])[0], (X,), (TANGENT,))[1],
}
REVERSE = {
    "grad": lambda f: jax.grad(f)(X),
    "jit": lambda f: jax.jit(jax.grad(f))(X),
    "grad of jit": lambda f: jax.grad(jax.jit(f))(X),
    "vmap": lambda f: jax.vmap(jax.grad(f))(X[None])[0],
    "checkpoint": lambda f: jax.grad(jax.checkpoint(f))(X),
    "scan": lambda f: jax.grad(lambda x: jax.lax.scan(lambda c, _: (c + f(x), None), 0.0, None, 1)[0])(X),
}


@pytest.mark.parametrize("way", FORWARD)
@pytest.mark.parametrize("strategy", OWN_BACKWARD)
def test_forward_mode_is_refused_and_sequential_named(strategy, way):
    with pytest.raises(UsageError, match=r"jvp.*choose strategy=sequential"):
        FORWARD[way](loss_of(strategy))


@pytest.mark.parametrize("strategy", ["linear", "associative", "chunked"])
def test_forward_mode_through_linear_cells_is_refused_too(strategy):
    with pytest.raises(UsageError, match=r"jvp.*choose strategy=sequential"):
        FORWARD["jvp"](loss_of(strategy, MinGRUCell))


def test_forward_mode_is_seen_by_the_weights_alone():
    graph, params = nnx.split(GRUCell(in_features=4, features=5, rngs=nnx.Rngs(0)))
    with pytest.raises(UsageError, match="strategy=sequential"):
        jax.jvp(lambda params: run(nnx.merge(graph, params), X, strategy="gated")[0], (params,), (params,))


@pytest.mark.parametrize("way", FORWARD)
def test_sequential_serves_forward_mode(way):
    f = loss_of("sequential")
    expected = (jax.grad(f)(X) * TANGENT).sum()
    np.testing.assert_allclose(FORWARD[way](f), expected, rtol=1e-5)


@pytest.mark.parametrize("way", REVERSE)
@pytest.mark.parametrize("strategy", OWN_BACKWARD)
def test_reverse_mode_in_any_company(strategy, way):
    np.testing.assert_allclose(REVERSE[way](loss_of(strategy)), jax.grad(loss_of("sequential"))(X), atol=1e-5)


@pytest.mark.parametrize("strategy", ["sequential", "gated", "auto"])
def test_derivatives_of_derivatives(strategy):
    along = lambda f: jax.jvp(jax.grad(f), (X,), (TANGENT,))[1]  # noqa: E731
    np.testing.assert_allclose(along(loss_of(strategy)), along(loss_of("sequential")), atol=1e-4)


@needs_kernels
@pytest.mark.parametrize("second", [jax.jacfwd, jax.jacrev])
def test_native_refuses_derivatives_of_derivatives(second):
    with pytest.raises(UsageError, match="first derivatives only; choose strategy=gated"):
        second(jax.grad(loss_of("native")))(X)
