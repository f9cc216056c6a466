"""Gradient by lag against the Jacobian itself; bins of lengths, and their scores by the programs that are there."""

import itertools
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from small_runs import parts

from grux.data.base import LabelledSequences, Split, take_rows
from grux.training import score as score_module
from grux.training.lag import gradient_by_lag, spaced_lags
from grux.training.lengths import MOST_BINS, length_bins
from grux.training.programs import Programs
from grux.training.score import Scored
from grux.training.seeds import SeedAxis
from grux.training.state import Learner

SEEDS = [0, 5]
ROWS = 5


def jacobian_norms(model: nnx.Module, batch, lags: list[int]) -> list[float]:
    """sqrt(mean over examples of ||d h_T / d x_(T-k)||_F^2), from the whole Jacobian of each example."""
    layers, x, mask = model.recurrence(batch)  # pyright: ignore
    last = np.asarray(mask).sum(1) - 1
    rows = np.arange(len(last))
    jacobian = jax.jit(jax.jacrev(lambda x: layers(x, mask=mask)[0][rows, last]))(x)  # [B, H, B, T, D]
    squares = np.square(np.asarray(jacobian, np.float64)[rows, :, rows]).sum((1, 3))  # [B, T]
    there = [[(row, end - lag) for row, end in enumerate(last) if end >= lag] for lag in lags]
    return [float(np.sqrt(np.mean([squares[place] for place in places]))) for places in there]


@pytest.mark.parametrize("overrides", [("arch=lstm", "model.depth=2"), ("arch=gru_reset_before",)])
def test_one_unit_gives_the_jacobian_exactly(overrides):
    """Of one unit a random sign squares to one, so nothing is left to chance."""
    small = parts("model.features=1", *overrides)
    programs = small.programs(SeedAxis("map", 2))
    params = programs.initial(SEEDS).params
    split = small.dataset.splits["validation"]
    found = gradient_by_lag(programs, params, split, ROWS)
    assert found is not None
    bucket = max(split.buckets, key=lambda bucket: bucket.shape[0])
    batch = jax.tree.map(jnp.asarray, take_rows(bucket, bucket.arrays, np.arange(ROWS)))
    lengths = np.asarray(batch.mask).sum(1)
    assert len(set(lengths)) > 1  # rows of several lengths share a batch
    assert found["examples"] == [int((lengths > lag).sum()) for lag in found["lags"]]
    for number, norms in enumerate(found["norms"]):
        model = nnx.merge(programs.graph, jax.tree.map(lambda x, n=number: x[n], params))
        assert norms == pytest.approx(jacobian_norms(model, batch, found["lags"]), rel=1e-4)


def test_many_units_are_estimated():
    small = parts("data.train=200", "data.validation=128", "data.shortest=8", "arch=gru")
    programs = small.programs(SeedAxis("map", 1))
    params = programs.initial([0]).params
    split = small.dataset.splits["validation"]
    found = gradient_by_lag(programs, params, split, 64)
    assert found is not None and found["examples"][0] == 64
    (bucket,) = split.buckets
    batch = jax.tree.map(jnp.asarray, take_rows(bucket, bucket.arrays, np.arange(8)))
    model = nnx.merge(programs.graph, jax.tree.map(lambda x: x[0], params))
    assert found["norms"][0] == pytest.approx(jacobian_norms(model, batch, found["lags"]), rel=0.35)


def test_lags_are_spaced_by_their_logarithm():
    assert spaced_lags(1) == [0]
    assert spaced_lags(9) == [0, 1, 2, 3, 4, 6, 8]
    assert spaced_lags(12)[-1] == 11 and spaced_lags(11)[-1] == 8
    assert len(spaced_lags(4096)) < 26


class Plain(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.shift = nnx.Param(jnp.zeros((), jnp.float32))


def test_a_model_that_does_not_show_its_recurrence_has_no_lag():
    small = parts()
    programs = Programs(learner=lambda _: Learner(Plain, small.optimizer), task=small.task, axis=SeedAxis("map", 1))
    assert gradient_by_lag(programs, None, small.dataset.splits["validation"], 4) is None


def split_of(lengths: list[int]) -> Split:
    """One bucket of tokens for each odd and even id, so that ids and positions differ."""
    longest, buckets = max(lengths), []
    for rest in (1, 0):
        ids = np.array([number for number in range(len(lengths)) if number % 2 == rest], np.int32)
        own = np.array([lengths[number] for number in ids], np.int32)
        tokens = (np.arange(longest) < own[:, None]).astype(np.int32) * 4
        buckets.append(LabelledSequences(tokens=tokens, lengths=own, labels=np.zeros(len(ids), np.int32), ids=ids))
    return Split(tuple(buckets))


def test_bins_cover_every_example_once_and_hold_as_many_each():
    lengths = np.random.default_rng(0).integers(1, 60, 800).tolist()
    bins = length_bins(split_of(lengths))
    assert len(bins) == MOST_BINS
    assert sorted(np.concatenate([part.ids for part in bins]).tolist()) == list(range(800))
    assert all(80 <= len(part.ids) <= 120 for part in bins)
    assert all(a.longest < b.shortest for a, b in itertools.pairwise(bins))
    for part in bins:
        assert {lengths[i] for i in part.ids} <= set(range(part.shortest, part.longest + 1))


def test_few_lengths_make_few_bins_and_one_makes_none():
    spans = [(part.shortest, part.longest, len(part.ids)) for part in length_bins(split_of([3] * 90 + [7] * 10))]
    assert spans == [(3, 3, 90), (7, 7, 10)]
    assert length_bins(split_of([5] * 10)) == []


def test_bins_are_scored_by_the_programs_of_the_whole():
    small = parts()
    programs = small.programs(SeedAxis("map", 2))
    params, split = programs.initial(SEEDS).params, small.dataset.splits["test"]
    whole = programs.evaluate(params, split, 8)
    compiled = programs.compile_seconds
    scored, state = Scored([{}, {}]), types.SimpleNamespace(best_params=params)
    score_module._score_lengths(programs, state, small.task, split, 8, None, scored)  # pyright: ignore
    assert programs.compile_seconds == compiled
    found = scored.probes["score_by_length"]
    sizes = np.array([part["examples"] for part in found["bins"]])
    assert sizes.sum() == split.size and len(sizes) > 2
    for seed, row in zip(whole, found["scores"], strict=True):
        for metric in ("accuracy", "loss"):
            assert np.average(row[metric], weights=sizes) == pytest.approx(seed[metric], rel=1e-5)


def test_texts_of_a_bin_are_scored_together():
    split = split_of([2, 2, 9, 9])
    split = Split(split.buckets, references=("a", "b", "c", "d"))
    task = types.SimpleNamespace(corpus_metrics=lambda ours, theirs: ({"same": float(ours == theirs)}, {}))
    programs = types.SimpleNamespace(evaluate=lambda params, part, batch: [{"loss": float(part.size)}] * 2)
    scored, texts = Scored([{}, {}]), [["a", "b", "x", "d"], ["x", "b", "c", "d"]]
    state = types.SimpleNamespace(best_params=None)
    score_module._score_lengths(programs, state, task, split, 8, texts, scored)  # pyright: ignore
    rows = scored.probes["score_by_length"]["scores"]
    assert rows == [{"loss": [2.0, 2.0], "same": [1.0, 0.0]}, {"loss": [2.0, 2.0], "same": [0.0, 1.0]}]
