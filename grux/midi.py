"""A piano roll as a MIDI file (Standard MIDI File, format 0): what a model of music writes, to be listened to.

A note that sounds in several steps one after another is struck once and held: a roll does not tell a held note from one
that is struck again.
"""

import io
import math

import numpy as np

from grux.errors import DataError, UsageError

LOWEST = 21  # A0, the lowest key of a piano
KEYS = 88
VELOCITY = 80  # of 127; a roll knows no loudness
TICKS = 480  # of a beat, or somewhat less, so that each step has whole ticks
MOST_STEPS = 32767  # of a beat: the header gives 15 bits to its ticks
SLOWEST = 4  # beats a minute: a tempo event gives 24 bits to the microseconds of a beat
FASTEST = 1000


def midi_file(roll: np.ndarray, *, tempo: float, steps_per_beat: int) -> bytes:
    """The content of a .mid file with one piano track as long as the roll, silence at its end included.

    `roll`: [T, 88] of 0 and 1 (or bool), column k is MIDI note 21 + k. `tempo`: beats (quarter notes) a minute. Raises
    UsageError without the extra `music`, and for a tempo or step that a file cannot hold.
    """
    if not (math.isfinite(tempo) and SLOWEST <= tempo <= FASTEST):
        raise UsageError(f"tempo={tempo:g} is no tempo for a MIDI file; choose {SLOWEST} to {FASTEST} beats a minute.")
    if not 1 <= steps_per_beat <= MOST_STEPS:
        raise UsageError(f"steps_per_beat={steps_per_beat} is not possible; choose 1 to {MOST_STEPS}.")
    try:
        import mido  # here, because mido is an extra
    except ImportError as error:
        raise UsageError(
            'A MIDI file is written with mido, which is not installed; run: pip install "grux[music]"'
        ) from error

    per_step = max(TICKS // steps_per_beat, 1)
    track = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=round(60_000_000 / tempo))])
    now = 0
    for step, note, struck in _events(roll):
        kind = "note_on" if struck else "note_off"
        track.append(mido.Message(kind, note=note, velocity=VELOCITY if struck else 0, time=step * per_step - now))
        now = step * per_step
    track.append(mido.MetaMessage("end_of_track", time=len(roll) * per_step - now))
    made = io.BytesIO()
    mido.MidiFile(type=0, ticks_per_beat=per_step * steps_per_beat, tracks=[track]).save(file=made)
    return made.getvalue()


def _events(roll: np.ndarray) -> list[tuple[int, int, bool]]:
    """(step, MIDI note, whether it is struck or let go), in order; at one step notes are let go before others begin."""
    roll = np.asarray(roll)
    if roll.ndim != 2 or roll.shape[1] != KEYS or not np.isin(roll, (0, 1)).all():
        raise DataError(
            f"a piano roll is an array [steps, {KEYS}] of 0 and 1, but this one is {roll.dtype} {list(roll.shape)}."
        )
    edges = np.diff(np.pad(roll.astype(np.int8), ((1, 1), (0, 0))), axis=0)
    found = [(int(step), LOWEST + int(key), bool(edges[step, key] > 0)) for step, key in np.argwhere(edges)]
    return sorted(found, key=lambda event: (event[0], event[2], event[1]))
