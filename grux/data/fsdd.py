"""FSDD, the free spoken digit dataset: the digits 0 to 9 in English, each said 50 times by six speakers, 8 kHz.

Two ways to divide it:

    the official one         takes 0 to 4 of each digit and speaker are test, as its authors have it; of the other 45,
                             5 to 9 are validation here and 10 to 49 train: all voices are known
    a speaker is left out    all of that one is test, all of the next one by name (the first follows the last) is
                             validation, the rest train: selection, too, is made on a voice that was never heard

The archive is that of commit 26eb9aaf packed again, 3,000 recordings; it comes from a mirror. At the public address
lies the release v1.0.9 of 2,500 recordings, which has another hash and is refused.
"""

import io
import re
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from grux.arguments import PositiveInt
from grux.data.base import Dataset
from grux.data.card import Card
from grux.data.extract import contents
from grux.data.fetch import File
from grux.data.files import hashes
from grux.data.frontend import Features, FrontEnd
from grux.data.utterances import classified, fitted_steps
from grux.errors import DataError, UsageError

RATE = 8000
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
TAKES = 50  # of each digit by each speaker
TEST, VALIDATION = range(0, 5), range(5, 10)
NAME = re.compile(r"(?:.*/)?(\d)_([a-z]+)_(\d+)\.wav")
LICENCE = "CC BY-SA 4.0"

FILES = (
    File(
        dataset="fsdd",
        name="fsdd_26eb9aa.tar.gz",
        sha256="83ea37cade900d4a2e934e7d005b04bd6af7a139481157d793ff0ea06a834bf2",
        bytes=15570811,
        licence=LICENCE,
        url="https://github.com/Jakobovski/free-spoken-digit-dataset/archive/v1.0.9.tar.gz",
    ),
)
CARD = Card(
    name="fsdd",
    task="classification",
    summary="Spoken digits in English, six speakers (free spoken digit dataset, 3,000 recordings of 8 kHz).",
    sizes={"train": 2400, "validation": 300, "test": 300},
    licence=LICENCE,
)


@dataclass(frozen=True)
class Recording:
    """One digit, said once."""

    speaker: str
    digit: int
    take: int
    samples: np.ndarray
    """float64 [N] in -1 to 1."""


def fsdd(
    *,
    leave_out: str | None,
    features: Features,
    mels: PositiveInt,
    coefficients: PositiveInt,
    stack: PositiveInt,
    buckets: PositiveInt,
) -> Dataset:
    """Which digit it is. `leave_out`: the speaker who is test; None divides as its authors do."""
    front = FrontEnd(rate=RATE, features=features, mels=mels, coefficients=coefficients, stack=stack)
    parts = divide(recordings(FILES[0].path()), leave_out)
    front, steps = fitted_steps(front, {name: [each.samples for each in rows] for name, rows in parts.items()})
    return classified(
        name=CARD.name,
        front=front,
        steps=steps,
        labels={name: [each.digit for each in rows] for name, rows in parts.items()},
        classes=DIGITS,
        files=hashes(FILES),
        buckets=buckets,
    )


def recordings(path: Path) -> list[Recording]:
    """Every recording of the archive, by speaker, digit and take. Raises DataError where one is missing or odd."""
    found = {}
    for name, content in contents(path, ".wav"):
        if not (match := NAME.fullmatch(name)):
            raise DataError(f"{path}: {name} is not named digit_speaker_number.wav; get a good copy.")
        digit, speaker, take = int(match[1]), match[2], int(match[3])
        found[speaker, digit, take] = Recording(speaker, digit, take, read_wave(content, f"{path}, {name}"))
    speakers = sorted({speaker for speaker, _, _ in found})
    wanted = [(speaker, digit, take) for speaker in speakers for digit in range(10) for take in range(TAKES)]
    if missing := [key for key in wanted if key not in found]:
        speaker, digit, take = missing[0]
        raise DataError(f"{path}: {digit}_{speaker}_{take}.wav is missing; get a good copy.")
    if len(found) != len(wanted) or not found:
        raise DataError(f"{path} has {len(found)} recordings, and {TAKES} of each digit and speaker are needed.")
    return [found[key] for key in wanted]


def read_wave(content: bytes, where: str) -> np.ndarray:
    """float64 [N] in -1 to 1 of a WAV file of one channel, 16 bits and 8 kHz; DataError for another kind."""
    try:
        with wave.open(io.BytesIO(content)) as sound:
            kind = sound.getnchannels(), sound.getsampwidth(), sound.getframerate()
            raw = sound.readframes(sound.getnframes())
    except (wave.Error, EOFError) as error:
        raise DataError(f"{where} cannot be read as a WAV file ({error}); get a good copy.") from error
    if kind != (1, 2, RATE):
        raise DataError(f"{where} has channels, bytes and rate {kind}, and {(1, 2, RATE)} is needed; get a good copy.")
    return np.frombuffer(raw, "<i2") / 32768.0


def divide(found: Sequence[Recording], leave_out: str | None) -> dict[str, list[Recording]]:
    """Train, validation and test; None: the official ones. Raises UsageError for an unknown speaker."""
    if leave_out is None:
        where = ["test" if r.take in TEST else "validation" if r.take in VALIDATION else "train" for r in found]
    else:
        speakers = sorted({each.speaker for each in found})
        if leave_out not in speakers:
            raise UsageError(f"leave_out={leave_out} is no speaker here; choose one of {', '.join(speakers)}, or null.")
        following = speakers[(speakers.index(leave_out) + 1) % len(speakers)]
        where = [{leave_out: "test", following: "validation"}.get(each.speaker, "train") for each in found]
    return {
        name: [each for each, place in zip(found, where, strict=True) if place == name]
        for name in ("train", "validation", "test")
    }
