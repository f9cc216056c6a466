"""The adding problem: the sum of two marked numbers of a long sequence (Hochreiter and Schmidhuber 1997). Generated.

Each step has a number, drawn evenly from 0 to 1, and a mark, 1 at two steps and 0 at all others; at the last step the
sum of the two marked numbers is to be told. The marks stand at any two steps, as in Bai et al. 2018 (arXiv 1803.01271).
Always saying 1 has a mean squared error of 1/6, the variance of the sum.
"""

from collections.abc import Sequence

import numpy as np

from grux.arguments import NonNegativeInt, PositiveInt
from grux.batch import Info
from grux.data.answers import UNBOUNDED, Answers, Rows, answered, lengths_in_words, lengths_of_splits
from grux.data.base import Dataset
from grux.data.card import Card
from grux.data.files import RawFile
from grux.data.permutation import random_integers
from grux.errors import UsageError

FILES: tuple[RawFile, ...] = ()
CARD = Card(
    name="adding",
    task="regression",
    summary="The sum of two marked numbers (Hochreiter and Schmidhuber 1997), tested on longer sequences; generated.",
    sizes={"train": 8192, "validation": 512, "test": 1024},
    licence="generated",
)
GRAIN = 2**24  # numbers are whole parts of this: exact in float32
LENGTHS: Sequence[int] = range(2, 2 + UNBOUNDED)


def adding(
    *,
    shortest: PositiveInt,
    train_length: PositiveInt,
    test_length: PositiveInt | None,
    train: PositiveInt,
    validation: PositiveInt,
    test: PositiveInt,
    buckets: PositiveInt,
    data_seed: NonNegativeInt,
) -> Dataset:
    """Training lengths are drawn from `shortest` to `train_length`; test lengths go on from there to `test_length`.

    `test_length` null: tests have the lengths of training. `buckets`: padded shapes at most, of training and of tests.
    """
    lengths = lengths_of_splits(
        CARD.name,
        LENGTHS,
        shortest=shortest,
        train_length=train_length,
        test_length=test_length,
        sizes={"train": train, "validation": validation, "test": test},
        seed=data_seed,
    )
    rows = {split: rows_of(own, seed=data_seed, stream=split) for split, own in lengths.items()}
    mean = float(rows["train"].targets[rows["train"].asked].mean())
    info = Info(name=CARD.name, task=CARD.task, features=2, means=(mean,))
    return Dataset(info, answered(rows, buckets=buckets, apart=test_length is not None), files={})


def fresh(length: int, *, count: int, seed: int) -> Answers:
    """Sequences of one length, drawn for themselves; UsageError where there is none of that length."""
    if length not in LENGTHS:
        raise UsageError(f"adding has no sequences of length {length}; it has {lengths_in_words(LENGTHS)}.")
    rows = rows_of(np.full(count, length), seed=seed, stream=f"fresh {length}")
    return Answers(rows, ids=np.arange(count, dtype=np.int32))


def rows_of(lengths: np.ndarray, *, seed: int, stream: str) -> Rows:
    """One sequence for each of the lengths."""
    count, longest = len(lengths), int(lengths.max())
    drawn = random_integers(count * longest, below=GRAIN, seed=seed, stream=f"adding {stream} numbers")
    real = np.arange(longest)[None, :] < lengths[:, None]
    numbers = np.where(real, drawn.reshape(count, longest) / np.float32(GRAIN), 0).astype(np.float32)
    # The second place out of those that are left: one that is not before the first moves on by one.
    places = random_integers(2 * count, below=2**31 - 1, seed=seed, stream=f"adding {stream} places").reshape(2, count)
    first, second = places[0] % lengths, places[1] % (lengths - 1)
    second = second + (second >= first)
    row = np.arange(count)
    marks = np.zeros((count, longest), np.float32)
    marks[row, first] = marks[row, second] = 1
    asked = np.arange(longest)[None, :] == lengths[:, None] - 1
    sums = numbers[row, first] + numbers[row, second]
    targets = np.where(asked, sums[:, None], 0).astype(np.float32)[..., None]
    return Rows(np.stack([numbers, marks], -1), lengths.astype(np.int32), targets, asked, lengths.astype(np.int32))
