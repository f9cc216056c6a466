"""A bucket of sequences of which some steps are to be answered, by a class or by numbers; and its splits by length.

Trained on short sequences, tested on longer ones: whether a rule was learned or only its short cases is seen beyond the
lengths of training (Delétang et al. 2022, arXiv 2207.02098).
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from grux.batch import Batch, Info
from grux.data.base import Bucket, Split
from grux.data.batching import assign_buckets, grow, length_buckets
from grux.data.permutation import random_integers
from grux.errors import DataError, UsageError


class Rows(NamedTuple):
    """n sequences. Where a step is not asked its target is 0; after the last of its `steps` so is its input."""

    inputs: np.ndarray
    """int32 [n, T] token ids, or float32 [n, T, D]."""
    steps: np.ndarray
    """int32 [n]: real steps, those of the answers included."""
    targets: np.ndarray
    """int32 [n, T] classes, or float32 [n, T, K] numbers."""
    asked: np.ndarray
    """bool [n, T]."""
    lengths: np.ndarray
    """int32 [n]: what the data call the length of a sequence."""


class Answers(Bucket):
    """n sequences of at most T steps."""

    def __init__(self, rows: Rows, *, ids: np.ndarray):
        self.arrays = {name: array for name, array in rows._asdict().items() if name != "lengths"}
        self.ids = ids
        self._lengths = rows.lengths

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.arrays["inputs"].shape[1],)

    @property
    def lengths(self) -> np.ndarray:
        return self._lengths

    def take(self, arrays: Mapping[str, Any], index: Any) -> Batch:
        real = np.arange(self.shape[0], dtype=np.int32)[None, :] < arrays["steps"][index][:, None]
        return Batch(arrays["inputs"][index], real, arrays["targets"][index], arrays["asked"][index])

    def check(self, info: Info, where: str) -> None:
        inputs, steps, targets, asked = (self.arrays[name] for name in ("inputs", "steps", "targets", "asked"))
        if not (inputs.shape[:2] == targets.shape[:2] == asked.shape and len(steps) == len(inputs) == len(self.ids)):
            raise DataError(f"{where}: inputs {inputs.shape}, targets {targets.shape} and asked {asked.shape} differ.")
        real = np.arange(inputs.shape[1])[None, :] < steps[:, None]
        for wrong, what in (
            ((steps < 1) | (steps > inputs.shape[1]), f"a number of steps outside 1..{inputs.shape[1]}"),
            ((asked & ~real).any(1) | ~asked.any(1), "no answer, or one after its end"),
            (_outside(inputs, info.vocabulary), f"inputs outside 0..{(info.vocabulary or 0) - 1}, or not finite"),
            (_outside(targets, len(info.classes) if info.classes else None), "targets outside the classes"),
        ):
            if wrong.any():
                raise DataError(f"{where}: example {self.ids[np.flatnonzero(wrong)[0]]} has {what}.")


def _outside(values: np.ndarray, limit: int | None) -> np.ndarray:
    """bool [n]: rows with a number that is not one of 0 .. limit - 1 or, without a limit, not finite."""
    wrong = ~np.isfinite(values) if limit is None else (values < 0) | (values >= limit)
    return np.asarray(wrong.reshape(len(values), -1).any(1))


def seen_in_training(rows: Mapping[str, Rows]) -> tuple[str, ...]:
    """A note for each split of which 1 % or more is in the training split too: there are few short sequences."""
    splits = {split: [_without_padding(own, row) for row in range(len(own.steps))] for split, own in rows.items()}
    train = set(splits["train"])
    shares = {split: np.mean([row in train for row in own]) for split, own in splits.items() if split != "train"}
    return tuple(
        f"{share:.0%} of the {split} sequences are trained on as well, as there are so few of these lengths."
        for split, share in shares.items()
        if share >= SHARE
    )


SHARE = 0.01


def _without_padding(rows: Rows, row: int) -> bytes:
    """A sequence, the same for every padded length."""
    return rows.inputs[row, : rows.steps[row]].tobytes()


def lengths_of_splits(
    name: str,
    there: Sequence[int],
    *,
    shortest: int,
    train_length: int,
    test_length: int | None,
    sizes: Mapping[str, int],
    seed: int,
) -> dict[str, np.ndarray]:
    """int [n] for each split of `sizes`, out of the lengths that are `there`.

    Training and validation: drawn evenly from `shortest` to `train_length`. Test: each length from there on to
    `test_length` as often as any other, so that the mean over sequences is the mean over lengths; where that is None,
    each of the lengths of training. Raises UsageError where there is no length left.
    """
    if test_length is not None and test_length <= train_length:
        raise UsageError(
            f"data.test_length={test_length} is not above data.train_length={train_length}; give longer test "
            "sequences, or data.test_length=null for those of training."
        )
    short = _between(name, there, "shortest", shortest, "train_length", train_length)
    long = short
    if test_length is not None:
        long = _between(name, there, "train_length", train_length + 1, "test_length", test_length)
    found = {}
    for split, size in sizes.items():
        if split == "test":
            found[split] = long[np.arange(size) * len(long) // size]
        else:
            found[split] = short[random_integers(size, below=len(short), seed=seed, stream=f"{name} {split} lengths")]
    return found


def _between(name: str, there: Sequence[int], first: str, low: int, last: str, high: int) -> np.ndarray:
    found = np.array([length for length in there if low <= length <= high])
    if not len(found):
        raise UsageError(
            f"data.name={name} has no sequence of a length from {low} to {high}, by data.{first} and data.{last}; "
            f"it has {lengths_in_words(there)}."
        )
    return found


def lengths_in_words(there: Sequence[int]) -> str:
    """ "lengths 2, 4, 6, ..., 128"."""
    last = f" up to {there[-1]}" if len(there) < UNBOUNDED else ", ..."
    return f"lengths {', '.join(map(str, there[:3]))}{last}"


UNBOUNDED = 10_000
"""More lengths than this are as good as all."""


def answered(rows: Mapping[str, Rows], *, buckets: int, apart: bool) -> dict[str, Split]:
    """The splits, padded to at most `buckets` shapes; `apart`: the test has shapes of its own."""
    shapes = length_buckets(rows["train"].steps, limit=buckets)
    for name, part in rows.items():
        if name != "test" or not apart:
            shapes = grow(shapes, part.steps)
    own = length_buckets(rows["test"].steps, limit=buckets) if apart else shapes
    return {name: _split(part, own if name == "test" else shapes) for name, part in rows.items()}


def _split(rows: Rows, shapes: tuple[tuple[int, ...], ...]) -> Split:
    return Split(
        tuple(
            Answers(Rows(*(_padded(array[ids], width) for array in rows)), ids=ids.astype(np.int32))
            for (width,), ids in assign_buckets(rows.steps, shapes)
        )
    )


def _padded(array: np.ndarray, width: int) -> np.ndarray:
    """[n, T, ...] cut or padded with zeros to `width` steps; [n] as it is."""
    if array.ndim == 1:
        return array
    room = max(width - array.shape[1], 0)
    return np.pad(array[:, :width], [(0, 0), (0, room), *[(0, 0)] * (array.ndim - 2)])
