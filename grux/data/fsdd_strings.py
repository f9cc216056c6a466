"""Strings of digits: recordings of data=fsdd by one speaker, one after the other, and their text: "three one four".

Everything is drawn from `data_seed` alone: the speakers take turns, and how many digits, which, which takes of them and
how long the pauses are (one before, one after each digit) is drawn evenly. A string of a split has recordings of that
split of data=fsdd only. A pause is white noise as loud as the quietest 10 ms of the recording beside it: silence in a
room is not the silence of a file.
"""

import numpy as np

from grux.arguments import NonNegativeFloat, NonNegativeInt, PositiveInt
from grux.data import fsdd
from grux.data.base import Dataset
from grux.data.card import Card
from grux.data.files import hashes
from grux.data.frontend import FILE_NAME, Features, FrontEnd
from grux.data.permutation import random_integers
from grux.data.utterances import fitted_steps, transcribed
from grux.errors import UsageError

FILES = fsdd.FILES
CARD = Card(
    name="fsdd_strings",
    task="transcription",
    summary="Strings of spoken digits with pauses, generated from the recordings of fsdd.",
    sizes={"train": 2000, "validation": 300, "test": 300},
    licence=fsdd.LICENCE,
)
QUIET = round(0.010 * fsdd.RATE)  # samples over which a recording is quietest


def fsdd_strings(
    *,
    shortest: PositiveInt,
    longest: PositiveInt,
    shortest_pause: NonNegativeFloat,
    longest_pause: NonNegativeFloat,
    train: PositiveInt,
    validation: PositiveInt,
    test: PositiveInt,
    data_seed: NonNegativeInt,
    leave_out: str | None,
    features: Features,
    mels: PositiveInt,
    coefficients: PositiveInt,
    stack: PositiveInt,
    buckets: PositiveInt,
) -> Dataset:
    """Strings of `shortest` to `longest` digits; pauses in seconds; `leave_out` as in data=fsdd."""
    if shortest > longest:
        raise UsageError(f"shortest={shortest} is above longest={longest}; choose shortest <= longest.")
    if shortest_pause > longest_pause:
        raise UsageError(
            f"shortest_pause={shortest_pause:g} is above longest_pause={longest_pause:g}; choose shortest_pause <= "
            "longest_pause."
        )
    front = FrontEnd(rate=fsdd.RATE, features=features, mels=mels, coefficients=coefficients, stack=stack)
    parts = fsdd.divide(fsdd.recordings(FILES[0].path()), leave_out)
    counts = {"train": train, "validation": validation, "test": test}
    pauses = round(shortest_pause * fsdd.RATE), round(longest_pause * fsdd.RATE)
    strings = {
        name: make_strings(rows, name, counts[name], (shortest, longest), pauses, data_seed)
        for name, rows in parts.items()
    }
    front, steps = fitted_steps(front, {name: [sound for sound, _ in each] for name, each in strings.items()})
    texts = {name: [text for _, text in each] for name, each in strings.items()}
    return transcribed(
        name=CARD.name,
        spoken={name: list(zip(steps[name], texts[name], strict=True)) for name in strings},
        files=hashes(FILES),
        buckets=buckets,
        artifacts={FILE_NAME: front.save()},
    )


def make_strings(
    found: list[fsdd.Recording],
    name: str,
    count: int,
    digits: tuple[int, int],
    pauses: tuple[int, int],
    seed: int,
) -> list[tuple[np.ndarray, str]]:
    """`count` sounds float64 [N] with their texts; `digits` and `pauses` (samples): fewest and most, both included."""

    def drawn(what: str, number: int, low: int, high: int) -> np.ndarray:
        return low + random_integers(number, below=high - low + 1, seed=seed, stream=f"fsdd_strings {name} {what}")

    speakers = sorted({each.speaker for each in found})
    by_speaker = {speaker: [each for each in found if each.speaker == speaker] for speaker in speakers}
    most = digits[1]
    lengths = drawn("lengths", count, *digits)
    chosen = drawn("recordings", count * most, 0, 2**31 - 2).reshape(count, most)
    gaps = drawn("pauses", count * (most + 1), *pauses).reshape(count, most + 1)
    strings = []
    for number in range(count):
        own = by_speaker[speakers[number % len(speakers)]]
        said = [own[draw % len(own)] for draw in chosen[number, : lengths[number]]]
        gap = gaps[number, : len(said) + 1]
        noise = random_integers(int(gap.sum()), below=2**16, seed=seed, stream=f"fsdd_strings {name} {number}")
        # Even noise of -1 to 1 has a root mean square of 1 / sqrt 3.
        pieces = np.split((noise / 2**15 - 1.0) * np.sqrt(3.0), np.cumsum(gap)[:-1])
        parts = [pieces[0] * quietest(said[0].samples)]
        for each, piece in zip(said, pieces[1:], strict=True):
            parts += [each.samples, piece * quietest(each.samples)]
        strings.append((np.concatenate(parts), " ".join(fsdd.DIGITS[each.digit] for each in said)))
    return strings


def quietest(samples: np.ndarray) -> float:
    """Root mean square of the quietest 10 ms."""
    blocks = samples[: len(samples) // QUIET * QUIET].reshape(-1, QUIET)
    return float(np.sqrt((blocks**2).mean(1).min()))
