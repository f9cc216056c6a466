"""From splits to batches: length buckets, and the plan of an epoch as arrays of example numbers.

A plan is a pure function of its arguments: nothing is drawn, so a position (epoch, chunk number) is all that a
checkpoint has to hold. The sequence of buckets and chunk sizes depends on the epoch alone, the same for every seed, so
that seeds share one compiled program; which examples fill them depends on (seed, epoch).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from grux.data.base import Bucket, Dataset, Split
from grux.data.permutation import permutation
from grux.errors import DataError

MIXED_STEPS = 4  # few enough to mix, enough to hide the dispatch behind the steps


@dataclass(frozen=True)
class Chunk:
    """Some steps over one bucket, to run in one dispatch."""

    bucket: int
    """Which bucket of the split."""
    index: np.ndarray
    """int32 [S, K, B] (S seeds) in training, [K, B] in evaluation: examples of the bucket, -1 where there is none."""
    steps: int
    """The first `steps` of the K rows are real."""


def check_batch_size(dataset: Dataset, batch_size: int) -> None:
    """Raise `DataError` if one batch is larger than the training split."""
    size = dataset.splits["train"].size
    if batch_size > size:
        raise DataError(
            f"batch_size={batch_size} is larger than the {size} training examples; choose batch_size <= {size}."
        )


def steps_per_epoch(split: Split, batch_size: int) -> int:
    """Optimiser steps that `epoch_plan` makes of one epoch."""
    return sum(_batches(bucket.size, width_of(bucket, batch_size)) for bucket in split.buckets)


def epoch_plan(split: Split, *, batch_size: int, seeds: Sequence[int], epoch: int, steps_per_chunk: int) -> list[Chunk]:
    """Every example once per seed. K is the same for all chunks of a bucket and at most `steps_per_chunk`.

    With several buckets also at most MIXED_STEPS, so that the lengths mix and an epoch does not end on a long stretch
    of one length. Examples that are read in order come so, to every seed and in every epoch.
    """
    if len(split.buckets) > 1:
        steps_per_chunk = min(steps_per_chunk, MIXED_STEPS)
    chunks = []
    for number, bucket in enumerate(split.buckets):
        if bucket.in_order:
            grid = _streams(bucket, batch_size)
            return _cut(np.stack([grid] * len(seeds)), number, steps_per_chunk)
        # Members of one program may share a seed, and then its order.
        orders = {seed: permutation(bucket.size, seed=seed, epoch=epoch, stream=f"bucket {number}") for seed in seeds}
        grids = {seed: _grid(order, batch_size) for seed, order in orders.items()}
        grid = np.stack([grids[seed] for seed in seeds])
        chunks += _cut(grid, number, steps_per_chunk)
    return [chunks[i] for i in permutation(len(chunks), seed=0, epoch=epoch, stream="chunks")]


def eval_plan(split: Split, batch_size: int, steps_per_chunk: int | None = None) -> list[Chunk]:
    """Every example once, in a fixed order; one chunk per bucket unless `steps_per_chunk` says less."""
    chunks = []
    for number, bucket in enumerate(split.buckets):
        in_turn = np.arange(bucket.size, dtype=np.int32)
        grid = _streams(bucket, batch_size) if bucket.in_order else _grid(in_turn, batch_size)
        chunks += _cut(grid, number, steps_per_chunk or len(grid))
    return chunks


def width_of(bucket: Bucket, batch_size: int) -> int:
    """Rows of a batch of this bucket."""
    return bucket.streams or batch_size


def _streams(bucket: Bucket, batch_size: int) -> np.ndarray:
    """int32 [batches, rows]: each row reads an equal stretch of the examples, in their order."""
    rows = width_of(bucket, batch_size)
    steps = _batches(bucket.size, rows)
    grid = np.arange(rows, dtype=np.int32)[None, :] * steps + np.arange(steps, dtype=np.int32)[:, None]
    return np.where(grid < bucket.size, grid, -1).astype(np.int32)


def _batches(size: int, batch_size: int) -> int:
    return -(-size // batch_size)


def _grid(order: np.ndarray, batch_size: int) -> np.ndarray:
    """int32 [batches, B]. Examples are spread evenly, so that no step of an epoch learns from a stump of a batch."""
    rows = np.array_split(order, _batches(len(order), batch_size))
    grid = np.full((len(rows), batch_size), -1, np.int32)
    for row, values in zip(grid, rows, strict=True):
        row[: len(values)] = values
    return grid


def _cut(grid: np.ndarray, bucket: int, steps_per_chunk: int) -> list[Chunk]:
    """Cut the batch axis (the second last) into chunks of one capacity, chosen so that few rows stay empty."""
    steps = grid.shape[-2]
    count = -(-steps // steps_per_chunk)
    capacity = -(-steps // count)
    chunks = []
    for start in range(0, steps, capacity):
        part = grid[..., start : start + capacity, :]
        real = part.shape[-2]
        fill = [(0, 0)] * (grid.ndim - 2) + [(0, capacity - real), (0, 0)]
        chunks.append(Chunk(bucket, np.pad(part, fill, constant_values=-1), real))
    return chunks


def length_buckets(
    lengths: np.ndarray, *, limit: int = 5, multiple: int = 4, tolerance: float = 0.03
) -> tuple[tuple[int, ...], ...]:
    """The shapes to pad to, from the lengths of the training split.

    `lengths` is int [n] or, for sources and targets, [n, k]. Returns at most `limit` shapes of k steps, each a
    `multiple`, growing in every axis, such that the padded steps of all examples are least (dynamic programming over
    the possible cuts); of the numbers of shapes within `tolerance` of the least, the smallest, as each shape is
    compiled anew.
    """
    rounded = -(-np.asarray(lengths).reshape(len(lengths), -1) // multiple) * multiple
    cuts, group = np.unique(rounded.max(1), return_inverse=True)
    sizes = np.bincount(group)
    longest = np.zeros((len(cuts), rounded.shape[1]), int)
    np.maximum.at(longest, group, rounded)
    longest = np.maximum.accumulate(longest)

    def cost(first: int, last: int) -> int:
        return int(sizes[first : last + 1].sum() * longest[last].sum())

    # best[m]: the least cost of groups 0..m with so many shapes so far, and the last group of each shape.
    best: list[tuple[int, tuple[int, ...]]] = [(cost(0, m), (m,)) for m in range(len(cuts))]
    found = [best[-1]]
    for _ in range(1, min(limit, len(cuts))):
        best = [
            min([best[m]] + [(best[j][0] + cost(j + 1, m), (*best[j][1], m)) for j in range(m)])
            for m in range(len(cuts))
        ]
        found.append(best[-1])
    least = min(total for total, _ in found)
    ends = next(ends for total, ends in found if total <= least * (1 + tolerance))
    return tuple(tuple(int(v) for v in longest[m]) for m in ends)


def grow(shapes: Sequence[tuple[int, ...]], lengths: np.ndarray, multiple: int = 4) -> tuple[tuple[int, ...], ...]:
    """The shapes with the last one large enough for all `lengths`: evaluation examples are never cut."""
    longest = -(-np.asarray(lengths).reshape(len(lengths), -1).max(0) // multiple) * multiple
    return (*shapes[:-1], tuple(int(v) for v in np.maximum(shapes[-1], longest)))


def assign_buckets(lengths: np.ndarray, shapes: Sequence[tuple[int, ...]]) -> list[tuple[tuple[int, ...], np.ndarray]]:
    """[(shape, positions int [m]), ...]: each example in the first shape that holds it, empty shapes left out."""
    lengths = np.asarray(lengths).reshape(len(lengths), -1)
    fits = np.stack([(lengths <= np.array(shape)).all(1) for shape in shapes], 1)
    if not fits.any(1).all():
        raise ValueError(f"lengths up to {lengths.max(0)} do not fit into {shapes[-1]}.")
    group = fits.argmax(1)
    found = ((shape, np.flatnonzero(group == number)) for number, shape in enumerate(shapes))
    return [(tuple(shape), positions) for shape, positions in found if len(positions)]
