"""Shared by the speech sets: utterances of known class, or with a text, as data sets of padded frames."""

from collections.abc import Mapping, Sequence
from itertools import compress

import numpy as np

from grux.batch import UNKNOWN, Info
from grux.data.base import Dataset, Split
from grux.data.batching import assign_buckets, length_buckets
from grux.data.frames import LabelledFrames, TranscribedFrames, pad_frames, steps_needed
from grux.data.frontend import FILE_NAME, FrontEnd
from grux.data.texts import pad
from grux.data.tokenise import Tokenizer, learn_tokenizer
from grux.errors import DataError

Spoken = tuple[np.ndarray, str]
"""Steps float32 [T, D] and what is said."""


def fitted_steps(
    front: FrontEnd, sounds: Mapping[str, Sequence[np.ndarray]]
) -> tuple[FrontEnd, dict[str, list[np.ndarray]]]:
    """The front end with the statistics of the training sounds, and the steps of every sound, float [N] in -1 to 1."""
    frames = {split: [front.frames(samples) for samples in each] for split, each in sounds.items()}
    front = front.fitted(frames["train"])
    return front, {split: [front.steps(rows) for rows in each] for split, each in frames.items()}


def classified(
    *,
    name: str,
    front: FrontEnd,
    steps: Mapping[str, Sequence[np.ndarray]],
    labels: Mapping[str, Sequence[int]],
    classes: tuple[str, ...],
    files: dict[str, str],
    buckets: int,
) -> Dataset:
    """Utterances [T, D] of each split with the number of their class, padded to `buckets` shapes."""
    lengths = {split: np.array([len(rows) for rows in each]) for split, each in steps.items()}
    shapes = _shapes(lengths, buckets)
    splits = {}
    for split, each in steps.items():
        numbers, made = np.array(labels[split], np.int32), []
        for (longest,), ids in assign_buckets(lengths[split], shapes[split]):
            frames, real = pad_frames([each[i] for i in ids], longest)
            made.append(LabelledFrames(frames=frames, lengths=real, labels=numbers[ids], ids=ids.astype(np.int32)))
        splits[split] = Split(tuple(made))
    info = Info(name=name, task="classification", features=front.channels * front.stack, classes=classes)
    return Dataset(info, splits, files, artifacts={FILE_NAME: front.save()})


def transcribed(
    *,
    name: str,
    spoken: Mapping[str, Sequence[Spoken]],
    files: dict[str, str],
    buckets: int,
    artifacts: Mapping[str, bytes] | None = None,
    notes: tuple[str, ...] = (),
) -> Dataset:
    """Utterances of each split with their texts, character by character, padded to `buckets` shapes.

    Training utterances too short for their text are left out, with a note; others never are: they are refused.
    """
    tokenizer = learn_tokenizer(
        "characters", [text for _, text in spoken["train"]], size=None, min_count=1, lower=False
    )
    fits = [len(steps) >= steps_needed(np.array(tokenizer.encode(text))) for steps, text in spoken["train"]]
    if not any(fits):
        raise DataError(
            f"{name}: no training utterance has as many steps as its text needs; choose a smaller data.stack."
        )
    if not all(fits):
        lost = f"{len(fits) - sum(fits)} of {len(fits)} training utterances with fewer steps than characters"
        notes = (*notes, f"{lost} were left out.")
    kept = {**spoken, "train": list(compress(spoken["train"], fits))}
    coded = {split: [tokenizer.encode(text) for _, text in rows] for split, rows in kept.items()}
    lengths = {
        split: np.array([(len(steps), len(ids)) for (steps, _), ids in zip(rows, coded[split], strict=True)])
        for split, rows in kept.items()
    }
    shapes = _shapes(lengths, buckets)
    info = Info(
        name=name,
        task="transcription",
        features=kept["train"][0][0].shape[1],
        target_vocabulary=tokenizer.size,
        gap=None if UNKNOWN in (gap := tokenizer.encode(" ")) else gap[0],
        # Nothing that is written can be longer than what is heard.
        max_target_length=max(int(rows[:, 0].max()) for rows in lengths.values()),
    )
    splits = {}
    for split, rows in kept.items():
        made = tuple(
            _bucket([rows[i][0] for i in ids], [coded[split][i] for i in ids], shape, ids)
            for shape, ids in assign_buckets(lengths[split], shapes[split])
        )
        splits[split] = Split(made, references=tuple(text for _, text in rows))
    saved = {tokenizer.file_name: tokenizer.save(), **(artifacts or {})}
    return Dataset(info, splits, files, artifacts=saved, decode=_decoder(tokenizer), notes=notes)


def _decoder(tokenizer: Tokenizer):
    return lambda ids: tokenizer.decode(int(number) for number in ids)


def _bucket(
    steps: list[np.ndarray], tokens: list[list[int]], shape: tuple[int, ...], ids: np.ndarray
) -> TranscribedFrames:
    frames, lengths = pad_frames(steps, shape[0])
    padded, token_lengths = pad(tokens, shape[1])
    return TranscribedFrames(
        frames=frames, lengths=lengths, tokens=padded, token_lengths=token_lengths, ids=ids.astype(np.int32)
    )


def _shapes(lengths: Mapping[str, np.ndarray], limit: int) -> dict[str, tuple[tuple[int, ...], ...]]:
    """The shapes of the training split, and one set more that all evaluation splits share."""
    later = np.concatenate([each for split, each in lengths.items() if split != "train"])
    evaluation = length_buckets(later, limit=limit)
    return {
        split: evaluation if split != "train" else length_buckets(each, limit=limit) for split, each in lengths.items()
    }
