"""One step: parts add up to the whole, what is not finite is never taken, chunks may be cut anywhere."""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from small_runs import parts, same_bits

from grux.batch import Batch
from grux.data.base import take_rows
from grux.tasks.base import Task
from grux.training.state import WEIGHTS, initial_state, seed_key
from grux.training.step import make_step, run_chunk

SGD = optax.with_extra_args_support(optax.sgd(0.5, momentum=0.9))


class Scale(nnx.Module):
    """One weight per class: inputs [B, T] of floats, of which the last is used."""

    def __init__(self, rngs: nnx.Rngs):
        self.w = nnx.Param(jnp.array([2.0, -1.0]))

    def __call__(self, batch, *, key=None):
        return self.w[...][None, :] * batch.inputs[:, -1:]


class Formula(Task):
    """A task whose loss is a formula of the outputs, to bring about any gradient."""

    name = "classification"
    directions: ClassVar = {"loss": False}

    def __init__(self, formula):
        self.formula, self.selection, self.selection_higher_is_better = formula, "loss", False

    def loss(self, outputs, batch):
        values = jnp.where(batch.target_mask, self.formula(outputs).sum(-1), 0.0)
        return values.sum(), batch.target_mask.sum()

    def metrics(self, outputs, batch):
        return {"loss": self.loss(outputs, batch)}


def numbers(*values: float) -> Batch:
    count = len(values)
    inputs = jnp.array(values, jnp.float32)[:, None]
    return Batch(inputs, jnp.ones((count, 1), bool), jnp.zeros(count, jnp.int32), jnp.ones(count, bool))


def start(make_model=Scale, optimizer=SGD, seed: int = 0):
    """(graph, state) of a model before its first step."""
    model = make_model(nnx.Rngs(params=seed_key(jnp.uint32(seed), WEIGHTS)))
    graph, params = nnx.split(model)
    return graph, initial_state(jnp.uint32(seed), params, optimizer, False)


@pytest.fixture(scope="module")
def small():
    return parts("data.shortest=6")


@pytest.fixture(scope="module")
def droppy():
    return parts("data.shortest=6", "model.dropout=0.5")


def rows(parts, *index: int) -> Batch:
    bucket = parts.dataset.splits["train"].buckets[0]
    return jax.tree.map(jnp.asarray, take_rows(bucket, bucket.arrays, np.array(index, np.int32)))


def test_a_step_is_the_gradient_of_the_mean():
    graph, state = start()
    step = make_step(graph, Formula(jnp.square), SGD)
    # loss = mean over rows of sum_c (w_c x)^2; gradient_c = 2 w_c mean(x^2) = 2 w_c * 5
    new, metrics = jax.jit(step)(state, numbers(1.0, 3.0))
    np.testing.assert_allclose(metrics["loss"], 5 * (4 + 1))
    np.testing.assert_allclose(metrics["grad_norm"], np.hypot(20, 10))
    np.testing.assert_allclose(new.params["w"][...], [2 - 0.5 * 20, -1 + 0.5 * 10])
    assert (int(new.step), bool(new.active), bool(new.diverged)) == (1, True, False)


@pytest.mark.parametrize("accumulate", [2, 4])
def test_parts_add_up_to_the_whole_batch(small, accumulate: int):
    """Fillers crowd the last part, so that a mean of means would differ."""
    batch = rows(small, *range(9), *[-1] * 7)
    graph, state = start(small.make_model, SGD)
    whole, expected = jax.jit(make_step(graph, small.task, SGD))(state, batch)
    cut, metrics = jax.jit(make_step(graph, small.task, SGD, accumulate))(state, batch)
    np.testing.assert_allclose(metrics["loss"], expected["loss"], rtol=1e-5)
    np.testing.assert_allclose(metrics["grad_norm"], expected["grad_norm"], rtol=1e-5)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), cut, whole)


