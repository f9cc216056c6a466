"""MIDI files read back: which notes, when, how long; and what a file cannot hold."""

import io
import sys

import numpy as np
import pytest

from grux.errors import DataError, UsageError
from grux.midi import midi_file

mido = pytest.importorskip("mido")


def roll(steps, **notes):
    """[steps, 88] with note n (as "n60") sounding in the given steps."""
    made = np.zeros((steps, 88), np.uint8)
    for name, where in notes.items():
        made[where, int(name[1:]) - 21] = 1
    return made


def read(content):
    """(the file, {(note, first beat, end)}, its length in beats)."""
    file = mido.MidiFile(file=io.BytesIO(content))
    (track,) = file.tracks
    now, open_notes, found = 0, {}, set()
    for message in track:
        now += message.time
        beat = now / file.ticks_per_beat
        if message.type == "note_on":
            assert message.note not in open_notes and message.velocity > 0
            open_notes[message.note] = beat
        elif message.type == "note_off":
            found.add((message.note, open_notes.pop(message.note), beat))
    assert not open_notes and track[-1].type == "end_of_track"
    return file, found, now / file.ticks_per_beat


def test_notes_are_held_and_struck_again_after_a_rest():
    _, notes, length = read(midi_file(roll(8, n60=[0, 1, 2, 5], n64=[7]), tempo=120, steps_per_beat=4))
    assert notes == {(60, 0.0, 0.75), (60, 1.25, 1.5), (64, 1.75, 2.0)}
    assert length == 2.0


@pytest.mark.parametrize("steps_per_beat", [1, 3, 7, 1000])
def test_steps_fall_on_whole_ticks(steps_per_beat):
    _, notes, length = read(midi_file(roll(5, n21=[4], n108=[1]), tempo=90, steps_per_beat=steps_per_beat))
    one = 1 / steps_per_beat
    np.testing.assert_allclose(sorted(notes), [(21, 4 * one, 5 * one), (108, one, 2 * one)])
    assert length == pytest.approx(5 * one)


def test_tempo():
    file, _, _ = read(midi_file(roll(6, n60=[0]), tempo=90, steps_per_beat=2))
    (tempo,) = [message.tempo for message in file.tracks[0] if message.type == "set_tempo"]
    assert mido.tempo2bpm(tempo) == pytest.approx(90, rel=1e-5)
    assert file.length == pytest.approx(3 * 60 / 90, rel=1e-5)  # seconds, the silence at the end included


def test_a_roll_survives():
    random = np.random.default_rng(0).random((40, 88)) < 0.3
    _, notes, _ = read(midi_file(random, tempo=100, steps_per_beat=4))
    back = np.zeros_like(random)
    for note, start, end in notes:
        back[round(start * 4) : round(end * 4), note - 21] = True
    np.testing.assert_array_equal(back, random)


def test_a_note_ends_before_the_next_begins():
    content = midi_file(roll(2, n60=[0], n59=[1]), tempo=100, steps_per_beat=1)
    kinds = [m.type for m in mido.MidiFile(file=io.BytesIO(content)).tracks[0] if not m.is_meta]
    assert kinds == ["note_on", "note_off", "note_on", "note_off"]


def test_an_empty_roll_is_a_file_without_notes():
    assert read(midi_file(roll(0), tempo=100, steps_per_beat=1))[1:] == (set(), 0.0)


def test_what_a_file_cannot_hold_is_refused():
    good = {"roll": roll(2), "tempo": 100, "steps_per_beat": 4}
    for change, error, sentence in [
        ({"tempo": 0}, UsageError, "tempo=0 is no tempo"),
        ({"tempo": float("nan")}, UsageError, "tempo=nan"),
        ({"steps_per_beat": 0}, UsageError, "steps_per_beat=0"),
        ({"steps_per_beat": 40000}, UsageError, "steps_per_beat=40000"),
        ({"roll": np.zeros((4, 87))}, DataError, r"\[4, 87\]"),
        ({"roll": np.full((4, 88), 0.5)}, DataError, "of 0 and 1"),
    ]:
        with pytest.raises(error, match=sentence):
            midi_file(**good | change)


def test_without_mido_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "mido", None)
    with pytest.raises(UsageError, match=r"grux\[music\]"):
        midi_file(roll(1), tempo=100, steps_per_beat=1)
