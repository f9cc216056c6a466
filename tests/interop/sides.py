"""What the tests of both sides share: plain layers with random weights, outputs with the gradient of their inputs."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from support import randomise

from grux.layers.recurrent import Recurrent
from grux.layers.stack import Stack

B, T = 2, 4
# Every example has shapes of its own and is compiled, so that shrinking one takes minutes and tells little.
FEW = settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow], phases=[Phase.reuse, Phase.generate]
)
sizes = st.integers(1, 4)
seeds = st.integers(0, 1000)
directions = st.sampled_from([1, 2])


def stack(cell, *, in_features=3, features=2, depth=1, directions=1, seed=0, **options):
    """`features` are those of one direction."""
    width = {"in_features": in_features, "features": features * directions, "depth": depth}
    # Initial values that are cheap to make: every example has shapes of its own, and noise is added.
    layer = partial(Recurrent, cell=partial(cell, input_init="identity", recurrent_init="identity"))
    plain = Stack(layer=layer, **width, bidirectional=directions == 2, rngs=nnx.Rngs(seed), **options)
    return randomise(plain, seed, 0.5)


def inputs(features: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(B, T, features)).astype(np.float32)


def weighed(y):
    """Each output with a weight of its own, so that no two count the same."""
    return (y * jnp.cos(jnp.arange(y.size, dtype=y.dtype).reshape(y.shape))).sum()


def outputs_and_gradient(f, x) -> tuple[np.ndarray, np.ndarray]:
    """f(x) and the derivative of its weighed sum with respect to x."""

    def loss(x):
        y = f(x)
        return weighed(y), y

    gradient, y = jax.jit(jax.grad(loss, has_aux=True))(jnp.asarray(x))
    return np.asarray(y), np.asarray(gradient)


def same(ours, theirs) -> None:
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6, rtol=1e-6)


def equal(a, b) -> None:
    """The same trees of arrays, bit for bit."""
    assert jax.tree.structure(a) == jax.tree.structure(b)
    jax.tree.map(np.testing.assert_array_equal, a, b)