def test_filler_rows_change_nothing(small):
    graph, state = start(small.make_model, SGD)
    step = jax.jit(make_step(graph, small.task, SGD))
    without, expected = step(state, rows(small, 3, 1, 4))
    padded, metrics = step(state, rows(small, -1, 3, -1, 1, 4, -1))
    np.testing.assert_allclose(metrics["loss"], expected["loss"], rtol=1e-6)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7), padded, without)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_batch_of_fillers_is_a_step_of_nothing(small, accumulate: int):
    graph, state = start(small.make_model, SGD)
    new, metrics = jax.jit(make_step(graph, small.task, SGD, accumulate))(state, rows(small, -1, -1))
    assert float(metrics["loss"]) == 0.0 and float(metrics["grad_norm"]) == 0.0
    assert same_bits(new.params, state.params) and bool(new.active)


NOT_FINITE = {
    "loss NaN": (jnp.log, numbers(-1.0)),
    "loss infinite": (lambda x: 1 / (0 * x), numbers(1.0)),
    "loss overflows": (jnp.exp, numbers(1e3)),
    # d sqrt(x) / dx at 0 is infinite while the loss is 0
    "only the gradient": (lambda x: jnp.sqrt(jnp.abs(x)), numbers(0.0)),
}


@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("case", NOT_FINITE)
def test_what_is_not_finite_is_never_taken(case: str, accumulate: int):
    formula, batch = NOT_FINITE[case]
    batch = jax.tree.map(lambda x: jnp.concatenate([x, x]), batch)
    graph, state = start()
    step = jax.jit(make_step(graph, Formula(formula), SGD, accumulate))
    new, metrics = step(state, batch)
    if case == "only the gradient":
        assert float(metrics["loss"]) == 0.0
    assert not (np.isfinite(metrics["loss"]) and np.isfinite(metrics["grad_norm"]))
    assert same_bits((new.params, new.opt_state), (state.params, state.opt_state))
    assert bool(new.diverged) and not bool(new.active) and int(new.step) == 1
    # From then on nothing changes, though the next batch would be fine.
    after, _ = step(new, jax.tree.map(lambda x: jnp.concatenate([x, x]), numbers(1.0)))
    assert same_bits(after, new)


def test_an_inactive_seed_stands_still(small):
    graph, state = start(small.make_model, SGD)
    asleep = dataclasses.replace(state, active=jnp.zeros((), bool))
    step = jax.jit(make_step(graph, small.task, SGD))
    assert same_bits(step(asleep, rows(small, 0, 1))[0], asleep)
    assert not same_bits(step(state, rows(small, 0, 1))[0].params, state.params)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_dropout_is_a_function_of_seed_and_step(droppy, accumulate: int):
    graph, state = start(droppy.make_model, SGD)
    step = jax.jit(make_step(graph, droppy.task, SGD, accumulate))
    batch = rows(droppy, 0, 1, 2, 3)

    def loss(**changes) -> float:
        return float(step(dataclasses.replace(state, **changes), batch)[1]["loss"])

    assert loss() == loss()
    assert loss() == loss(best_step=jnp.int32(7), waited=jnp.int32(3), best_value=jnp.float32(0.5))
    seen = {loss(seed=jnp.uint32(seed), step=jnp.int32(number)) for seed in range(3) for number in range(3)}
    assert len(seen) == 9  # seed 1 at step 0 is not seed 0 at step 1
    assert loss(seed=jnp.uint32(2), step=jnp.int32(1)) in seen


def test_parts_of_a_batch_have_masks_of_their_own(droppy):
    """Two parts of the same examples: with one mask for both, both halves would give the same loss."""
    graph, state = start(droppy.make_model, SGD)
    batch = rows(droppy, 0, 1)
    twice = jax.tree.map(lambda x: jnp.concatenate([x, x]), batch)
    _, cut = jax.jit(make_step(graph, droppy.task, SGD, 2))(state, twice)
    key = jax.random.fold_in(seed_key(state.seed, 1), state.step)
    model = nnx.merge(graph, state.params)
    halves = [float(droppy.task.loss(model(batch, key=jax.random.fold_in(key, k)), batch)[0]) / 2 for k in (0, 1)]
    assert abs(halves[0] - halves[1]) > 1e-4
    np.testing.assert_allclose(cut["loss"], np.mean(halves), rtol=1e-5)


