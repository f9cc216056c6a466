"""What a data set is: splits of length buckets, and what is known about them. numpy only.

A bucket holds examples of one shape. Its `arrays` go to the device once; a batch is then fancy indexing, so `take`
runs on numpy arrays and inside a compiled step alike. Everything is checked here, on the host, when a `Dataset` is
made: a compiled program turns a bad index into silence.
"""

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from grux.batch import PAD, Batch, Info, Marks
from grux.errors import DataError


class Bucket(ABC):
    """n examples of one shape."""

    arrays: dict[str, np.ndarray]
    """What `take` reads; put on the device once."""
    ids: np.ndarray
    """int32 [n]: the position of each example in the split's original order."""
    in_order: bool = False
    """Whether examples are read one after the other in streams, and never mixed."""
    streams: int | None = None
    """How many streams are read side by side where `in_order`; None: as many as a batch has rows."""

    @property
    def size(self) -> int:
        return len(self.ids)

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """The padded steps of one example: (T,) or (T, S)."""

    @property
    def lengths(self) -> np.ndarray:
        """int [n]: by what scores are told apart by length: the input steps, where the data call nothing else so."""
        return take_rows(self, self.arrays, np.arange(self.size)).mask.sum(1)

    @abstractmethod
    def take(self, arrays: Mapping[str, Any], index: Any) -> Batch:
        """The examples `index`, int [B] with 0 <= index < n, out of `arrays` (numpy, or traced by JAX)."""

    @abstractmethod
    def check(self, info: Info, where: str) -> None:
        """Raise `DataError` if an example does not fit `info`; `where` names data set and split."""


class LabelledSequences(Bucket):
    """Token sequences with one class each."""

    def __init__(self, *, tokens: np.ndarray, lengths: np.ndarray, labels: np.ndarray, ids: np.ndarray):
        """tokens int32 [n, T] padded on the right; lengths, labels and ids int32 [n]."""
        self.arrays = {"tokens": tokens, "lengths": lengths, "labels": labels}
        self.ids = ids

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.arrays["tokens"].shape[1],)

    def take(self, arrays: Mapping[str, Any], index: Any) -> Batch:
        inputs, mask = _tokens_and_mask(arrays["tokens"], arrays["lengths"], index)
        return Batch(inputs, mask, arrays["labels"][index], index >= 0)

    def check(self, info: Info, where: str) -> None:
        _check_tokens(self.arrays["tokens"], self.arrays["lengths"], info.vocabulary, self.ids, where)
        _check_range(self.arrays["labels"], len(info.classes or ()), self.ids, where, "class")


class TokenPairs(Bucket):
    """Pairs of a source and a target token sequence; targets end with EOS."""

    def __init__(
        self,
        *,
        sources: np.ndarray,
        source_lengths: np.ndarray,
        targets: np.ndarray,
        target_lengths: np.ndarray,
        ids: np.ndarray,
    ):
        """sources int32 [n, T] and targets int32 [n, S], padded on the right; lengths and ids int32 [n]."""
        self.arrays = {
            "sources": sources,
            "source_lengths": source_lengths,
            "targets": targets,
            "target_lengths": target_lengths,
        }
        self.ids = ids

    @property
    def shape(self) -> tuple[int, ...]:
        return self.arrays["sources"].shape[1], self.arrays["targets"].shape[1]

    def take(self, arrays: Mapping[str, Any], index: Any) -> Batch:
        return Batch(
            *_tokens_and_mask(arrays["sources"], arrays["source_lengths"], index),
            *_tokens_and_mask(arrays["targets"], arrays["target_lengths"], index),
        )

    def check(self, info: Info, where: str) -> None:
        a = self.arrays
        _check_tokens(a["sources"], a["source_lengths"], info.vocabulary, self.ids, f"{where} source")
        _check_tokens(a["targets"], a["target_lengths"], info.target_vocabulary, self.ids, f"{where} target")


