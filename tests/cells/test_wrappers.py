"""Cells that change another cell: what each promises beyond what every arch promises."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from support import randomise

from grux.cells.base import GatedCell, Noise
from grux.cells.elman import ElmanCell
from grux.cells.gru import GRUCell
from grux.cells.gru_reset_before import GRUResetBeforeCell
from grux.cells.layer_norm import LayerNormed
from grux.cells.lru import LRUCell
from grux.cells.lstm import LSTMCell
from grux.cells.mingru import MinGRUCell
from grux.cells.mut import MUT2Cell
from grux.cells.recurrent_dropout import RecurrentDropout
from grux.cells.slstm import SLSTMCell
from grux.cells.variational_dropout import VariationalDropout
from grux.cells.zoneout import zoneout
from grux.engine.run import run
from grux.errors import UsageError

B, T, D, H = 3, 6, 4, 5
SIZES = {"in_features": D, "features": H}
KEY = jax.random.key(4)
X = jax.random.normal(jax.random.key(0), (B, T, D))


def make(wrapper, cell, **options):
    return randomise(wrapper(cell=cell, **options, **SIZES, rngs=nnx.Rngs(0)), 1)


def inputs(cell):
    return tuple(jax.random.normal(jax.random.key(9 + k), (B, H)) for k in range(cell.carries))


def one_step(cell, carry, key):
    """(cell with noise, the cell inside without) after one step from `carry`."""
    y, noisy = run(cell, X[:, :1], carry=carry, key=key)
    _, plain = run(cell.cell, X[:, :1], carry=carry)
    return y, noisy, plain


@pytest.mark.parametrize(
    ("inner", "memory_rate"), [(GRUCell, 0.0), (LSTMCell, 0.7), (GRUResetBeforeCell, 0.0), (MUT2Cell, 0.0)]
)
def test_zoneout_takes_each_unit_old_or_new_and_the_expectation_in_evaluation(inner, memory_rate):
    cell = make(zoneout, inner, rate=0.4, memory_rate=memory_rate)
    old = inputs(cell)
    _, noisy, new = one_step(cell, old, KEY)
    for o, n, mixed in zip(old, new, noisy, strict=True):
        kept, taken = np.isclose(mixed, o, atol=1e-6), np.isclose(mixed, n, atol=1e-6)
        assert (kept | taken).all() and kept.any() and taken.any()
    _, expected, _ = one_step(cell, old, None)
    for rate, o, n, mean in zip((0.4, memory_rate), old, new, expected, strict=False):
        np.testing.assert_allclose(mean, rate * o + (1 - rate) * n, atol=1e-6)


def test_zoneout_keeps_the_share_that_was_asked_for():
    cell = zoneout(cell=LSTMCell, rate=0.2, memory_rate=0.0, in_features=D, features=200, rngs=nnx.Rngs(0))
    noise = cell.noise(KEY, 50, B)
    assert len(noise.steps) == 1 and noise.keep is None  # nothing is drawn for a rate of zero
    assert set(np.unique(noise.steps[0])) == {0.0, 1.0}
    assert abs(float(1 - noise.steps[0].mean()) - 0.2) < 0.01


def test_zoneout_of_a_linear_cell_is_zoneout():
    cell = make(zoneout, MinGRUCell, rate=0.4)
    (old,) = inputs(cell)
    y, (mixed,), (new,) = one_step(cell, (old,), KEY)
    kept, taken = np.isclose(mixed, old, atol=1e-6), np.isclose(mixed, new, atol=1e-6)
    assert (kept | taken).all() and kept.any() and taken.any()
    np.testing.assert_array_equal(y[:, 0], mixed)


@pytest.mark.parametrize(("inner", "memories"), [(GRUCell, 0), (SLSTMCell, 3), (LRUCell, 0)])
def test_zoneout_of_a_memory_that_does_not_stand_alone_is_refused(inner, memories):
    words = rf"memory_rate=0\.5 needs a cell with one memory beside h, and {inner.__name__} has {memories}"
    with pytest.raises(UsageError, match=words):
        make(zoneout, inner, rate=0.1, memory_rate=0.5)


@pytest.mark.parametrize("inner", [GRUCell, LSTMCell])
def test_recurrent_dropout_falls_on_what_is_written_alone(inner):
    """From a saturated memory gate nothing is forgotten, whatever is dropped; the candidate is zero or scaled."""
    cell = make(RecurrentDropout, inner, rate=0.5)
    old = inputs(cell)
    _, noisy, plain = one_step(cell, old, KEY)
    memory = -1  # the last array: h of a GRU, c of an LSTM
    nothing, full = _written(cell.cell, old, 0.0)[memory], _written(cell.cell, old, 2.0)[memory]
    dropped, scaled = np.isclose(noisy[memory], nothing, atol=1e-6), np.isclose(noisy[memory], full, atol=1e-6)
    assert (dropped | scaled).all() and dropped.any() and scaled.any()
    np.testing.assert_allclose((nothing + full) / 2, plain[memory], atol=1e-6)  # the mean is the cell without dropout
    np.testing.assert_allclose(one_step(cell, old, None)[1][memory], plain[memory], atol=1e-6)


def _written(cell, carry, factor):
    p = (*cell.project(X[:, 0]), jnp.full((B, H), factor))
    return cell.step(carry, p)[0]


def test_variational_dropout_uses_one_mask_at_every_step():
    cell = make(VariationalDropout, GRUCell, rate=0.5)
    carry = inputs(cell)
    keep = cell.noise(KEY, T, B).keep
    assert set(np.unique(keep)) == {0.0, 2.0} and keep.shape == (B, H)
    expected = carry
    for t in range(T):
        p = cell.project(X[:, t])
        past = expected[0] * keep
        r = tuple(past @ w for w in cell.recurrent_weights())
        r = (*r[:2], r[2] + cell.cell.b_hn[...][None])
        expected = GRUCell.combine(expected, p, r)
    np.testing.assert_allclose(run(cell, X, carry=carry, key=KEY)[1][0], expected[0], atol=1e-5)


def test_layer_norm_does_not_see_scale_or_shift_of_either_side():
    cell = make(LayerNormed, LSTMCell)
    carry = inputs(cell)
    y, _ = run(cell, X, carry=carry)
    cell.cell.w_ih[...] = 3.0 * cell.cell.w_ih[...]
    cell.cell.w_hh[...] = 5.0 * cell.cell.w_hh[...] + 1.0  # the same number on every unit
    np.testing.assert_allclose(run(cell, X, carry=carry)[0], y, atol=2e-3)  # but for epsilon
    cell.scale_hh[...] = 2.0 * cell.scale_hh[...]
    assert not np.allclose(run(cell, X, carry=carry)[0], y, atol=1e-2)


def test_layer_norm_is_its_equation():
    cell = make(LayerNormed, GRUCell)
    (h,) = inputs(cell)

    def norm(v):
        return (v - v.mean(-1, keepdims=True)) / np.sqrt(v.var(-1, keepdims=True) + 1e-5)

    inner = cell.cell
    w_ih, s_ih, b_ih, w_hh, s_hh, b_hn = (
        np.asarray(a[...]) for a in (inner.w_ih, cell.scale_ih, inner.b_ih, inner.w_hh, cell.scale_hh, inner.b_hn)
    )
    p = [norm(np.asarray(X[:, 0]) @ w) * s + b for w, s, b in zip(w_ih, s_ih, b_ih, strict=True)]
    r = [norm(np.asarray(h) @ w) * s for w, s in zip(w_hh, s_hh, strict=True)]
    r[2] = r[2] + b_hn
    (expected,) = GRUCell.combine((h,), tuple(map(jnp.asarray, p)), tuple(map(jnp.asarray, r)))
    np.testing.assert_allclose(run(cell, X[:, :1], carry=(h,))[0][:, 0], expected, atol=1e-5)


PARTS = [
    functools.partial(RecurrentDropout, rate=0.3),
    functools.partial(VariationalDropout, rate=0.3),
    functools.partial(zoneout, rate=0.3, memory_rate=0.2),
]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_wrappers_compose_in_any_order_and_stay_fast(order):
    build = LSTMCell
    for number in order:
        build = functools.partial(PARTS[number], cell=build)
    cell = randomise(build(**SIZES, rngs=nnx.Rngs(0)), 1)
    assert isinstance(cell, GatedCell)
    carry, mask = inputs(cell), jnp.arange(T)[None] < jnp.array([6, 4, 1])[:, None]
    runs = [run(cell, X, mask=mask, carry=carry, key=KEY, strategy=s) for s in ("gated", "sequential")]
    for a, b in zip(*map(jax.tree.leaves, runs), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    noise = cell.noise(KEY, T, B)
    assert len(noise.steps) == 3 and noise.keep is not None
    normed = LayerNormed(cell=build, **SIZES, rngs=nnx.Rngs(0))
    assert len(normed.noise(KEY, T, B).steps) == 3
    y, _ = run(normed, X, key=KEY)
    assert not np.allclose(y, run(normed, X)[0])


def test_two_masks_of_one_run_are_not_the_same():
    twice = functools.partial(VariationalDropout, rate=0.5, cell=GRUCell)
    cell = VariationalDropout(rate=0.5, cell=twice, in_features=D, features=100, rngs=nnx.Rngs(0))
    assert set(np.unique(cell.noise(KEY, T, B).keep)) == {0.0, 4.0}
    share = float((cell.noise(KEY, T, B).keep > 0).mean())
    assert abs(share - 0.25) < 0.1
    draws = zoneout(cell=LSTMCell, rate=0.5, memory_rate=0.5, **SIZES, rngs=nnx.Rngs(0)).noise(KEY, T, B).steps
    assert not np.array_equal(*draws)


def test_a_cell_without_noise_draws_none():
    assert GRUCell(**SIZES, rngs=nnx.Rngs(0)).noise(KEY, T, B) == Noise()


@pytest.mark.parametrize(
    ("wrapper", "inner", "words"),
    [
        (functools.partial(RecurrentDropout, rate=0.1), ElmanCell, "drops its candidate, and ElmanCell does not"),
        (functools.partial(RecurrentDropout, rate=0.1), MinGRUCell, "MinGRUCell has none that stands alone"),
        (functools.partial(VariationalDropout, rate=0.1), GRUResetBeforeCell, "variational dropout changes"),
        (
            functools.partial(VariationalDropout, rate=0.1),
            functools.partial(LayerNormed, cell=GRUCell),
            "put layer norm around it last",
        ),
        (LayerNormed, MinGRUCell, "layer norm changes the product"),
    ],
)
def test_what_cannot_be_wrapped_is_named(wrapper, inner, words):
    with pytest.raises(UsageError, match=words):
        wrapper(cell=inner, **SIZES, rngs=nnx.Rngs(0))