def test_bfloat16_trains_on_float32_weights():
    half = parts("data.shortest=6", "model.dtype=bfloat16")
    optimizer = optax.with_extra_args_support(optax.adam(0.02))
    graph, state = start(half.make_model, optimizer)
    step = jax.jit(make_step(graph, half.task, optimizer))
    batch = rows(half, *range(16))
    assert "bf16" in str(jax.make_jaxpr(step)(state, batch))
    losses = []
    for _ in range(30):
        state, metrics = step(state, batch)
        losses.append(float(metrics["loss"]))
    assert losses[-1] < 0.6 * losses[0]
    assert {leaf.dtype.name for leaf in jax.tree.leaves(state.params)} == {"float32"}


@pytest.fixture(scope="module")
def chunk(droppy):
    """A compiled chunk of six steps with dropout, its state before and its arguments."""
    bucket = droppy.dataset.splits["train"].buckets[0]
    graph, state = start(droppy.make_model, droppy.optimizer)
    run = jax.jit(run_chunk(make_step(graph, droppy.task, droppy.optimizer), bucket, 6))
    index = jnp.arange(24, dtype=jnp.int32).reshape(6, 4)
    return lambda state, begin, end: run(state, bucket.arrays, index, jnp.int32(begin), jnp.int32(end)), state


@pytest.mark.parametrize("cuts", [(1,), (3,), (2, 5), (1, 2, 3, 4, 5)])
def test_a_chunk_may_be_cut_anywhere(chunk, cuts: tuple[int, ...]):
    run, state = chunk
    whole, expected = run(state, 0, 6)
    pieces = []
    for begin, end in zip((0, *cuts), (*cuts, 6), strict=True):
        state, metrics = run(state, begin, end)
        np.testing.assert_array_equal(metrics["taken"], (np.arange(6) >= begin) & (np.arange(6) < end))
        pieces.append(metrics)
    assert same_bits(state, whole)
    assert same_bits({name: sum(piece[name] for piece in pieces) for name in expected}, expected)


def test_a_chunk_is_its_steps_one_by_one(chunk, droppy):
    run, state = chunk
    whole, _ = run(state, 0, 6)
    graph, single = start(droppy.make_model, droppy.optimizer)
    step = jax.jit(make_step(graph, droppy.task, droppy.optimizer))
    for number in range(6):
        single, _ = step(single, rows(droppy, *range(4 * number, 4 * number + 4)))
    assert int(whole.step) == 6
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), whole, single)


def test_a_chunk_costs_a_stopped_seed_nothing(chunk):
    run, state = chunk
    asleep = dataclasses.replace(state, active=jnp.zeros((), bool))
    after, metrics = run(asleep, 0, 6)
    assert same_bits(after, asleep) and not any(np.asarray(values).any() for values in metrics.values())


def test_only_steps_that_were_tried_count_as_taken():
    """Seed diverges at the third step of six: three are tried, two are taken."""
    from grux.data.base import Bucket

    class Rows(Bucket):
        arrays, ids = {"x": np.array([1.0, 1.0, -1.0, 1.0, 1.0, 1.0], np.float32)}, np.arange(6, dtype=np.int32)
        shape = (1,)

        def take(self, arrays, index):
            x = jnp.asarray(arrays["x"])[index][:, None]
            return Batch(x, x == x, jnp.zeros(len(index), jnp.int32), jnp.ones(len(index), bool))

        def check(self, info, where): ...

    small = optax.with_extra_args_support(optax.sgd(1e-3))
    graph, state = start(optimizer=small)
    state = dataclasses.replace(state, params=jax.tree.map(jnp.abs, state.params))
    bucket = Rows()
    run = jax.jit(run_chunk(make_step(graph, Formula(jnp.log), small), bucket, 6))
    after, metrics = run(state, bucket.arrays, jnp.arange(6, dtype=jnp.int32)[:, None], jnp.int32(0), jnp.int32(6))
    np.testing.assert_array_equal(metrics["taken"], [1, 1, 1, 0, 0, 0])
    assert bool(after.diverged) and np.isfinite(after.params["w"][...]).all() and int(after.step) == 3
