"""Buckets of float sequences of different lengths, such as frames of speech: with a class each, or with a text each."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from grux.batch import SPECIAL_TOKENS, Batch, Info
from grux.data.base import Bucket
from grux.errors import DataError


class LabelledFrames(Bucket):
    """n float sequences with one class each."""

    def __init__(self, *, frames: np.ndarray, lengths: np.ndarray, labels: np.ndarray, ids: np.ndarray):
        """frames float32 [n, T, D], zero after the end; lengths, labels and ids int32 [n]."""
        self.arrays = {"frames": frames, "lengths": lengths, "labels": labels}
        self.ids = ids

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.arrays["frames"].shape[1],)

    def take(self, arrays: Mapping[str, Any], index: Any) -> Batch:
        inputs, mask = _frames_and_mask(arrays, index)
        return Batch(inputs, mask, arrays["labels"][index], index >= 0)

    def check(self, info: Info, where: str) -> None:
        _check_frames(self, info, where)
        labels, classes = self.arrays["labels"], len(info.classes or ())
        wrong = np.flatnonzero((labels < 0) | (labels >= classes))
        if len(wrong):
            raise DataError(f"{where}: example {self.ids[wrong[0]]} has class {labels[wrong[0]]} of {classes}.")


class TranscribedFrames(Bucket):
    """n float sequences with a text each, as token ids without EOS: what is said, not when."""

    def __init__(
        self, *, frames: np.ndarray, lengths: np.ndarray, tokens: np.ndarray, token_lengths: np.ndarray, ids: np.ndarray
    ):
        """frames float32 [n, T, D] and tokens int32 [n, S], zero after the end; lengths and ids int32 [n]."""
        self.arrays = {"frames": frames, "lengths": lengths, "tokens": tokens, "token_lengths": token_lengths}
        self.ids = ids

    @property
    def shape(self) -> tuple[int, ...]:
        return self.arrays["frames"].shape[1], self.arrays["tokens"].shape[1]

    def take(self, arrays: Mapping[str, Any], index: Any) -> Batch:
        inputs, mask = _frames_and_mask(arrays, index)
        places = np.arange(arrays["tokens"].shape[1], dtype=np.int32)
        target_mask = places[None, :] < arrays["token_lengths"][index][:, None]
        return Batch(inputs, mask, arrays["tokens"][index], target_mask)

    def check(self, info: Info, where: str) -> None:
        _check_frames(self, info, where)
        tokens, lengths = self.arrays["tokens"], self.arrays["token_lengths"]
        outside = np.flatnonzero((lengths < 1) | (lengths > tokens.shape[1]))
        if len(outside):
            row = outside[0]
            raise DataError(
                f"{where}: example {self.ids[row]} has {lengths[row]} tokens, outside 1..{tokens.shape[1]}."
            )
        for row, (line, length, steps) in enumerate(zip(tokens, lengths, self.arrays["lengths"], strict=True)):
            real = line[:length]
            if (real < len(SPECIAL_TOKENS)).any() or (real >= (info.target_vocabulary or 0)).any():
                raise DataError(
                    f"{where}: the text of example {self.ids[row]} has a character that no training text has, and a "
                    "model cannot write it; leave the example out or add such texts."
                )
            if line[length:].any():
                raise DataError(f"{where}: the text of example {self.ids[row]} goes on after its end.")
            if steps < (needed := steps_needed(real)):
                raise DataError(
                    f"{where}: example {self.ids[row]} has {steps} steps, and its text of {length} characters needs "
                    f"{needed}: one for each, and a blank between two equal ones; choose a smaller data.stack."
                )


def steps_needed(tokens: np.ndarray) -> int:
    """The fewest steps that have an alignment with these tokens: equal neighbours want a blank between them."""
    return len(tokens) + int((tokens[1:] == tokens[:-1]).sum())


def pad_frames(sequences: list[np.ndarray], steps: int) -> tuple[np.ndarray, np.ndarray]:
    """float32 [n, steps, D], zeros on the right, and lengths int32 [n], of sequences [T, D]."""
    frames = np.zeros((len(sequences), steps, sequences[0].shape[1]), np.float32)
    for row, sequence in zip(frames, sequences, strict=True):
        row[: len(sequence)] = sequence
    return frames, np.array([len(sequence) for sequence in sequences], np.int32)


def _frames_and_mask(arrays: Mapping[str, Any], index: Any) -> tuple[Any, Any]:
    steps = np.arange(arrays["frames"].shape[1], dtype=np.int32)
    return arrays["frames"][index], steps[None, :] < arrays["lengths"][index][:, None]


def _check_frames(bucket: Bucket, info: Info, where: str) -> None:
    frames, lengths = bucket.arrays["frames"], bucket.arrays["lengths"]
    if frames.ndim != 3 or frames.shape[2] != info.features or not len(frames) == len(lengths) == len(bucket.ids):
        raise DataError(
            f"{where}: frames {frames.shape}, lengths {lengths.shape} and ids {bucket.ids.shape} do not fit "
            f"{info.features} channels."
        )
    outside = np.flatnonzero((lengths < 1) | (lengths > frames.shape[1]))
    if len(outside):
        row = outside[0]
        raise DataError(
            f"{where}: example {bucket.ids[row]} has {lengths[row]} steps, outside 1..{frames.shape[1]}; where it has "
            "none, choose a smaller data.stack."
        )
    bad = np.flatnonzero(~np.isfinite(frames).all((1, 2)))
    if len(bad):
        raise DataError(f"{where}: example {bucket.ids[bad[0]]} has a value that is not finite.")
    padding = np.arange(frames.shape[1])[None, :] >= lengths[:, None]
    stray = np.flatnonzero((padding & frames.any(2)).any(1))
    if len(stray):
        raise DataError(f"{where}: example {bucket.ids[stray[0]]} goes on after its end.")
