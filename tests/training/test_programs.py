"""Compiled programs give what a plain loop over examples gives, and are compiled once per shape."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from small_runs import parts, same_bits

from grux.batch import Info
from grux.data.base import Split, TokenPairs, Windows, take_rows
from grux.data.batching import epoch_plan
from grux.tasks.forecasting import Forecasting
from grux.training.programs import LENGTH_EXTRA, LENGTH_FACTOR, Programs
from grux.training.seeds import SeedAxis
from grux.training.state import Learner

SEEDS = [0, 5]


@pytest.fixture(scope="module")
def small():
    return parts("model.pooling=mean")


@pytest.fixture(scope="module")
def programs(small):
    return small.programs(SeedAxis("map", 2))


def test_seeds_start_from_weights_of_their_own(small, programs):
    state = programs.initial(SEEDS)
    single = small.programs(SeedAxis("map", 1)).initial([5])
    assert same_bits(jax.tree.map(lambda x: x[1:], state), single)
    kernel = state.params["head"]["kernel"][...]
    assert not np.allclose(kernel[0], kernel[1])
    assert state.best_value.tolist() == [-np.inf] * 2 and state.best_step.tolist() == [-1, -1]


def test_dropout_does_not_move_the_weights(programs):
    other = parts("model.pooling=mean", "model.dropout=0.5").programs(SeedAxis("map", 2))
    assert same_bits(other.initial(SEEDS).params, programs.initial(SEEDS).params)


def test_evaluation_is_the_mean_over_examples(small, programs):
    """24 examples in two buckets and batches of 5, so with filler rows: against one example at a time."""
    params, split = programs.initial(SEEDS).params, small.dataset.splits["validation"]
    assert len(split.buckets) == 2
    got = programs.evaluate(params, split, 5)
    assert len(got) == 2
    for number, scores in enumerate(got):
        model = nnx.merge(programs.graph, jax.tree.map(lambda x, n=number: x[n], params))
        right, losses, predicted, actual = [], [], [], []
        for bucket in split.buckets:
            batch = take_rows(bucket, bucket.arrays, np.arange(bucket.size))
            logits = np.asarray(model(jax.tree.map(jnp.asarray, batch)), np.float64)
            shifted = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
            losses += (-shifted[np.arange(bucket.size), batch.targets]).tolist()
            predicted += logits.argmax(-1).tolist()
            actual += batch.targets.tolist()
            right += (logits.argmax(-1) == batch.targets).tolist()
        predicted, actual = np.array(predicted), np.array(actual)
        assert 0 < scores.pop("ece") < 1
        f1 = []
        for name in set(predicted) | set(actual):
            both = ((predicted == name) & (actual == name)).sum()
            f1.append(2 * both / ((predicted == name).sum() + (actual == name).sum()))
        assert scores == pytest.approx(
            {"accuracy": np.mean(right), "loss": np.mean(losses), "macro_f1": np.mean(f1)}, rel=1e-5
        )


def test_one_program_per_bucket_and_shape(small):
    programs = small.programs(SeedAxis("map", 1))
    split, state = small.dataset.splits["train"], programs.initial([0])
    assert programs.compile_seconds > 0
    before, chunks = programs.compile_seconds, 0
    for epoch in (0, 1):
        for chunk in epoch_plan(split, batch_size=8, seeds=[0], epoch=epoch, steps_per_chunk=3):
            bucket = split.buckets[chunk.bucket]
            for begin in range(chunk.steps):  # cut as evaluations and the end of a run cut it
                state, _ = programs.train(state, bucket, bucket.arrays, chunk, begin, begin + 1)
                chunks += 1
    assert chunks == int(state.step[0]) > 10
    assert len([key for key in programs._compiled if key[0] == "train"]) == len(split.buckets) == 2
    assert programs.compile_seconds > before
    after = programs.compile_seconds
    for name in ("validation", "test"):
        for _ in range(2):
            programs.evaluate(state.params, small.dataset.splits[name], 8)
    assert len([key for key in programs._compiled if key[0] == "evaluate"]) == 2
    first = programs.compile_seconds
    assert first > after
    programs.evaluate(state.params, small.dataset.splits["test"], 8)
    assert programs.compile_seconds == first


class Echo(nnx.Module):
    """Decodes every source to itself plus one number of its seed."""

    def __init__(self, rngs: nnx.Rngs):
        self.shift = nnx.Param(jnp.zeros((), jnp.float32))

    def __call__(self, batch, *, key=None):
        return jnp.zeros(())

    def decode(self, batch, max_length: int):
        tokens = batch.inputs + self.shift[...].astype(jnp.int32)
        wide = jnp.pad(tokens, ((0, 0), (0, max(0, max_length - tokens.shape[1]))), constant_values=-7)
        return wide[:, :max_length]


def test_decoded_rows_find_their_examples(small):
    """Two buckets whose ids are mixed up, with filler rows in the last batch of each."""
    ids = [np.array([4, 0, 6], np.int32), np.array([5, 1, 3, 2], np.int32)]
    buckets = []
    for steps, rows in zip((2, 3), ids, strict=True):
        tokens = np.tile(10 * rows[:, None], (1, steps)).astype(np.int32)
        lengths = np.full(len(rows), steps, np.int32)
        pairs = {"sources": tokens, "source_lengths": lengths, "targets": tokens, "target_lengths": lengths}
        buckets.append(TokenPairs(**pairs, ids=rows))
    split = Split(tuple(buckets))
    axis = SeedAxis("map", 2)
    programs = Programs(learner=lambda _: Learner(Echo, small.optimizer), task=small.task, axis=axis)
    params = jax.tree.map(lambda _: jnp.array([0.0, 1.0]), programs.initial(SEEDS).params)
    for limit in (2, 100):
        outputs = programs.decode(params, split, 2, limit)
        for seed in (0, 1):
            assert [int(row[0]) for row in outputs[seed]] == [10 * example + seed for example in range(7)]
        lengths = {example: len(row) for example, row in enumerate(outputs[0])}
        expected = {int(i): min(limit, LENGTH_FACTOR * t + LENGTH_EXTRA) for t, rows in zip((2, 3), ids) for i in rows}  # noqa: B905
        assert lengths == expected


def test_baselines_over_a_whole_split(small):
    series = np.random.default_rng(0).normal(size=(30, 2)).astype(np.float32)
    starts = np.arange(13, dtype=np.int32)
    windows = Windows(series=series, starts=starts, window=4, horizon=2, ids=starts)
    info = Info(name="toy", task="forecasting", features=2, window=4, horizon=2, season=3, mase_scale=(0.5, 2.0))
    task = Forecasting(info=info, loss="mse", quantiles=None, selection="mse")
    programs = Programs(learner=lambda _: Learner(Echo, small.optimizer), task=task, axis=SeedAxis("map", 1))
    got = programs.baselines(Split((windows,)), 4)  # 13 windows in batches of 4
    targets = np.stack([series[s + 4 : s + 6] for s in starts])
    last = np.stack([series[[s + 3, s + 3]] for s in starts])
    seasonal = np.stack([series[[s + 1, s + 2]] for s in starts])
    assert set(got) == {"last_value", "seasonal_naive"}
    for name, forecast in (("last_value", last), ("seasonal_naive", seasonal)):
        error = np.abs(forecast - targets)
        expected = {"mse": (error**2).mean(), "mae": error.mean(), "mase": (error.mean((0, 1)) / [0.5, 2.0]).mean()}
        assert got[name] == pytest.approx(expected | {"corr": got[name]["corr"]}, rel=1e-5)


def test_a_task_without_baselines(small, programs):
    assert programs.baselines(small.dataset.splits["test"], 5) == {}


def test_the_initial_scale_is_one_of_weight_matrices(small, programs):
    learner = Learner(small.make_model, small.optimizer, initial_scale=0.5)
    scaled = Programs(learner=lambda _: learner, task=small.task, axis=SeedAxis("map", 2)).initial(SEEDS).params
    plain = programs.initial(SEEDS).params
    halved = set()
    for (path, got), whole in zip(jax.tree_util.tree_leaves_with_path(scaled), jax.tree.leaves(plain), strict=True):
        if not same_bits(got, whole):
            assert same_bits(got, 0.5 * whole)
            halved.add(jax.tree_util.keystr(path, simple=True, separator="."))
    kept = {
        jax.tree_util.keystr(path, simple=True, separator=".") for path, _ in jax.tree_util.tree_leaves_with_path(plain)
    }
    assert {name.split(".")[-2] for name in halved} == {"w_ih", "w_hh", "kernel"}
    assert {name.split(".")[-2] for name in kept - halved} == {"b_ih", "b_hn", "bias", "table"}
