"""Plans: every example once per epoch and seed, the same shapes for every seed, nothing drawn."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grux.batch import Info
from grux.data.base import Dataset, LabelledSequences, Split
from grux.data.batching import (
    assign_buckets,
    check_batch_size,
    epoch_plan,
    eval_plan,
    grow,
    length_buckets,
    steps_per_epoch,
)
from grux.errors import DataError


def split_of(*sizes):
    buckets, first = [], 0
    for size in sizes:
        one = np.ones(size, np.int32)
        ids = np.arange(first, first + size, dtype=np.int32)
        buckets.append(LabelledSequences(tokens=one[:, None] * 4, lengths=one, labels=one * 0, ids=ids))
        first += size
    return Split(tuple(buckets))


def seen(chunks, axis):
    """Examples of each bucket in a plan, for one seed (axis) or for evaluation (None)."""
    found = {}
    for chunk in chunks:
        index = chunk.index if axis is None else chunk.index[axis]
        assert (index[chunk.steps :] == -1).all()
        assert (index[: chunk.steps] >= 0).any(-1).all()
        found.setdefault(chunk.bucket, []).extend(index[index >= 0].tolist())
    return found


@settings(deadline=None, max_examples=50, derandomize=True)
@given(
    sizes=st.lists(st.integers(1, 70), min_size=1, max_size=4),
    batch_size=st.integers(1, 20),
    steps_per_chunk=st.integers(1, 9),
    epoch=st.integers(0, 3),
)
def test_every_example_once(sizes, batch_size, steps_per_chunk, epoch):
    split = split_of(*sizes)
    plan = epoch_plan(split, batch_size=batch_size, seeds=(0, 5), epoch=epoch, steps_per_chunk=steps_per_chunk)
    for axis in (0, 1):
        for bucket, examples in seen(plan, axis).items():
            assert sorted(examples) == list(range(sizes[bucket]))
    assert sum(chunk.steps for chunk in plan) == steps_per_epoch(split, batch_size)
    for bucket in range(len(sizes)):
        shapes = {chunk.index.shape for chunk in plan if chunk.bucket == bucket}
        assert len(shapes) == 1
        ((seeds, capacity, width),) = shapes
        assert (seeds, width) == (2, batch_size)
        assert capacity <= steps_per_chunk
    for chunk in plan:
        real = (chunk.index >= 0).sum(-1)
        assert (real[0] == real[1]).all()
    for steps in (None, steps_per_chunk):
        for bucket, examples in seen(eval_plan(split, batch_size, steps), None).items():
            assert examples == list(range(sizes[bucket]))


def plan(seeds=(0,), epoch=0):
    return epoch_plan(split_of(100, 60, 33), batch_size=8, seeds=seeds, epoch=epoch, steps_per_chunk=3)


def test_a_seed_alone_sees_what_it_sees_among_others():
    for place, seed in enumerate((0, 3)):
        for alone, together in zip(plan((seed,)), plan((0, 3)), strict=True):
            assert (alone.bucket, alone.steps) == (together.bucket, together.steps)
            np.testing.assert_array_equal(alone.index[0], together.index[place])


def test_epochs_differ_in_shapes_and_examples():
    assert [chunk.bucket for chunk in plan()] != [chunk.bucket for chunk in plan(epoch=1)]
    assert seen(plan(), 0)[0] != seen(plan(epoch=1), 0)[0]
    assert seen(plan((0, 1)), 0)[0] != seen(plan((0, 1)), 1)[0]


def test_batches_are_even():
    (chunk,) = epoch_plan(split_of(65), batch_size=64, seeds=(0,), epoch=0, steps_per_chunk=10)
    assert (chunk.index[0] >= 0).sum(-1).tolist() == [33, 32]


def test_batch_larger_than_the_data():
    split = split_of(300)
    info = Info(name="toy", task="classification", vocabulary=5, classes=("a",))
    dataset = Dataset(info, {"train": split, "validation": split, "test": split}, files={})
    check_batch_size(dataset, 300)
    message = "batch_size=512 is larger than the 300 training examples; choose batch_size <= 300."
    with pytest.raises(DataError, match=message):
        check_batch_size(dataset, 512)


def padded(lengths, shapes):
    return sum(len(positions) * sum(shape) for shape, positions in assign_buckets(lengths, shapes))


@settings(deadline=None, max_examples=50, derandomize=True)
@given(lengths=st.lists(st.integers(1, 60), min_size=1, max_size=60), limit=st.integers(1, 4))
def test_length_buckets_hold_all_and_beat_one_bucket(lengths, limit):
    lengths = np.array(lengths)
    shapes = length_buckets(lengths, limit=limit)
    assert len(shapes) <= limit
    assert all(shape[0] % 4 == 0 for shape in shapes)
    parts = assign_buckets(lengths, shapes)
    assert sorted(np.concatenate([positions for _, positions in parts])) == list(range(len(lengths)))
    assert all((lengths[positions] <= shape[0]).all() for shape, positions in parts)
    assert padded(lengths, shapes) <= padded(lengths, length_buckets(lengths, limit=1))


def test_length_buckets_are_the_best_of_all():
    """Against every choice of two cuts out of the possible lengths."""
    lengths = np.random.default_rng(0).integers(1, 60, 300)
    chosen = padded(lengths, length_buckets(lengths, limit=3, tolerance=0))
    options = range(4, 64, 4)
    every = min(padded(lengths, ((a,), (b,), (60,))) for a in options for b in options if a < b < 60)
    assert chosen == every


def test_length_buckets_of_pairs():
    lengths = np.array([(3, 9), (4, 4), (30, 5), (7, 28)])
    shapes = length_buckets(lengths, limit=2)
    assert all(a <= b for low, high in pairwise(shapes) for a, b in zip(low, high, strict=True))
    for shape, positions in assign_buckets(lengths, shapes):
        assert (lengths[positions] <= np.array(shape)).all()


def test_longer_evaluation_examples_are_kept():
    lengths = np.array([3, 8, 98])
    with pytest.raises(ValueError, match="do not fit"):
        assign_buckets(lengths, ((4,), (8,)))
    grown = grow(((4,), (8,)), lengths)
    assert grown == ((4,), (100,))
    assert [(shape, positions.tolist()) for shape, positions in assign_buckets(lengths, grown)] == [
        ((4,), [0]),
        ((100,), [1, 2]),
    ]
