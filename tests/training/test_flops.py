"""Operations counted exactly: products, loops as often as they run, and a GRU classifier in closed form."""

import jax
import jax.numpy as jnp
import pytest
from flax import nnx
from small_runs import parts

from grux.batch import Batch
from grux.training.flops import count_flops


def shape(*dims: int) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(dims, jnp.float32)


def test_a_product():
    assert count_flops(lambda a, b: a @ b, shape(3, 5), shape(5, 7)) == 2 * 3 * 5 * 7
    assert count_flops(jax.jit(lambda a, b: jnp.tanh(a @ b) + 1), shape(3, 5), shape(5, 7)) == 2 * 3 * 5 * 7
    assert count_flops(lambda a: jnp.tanh(a) * 3, shape(3, 5)) == 0


def test_a_batched_product():
    assert (
        count_flops(lambda a, b: jnp.einsum("bij,bjk->bik", a, b), shape(2, 3, 5), shape(2, 5, 7)) == 2 * 2 * 3 * 5 * 7
    )


def test_two_contracted_axes():
    assert count_flops(lambda a, b: jnp.einsum("ijk,jkl->il", a, b), shape(3, 4, 5), shape(4, 5, 6)) == 2 * 3 * 20 * 6


def test_a_loop_counts_as_often_as_it_runs():
    def scan(w, xs):
        return jax.lax.scan(lambda c, x: (c @ w, x), xs[0], xs)

    assert count_flops(scan, shape(4, 4), shape(11, 2, 4)) == 11 * 2 * 2 * 4 * 4
    nested = jax.vmap(scan, in_axes=(None, 0))
    assert count_flops(nested, shape(4, 4), shape(3, 11, 2, 4)) == 3 * 11 * 2 * 2 * 4 * 4


def test_the_dearest_branch_counts():
    def choose(flag, a, b):
        return jax.lax.cond(flag, lambda: a @ b, lambda: (a @ b) @ b)

    assert count_flops(choose, jax.ShapeDtypeStruct((), bool), shape(3, 5), shape(5, 5)) == 2 * 2 * 3 * 5 * 5


def test_a_convolution():
    def convolve(x, kernel):
        return jax.lax.conv_general_dilated(x, kernel, (1,), "VALID")

    # 6 positions, 3 out channels, 4 in channels, width 5
    assert count_flops(convolve, shape(2, 4, 10), shape(3, 4, 5)) == 2 * 2 * 6 * 3 * 4 * 5


@pytest.mark.parametrize(("arch", "gates"), [("gru", 3), ("lstm", 4), ("elman", 1), ("gru_reset_before", 3)])
def test_a_classifier_in_closed_form(arch: str, gates: int):
    """Per step and row 2 G H (D + H) in the cell; 2 H C in the head; an embedding is a table and costs nothing."""
    rows, steps, wide, hidden, classes = 5, 9, 6, 8, 4
    small = parts(f"arch={arch}", "arch.strategy=sequential", f"model.embedding={wide}", f"model.features={hidden}")
    model = nnx.eval_shape(lambda: small.make_model(nnx.Rngs(0)))
    graph, params = nnx.split(model)
    batch = Batch(jnp.zeros((rows, steps), jnp.int32), jnp.ones((rows, steps), bool), None, None)
    counted = count_flops(lambda p, b: nnx.merge(graph, p)(b, key=None), params, batch)
    assert counted == 2 * rows * (steps * gates * hidden * (wide + hidden) + hidden * classes)
