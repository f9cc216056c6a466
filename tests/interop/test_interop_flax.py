"""Parameters of flax's cells, nnx and linen: against the cells themselves, there and back, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx
from hypothesis import given
from hypothesis import strategies as st
from sides import FEW, equal, inputs, outputs_and_gradient, same, seeds, sizes, stack

from grux.cells.elman import ElmanCell
from grux.cells.gru import GRUCell
from grux.cells.gru_reset_before import GRUResetBeforeCell
from grux.cells.lstm import LSTMCell
from grux.errors import DataError, UsageError
from grux.interop import from_linen, from_nnx, to_linen, to_nnx

NNX = {nnx.SimpleCell: ElmanCell, nnx.GRUCell: GRUCell, nnx.OptimizedLSTMCell: LSTMCell, nnx.LSTMCell: LSTMCell}
LINEN = {
    linen.SimpleCell: ElmanCell,
    linen.GRUCell: GRUCell,
    linen.OptimizedLSTMCell: LSTMCell,
    linen.LSTMCell: LSTMCell,
}
noise = nnx.initializers.normal(0.5)
RANDOM = {"kernel_init": noise, "recurrent_kernel_init": noise, "bias_init": noise}


def unrolled(step, ours, h, x):
    """step(carry, x_t) -> (carry, y_t) over all steps, from a carry of zeros like that of our cell."""
    carry = tuple(jnp.zeros((x.shape[0], h)) for _ in range(ours.carries))
    # A function made anew: JAX would remember the trace of a module that has got other weights since.
    fresh = lambda carry, x: step(carry, x)  # noqa: E731
    _, ys = jax.lax.scan(fresh, carry if len(carry) > 1 else carry[0], x.swapaxes(0, 1))
    return ys.swapaxes(0, 1)


def nnx_cell(kind, d, h, seed):
    return kind(d, h, **RANDOM, rngs=nnx.Rngs(seed))


def linen_parameters(kind, d, h, seed):
    carry = jnp.zeros((1, h))
    carry = (carry, carry) if LINEN[kind] is LSTMCell else carry
    return kind(h, **RANDOM).init(jax.random.key(seed), carry, jnp.zeros((1, d)))["params"]


def without_b_hn(ours):
    cell = ours.layers[0].cell
    if isinstance(cell, GRUCell):
        cell.b_hn[...] = jnp.zeros_like(cell.b_hn[...])
    return ours


@FEW
@given(kind=st.sampled_from(list(NNX)), d=sizes, h=sizes, seed=seeds)
def test_nnx_computes_the_same_both_ways(kind, d, h, seed):
    x, theirs = inputs(d, seed), nnx_cell(kind, d, h, seed)
    widths = {"in_features": d, "features": h}
    ours = from_nnx(nnx.state(theirs, nnx.Param), like=stack(NNX[kind], **widths, seed=seed))
    cell = ours.layers[0].cell
    expected = outputs_and_gradient(lambda x: unrolled(theirs, cell, h, x), x)
    same(outputs_and_gradient(lambda x: ours(x)[0], x), expected)
    if kind is nnx.GRUCell:
        assert not cell.b_hn[...].any()
    ours = without_b_hn(stack(NNX[kind], **widths, seed=seed + 1))
    arrays = to_nnx(ours, optimized=kind is not nnx.LSTMCell)
    assert jax.tree.map(np.shape, arrays) == jax.tree.map(np.shape, nnx.to_pure_dict(nnx.state(theirs, nnx.Param)))
    nnx.update(theirs, arrays)
    expected = outputs_and_gradient(lambda x: unrolled(theirs, cell, h, x), x)
    same(outputs_and_gradient(lambda x: ours(x)[0], x), expected)
    back = from_nnx(arrays, like=stack(NNX[kind], **widths, seed=seed + 2))
    equal(nnx.state(back), nnx.state(ours))


@FEW
@given(kind=st.sampled_from(list(LINEN)), d=sizes, h=sizes, seed=seeds)
def test_linen_computes_the_same_both_ways(kind, d, h, seed):
    x, theirs = inputs(d, seed), linen_parameters(kind, d, h, seed)
    widths = {"in_features": d, "features": h}
    ours = from_linen(theirs, like=stack(LINEN[kind], **widths, seed=seed))
    cell = ours.layers[0].cell

    def run(parameters):
        step = lambda carry, x: kind(h).apply({"params": parameters}, carry, x)  # noqa: E731
        return outputs_and_gradient(lambda x: unrolled(step, cell, h, x), x)

    same(outputs_and_gradient(lambda x: ours(x)[0], x), run(theirs))
    equal(to_linen(ours), jax.tree.map(np.asarray, theirs))
    ours = stack(LINEN[kind], **widths, seed=seed + 1)
    same(outputs_and_gradient(lambda x: ours(x)[0], x), run(to_linen(ours)))
    equal(nnx.state(from_linen(to_linen(ours), like=stack(LINEN[kind], **widths))), nnx.state(ours))


def test_names_may_be_joined_by_dots():
    ours = stack(GRUCell)
    flat = {f"{a}.{b}": array for a, inner in to_linen(ours).items() for b, array in inner.items()}
    equal(nnx.state(from_linen(flat, like=stack(GRUCell, seed=1))), nnx.state(ours))


def test_the_bias_inside_the_reset_gate_is_never_dropped():
    with pytest.raises(UsageError, match=r"nnx\.GRUCell has no place for b_hn"):
        to_nnx(stack(GRUCell))
    assert to_linen(stack(GRUCell))["hn"]["bias"].any()


def test_other_names_and_shapes_are_listed():
    parameters = nnx.state(nnx_cell(nnx.LSTMCell, 3, 2, 0), nnx.Param)
    with pytest.raises(DataError, match=r"missing: dense_i\.kernel, .*unexpected: \w+\.\w+, .* and 9 more"):
        from_nnx(parameters, like=stack(ElmanCell))
    with pytest.raises(DataError, match=r"nnx.LSTMCell .*ii.kernel \(3, 2\) where \(4, 2\) is needed, .* and 1 more"):
        from_nnx(parameters, like=stack(LSTMCell, in_features=4))
    with pytest.raises(DataError, match=r"linen.GRUCell .*unexpected: params\.i\.\w+"):
        from_linen({"params": linen_parameters(linen.SimpleCell, 3, 2, 0)}, like=stack(GRUCell))


@pytest.mark.parametrize("export", [to_nnx, to_linen])
def test_a_flax_cell_is_one_cell(export):
    with pytest.raises(UsageError, match="is one cell, and this layer has 2 levels of 2 directions"):
        export(stack(LSTMCell, depth=2, directions=2))
    with pytest.raises(UsageError, match="no counterpart of GRUResetBeforeCell"):
        export(stack(GRUResetBeforeCell))