class Windows(Bucket):
    """Windows over a series: T steps to see, the next S steps to foretell. The series is stored once."""

    def __init__(
        self,
        *,
        series: np.ndarray,
        starts: np.ndarray,
        window: int,
        horizon: int,
        ids: np.ndarray,
        lead: int = 1,
        covariates: int = 0,
    ):
        """series float32 [N, D + C], the C `covariates` behind; starts int32 [n], the first row of each window.

        The first row to foretell is `lead` rows behind the last one to see.
        """
        self.arrays = {"series": series, "starts": starts}
        self.window, self.horizon, self.lead, self.covariates = window, horizon, lead, covariates
        self.ids = ids

    @property
    def shape(self) -> tuple[int, ...]:
        return self.window, self.horizon

    @property
    def rows(self) -> int:
        """From the first row to see to the last one to foretell."""
        return self.window + self.lead - 1 + self.horizon

    def take(self, arrays: Mapping[str, Any], index: Any) -> Batch:
        offsets = np.arange(self.rows, dtype=np.int32)
        rows = arrays["series"][arrays["starts"][index][:, None] + offsets[None, :]]
        count, ahead = index.shape[0], rows[:, -self.horizon :]
        channels = rows.shape[-1] - self.covariates
        return Batch(
            inputs=rows[:, : self.window],
            mask=np.ones((count, self.window), bool),
            targets=ahead[..., :channels],
            target_mask=np.ones((count, self.horizon), bool),
            future=ahead[..., channels:] if self.covariates else None,
        )

    def check(self, info: Info, where: str) -> None:
        series, starts = self.arrays["series"], self.arrays["starts"]
        covariates = len(info.covariates or ())
        if series.ndim != 2 or series.shape[1] != (info.features or 0) + covariates or self.covariates != covariates:
            raise DataError(
                f"{where}: the series has shape {series.shape}, but {info.features} channels and {covariates} "
                "covariates are declared."
            )
        bad = np.argwhere(~np.isfinite(series))
        if len(bad):
            row, column = bad[0]
            raise DataError(
                f"{where}: row {row}, channel {column} is {series[row, column]}; every value must be finite."
            )
        if (*self.shape, self.lead) != (info.window, info.horizon, info.lead):
            raise DataError(f"{where}: windows of {self.shape} steps, but {(info.window, info.horizon)} are declared.")
        last = len(series) - self.rows
        outside = np.flatnonzero((starts < 0) | (starts > last))
        if len(outside):
            raise DataError(f"{where}: window {outside[0]} starts at row {starts[outside[0]]}, outside 0..{last}.")


class Subset(Bucket):
    """Some examples of another bucket, which keeps the arrays."""

    def __init__(self, bucket: Bucket, rows: np.ndarray):
        """rows int [n]: positions in the bucket."""
        self.arrays = bucket.arrays
        self.ids = bucket.ids[rows]
        self._bucket, self._rows = bucket, rows

    @property
    def shape(self) -> tuple[int, ...]:
        return self._bucket.shape

    @property
    def lengths(self) -> np.ndarray:
        return self._bucket.lengths[self._rows]

    def take(self, arrays: Mapping[str, Any], index: Any) -> Batch:
        return self._bucket.take(arrays, self._rows[index])

    def check(self, info: Info, where: str) -> None:
        self._bucket.check(info, where)


@dataclass(frozen=True)
class Split:
    """One part of the data."""

    buckets: tuple[Bucket, ...]
    references: tuple[str, ...] | None = None
    """The raw target string of each example id (translation)."""
    marks: Marks | None = None
    """What is judged, the steps of example id i in row i (anomaly detection)."""

    @property
    def size(self) -> int:
        return sum(bucket.size for bucket in self.buckets)


@dataclass(frozen=True)
class Dataset:
    """All splits ("train", "validation", "test", further test splits) and what is known about them; checked."""

    info: Info
    splits: dict[str, Split]
    files: dict[str, str]
    """SHA-256 of each raw file, by name."""
    artifacts: dict[str, bytes] = field(default_factory=dict)
    """Files to save with a run: vocabularies, tokenisers."""
    decode: Callable[[np.ndarray], str] | None = None
    """Token ids int [L] to the text they stand for, up to the first EOS (translation)."""
    notes: tuple[str, ...] = ()
    """What was done to the data that a reader of the numbers should know, one sentence each."""

    def __post_init__(self) -> None:
        for name in ("train", "validation", "test"):
            if name not in self.splits:
                raise DataError(f"{self.info.name}: the {name} split is missing.")
        for name, split in self.splits.items():
            check_split(split, self.info, f"{self.info.name} {name}")

    @property
    def fingerprint(self) -> str:
        """16 hex digits of everything that decides which numbers a model sees in which order."""
        shapes = {
            name: [(bucket.shape, bucket.size) for bucket in split.buckets] for name, split in self.splits.items()
        }
        text = json.dumps([self.files, self.artifact_hashes, shapes], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def artifact_hashes(self) -> dict[str, str]:
        """SHA-256 of each artifact, by name."""
        return {name: hashlib.sha256(content).hexdigest() for name, content in self.artifacts.items()}


def check_split(split: Split, info: Info, where: str) -> None:
    """Raise `DataError` if a split is empty, an id is lost or doubled, or an example does not fit `info`."""
    if split.size == 0:
        raise DataError(f"{where}: the split is empty; check the filters and the sizes of the splits.")
    ids = np.sort(np.concatenate([bucket.ids for bucket in split.buckets]))
    if not np.array_equal(ids, np.arange(split.size)):
        raise DataError(f"{where}: example ids are not 0..{split.size - 1}, each once.")
    if split.references is not None and len(split.references) != split.size:
        raise DataError(f"{where}: {len(split.references)} references for {split.size} examples.")
    if split.marks is not None:
        _check_marks(split.marks, split.size, where)
    for bucket in split.buckets:
        bucket.check(info, where)


def take_rows(bucket: Bucket, arrays: Mapping[str, Any], index: Any) -> Batch:
    """The examples `index`, int [B]; index -1 makes a filler row, whose masks are false everywhere."""
    real = index >= 0
    # A filler row copies example 0: a valid place to read, hidden by its masks.
    batch = bucket.take(arrays, index * real)
    target_real = real if batch.target_mask.ndim == 1 else real[:, None]
    return batch._replace(mask=batch.mask & real[:, None], target_mask=batch.target_mask & target_real)


def in_batches(bucket: Bucket, size: int) -> Iterator[tuple[Batch, np.ndarray]]:
    """All examples in their order, `size` at a time, so that one program does: (batch, bool [size] of no fillers)."""
    for first in range(0, bucket.size, size):
        index = np.arange(first, first + size, dtype=np.int32)
        real = index < bucket.size
        yield take_rows(bucket, bucket.arrays, np.where(real, index, -1)), real


def _check_marks(marks: Marks, size: int, where: str) -> None:
    judged = np.unique(marks.items[marks.items >= 0])
    if len(marks.items) != size or not np.array_equal(judged, np.arange(len(judged))):
        raise DataError(f"{where}: the judged items are not 0..{len(judged) - 1}, each in one of {size} examples.")
    if marks.labels is not None and (marks.labels.dtype != bool or len(marks.labels) != len(judged)):
        raise DataError(f"{where}: {len(marks.labels)} labels for {len(judged)} judged items.")


def _tokens_and_mask(tokens: Any, lengths: Any, index: Any) -> tuple[Any, Any]:
    steps = np.arange(tokens.shape[1], dtype=np.int32)
    return tokens[index], steps[None, :] < lengths[index][:, None]


def _check_tokens(tokens: np.ndarray, lengths: np.ndarray, vocabulary: int | None, ids: np.ndarray, where: str) -> None:
    if tokens.ndim != 2 or len(lengths) != len(tokens) or len(ids) != len(tokens):
        raise DataError(f"{where}: tokens {tokens.shape}, lengths {lengths.shape} and ids {ids.shape} do not agree.")
    empty = np.flatnonzero(lengths < 1)
    if len(empty):
        raise DataError(f"{where}: example {ids[empty[0]]} has no token; remove it or give it text.")
    if lengths.max(initial=0) > tokens.shape[1]:
        raise DataError(f"{where}: a length of {lengths.max()} in an array of {tokens.shape[1]} steps.")
    padding = np.arange(tokens.shape[1]) >= lengths[:, None]
    stray = np.flatnonzero((padding & (tokens != PAD)).any(1))
    if len(stray):
        raise DataError(f"{where}: example {ids[stray[0]]} has tokens after its end; padding stands on the right.")
    _check_range(tokens, vocabulary or 0, ids, where, "token id")


def _check_range(values: np.ndarray, limit: int, ids: np.ndarray, where: str, what: str) -> None:
    bad = np.argwhere((values < 0) | (values >= limit))
    if len(bad):
        place = tuple(bad[0])
        raise DataError(f"{where}: example {ids[place[0]]} has {what} {values[place]}, outside 0..{limit - 1}.")
