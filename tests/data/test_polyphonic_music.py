"""Piano rolls from MATLAB files: what is read, what is refused, and what a step reads and foretells."""

import numpy as np
import pytest
from scipy.io import savemat
from scipy.sparse import csc_array

from grux.batch import Info
from grux.data import polyphonic_music as music
from grux.data.base import take_rows
from grux.data.rolls import Rolls
from grux.errors import DataError

SIZES = {  # pieces and steps of train, validation and test
    "jsb": [(229, 13807), (76, 4602), (77, 4725)],
    "nottingham": [(694, 176561), (173, 45513), (170, 44463)],
    "musedata": [(524, 245202), (135, 82755), (124, 64339)],
    "piano_midi": [(87, 75911), (12, 8540), (25, 19036)],
}


def piece(steps, seed=0):
    return (np.random.default_rng(seed).random((steps, 88)) < 0.1).astype(np.uint8)


PIECES = {"train": [piece(7, 1), piece(12, 2)], "validation": [piece(5, 3)], "test": [piece(9, 4)]}


def cells(pieces):
    made = np.empty((1, len(pieces)), object)
    for number, one in enumerate(pieces):
        made[0, number] = one
    return made


def mat_file(path, **changes):
    content = {music.VARIABLES[split]: cells(pieces) for split, pieces in PIECES.items()} | changes
    savemat(path, {name: value for name, value in content.items() if value is not None})
    return path


def made(pieces=PIECES, chunk=None, buckets=4):
    return music.rolls_dataset(pieces, {}, chunk=chunk, buckets=buckets)


def examples(split):
    """(inputs, targets) of the real steps of each example, in the split's original order."""
    found = {}
    for bucket in split.buckets:
        batch = take_rows(bucket, bucket.arrays, np.arange(bucket.size))
        np.testing.assert_array_equal(batch.mask, batch.target_mask)
        for i, x, y, mask in zip(bucket.ids, batch.inputs, batch.targets, batch.mask, strict=True):
            found[int(i)] = x[mask], y[mask]
    return [found[i] for i in range(split.size)]


def test_pieces_of_a_file(tmp_path):
    read = music.read_pieces(mat_file(tmp_path / "a.mat"))
    assert list(read) == ["train", "validation", "test"]
    for split, pieces in PIECES.items():
        for got, wanted in zip(read[split], pieces, strict=True):
            assert got.dtype == np.uint8
            np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"validdata": None}, "validdata: a cell array"),
        ({"validdata": piece(4)}, "validdata: a cell array"),
        ({"traindata": cells([piece(4), piece(4)[:, :87]])}, r"traindata, cell 2: uint8 \(4, 87\)"),
        ({"testdata": cells(["do re mi"])}, "testdata, cell 1: <U8"),
        ({"testdata": cells([{"notes": piece(4)}])}, "testdata, cell 1: .* is no array of numbers"),
        ({"testdata": cells([csc_array(piece(4, 5))])}, "cell 1: csc_(array|matrix) is no array of numbers"),
        ({"testdata": cells([piece(4) * (1 + 0j)])}, "cell 1: complex128"),
        ({"testdata": cells([np.zeros((0, 88))])}, "at least one step"),
        ({"testdata": cells([piece(4) * 2])}, "0 or 1 for each key"),
        ({"testdata": cells([np.full((3, 88), np.nan)])}, "0 or 1 for each key"),
    ],
)
def test_what_is_no_piece_is_refused(tmp_path, change, sentence):
    with pytest.raises(DataError, match=sentence):
        music.read_pieces(mat_file(tmp_path / "a.mat", **change))


def test_a_damaged_file_is_refused(tmp_path):
    whole = mat_file(tmp_path / "a.mat").read_bytes()
    damaged = tmp_path / "damaged.mat"
    for content in (b"", b"no matrix", whole[:300], whole[:128] + b"\xff" * 40 + whole[168:]):
        damaged.write_bytes(content)
        with pytest.raises(DataError, match=r"damaged\.mat"):
            music.read_pieces(damaged)


def test_each_step_foretells_the_next_frame_and_the_first_follows_silence():
    for (inputs, targets), whole in zip(examples(made().splits["train"]), PIECES["train"], strict=True):
        np.testing.assert_array_equal(targets, whole)
        np.testing.assert_array_equal(inputs[1:], whole[:-1])
        assert not inputs[0].any()


def test_stretches_go_on_where_the_one_before_ended():
    cut = made(chunk=5)
    parts = examples(cut.splits["train"])
    assert [len(x) for x, _ in parts] == [5, 2, 5, 5, 2]
    whole = [np.concatenate([part[side] for part in parts[2:]]) for side in (0, 1)]
    for got, wanted in zip(whole, examples(made().splits["train"])[1], strict=True):
        np.testing.assert_array_equal(got, wanted)
    assert [len(x) for x, _ in examples(cut.splits["test"])] == [9]  # only training pieces are cut
    assert cut.notes == ("2 of 2 training pieces were cut, which makes 5 stretches of at most 5 steps.",)
    assert (cut.info.frequencies, cut.info.transitions) == (made().info.frequencies, made().info.transitions)


def test_a_chunk_of_the_whole_piece_cuts_nothing():
    assert [len(x) for x, _ in examples(made(chunk=12).splits["train"])] == [7, 12]


def test_note_statistics_by_hand():
    one = np.zeros((6, 2), np.uint8)
    one[:, 0] = [1, 1, 0, 1, 0, 0]
    frequencies, (after_silence, after_sound) = music.note_statistics([one])
    assert frequencies == pytest.approx((4 / 8, 1 / 8))
    # Before the first step is silence: after silence 1 0 1 (steps 1, 4, 6), after sound 1 0 0.
    assert after_silence == pytest.approx(((2 + 1) / (3 + 2), 1 / 8))
    assert after_sound == pytest.approx(((1 + 1) / (3 + 2), 1 / 2))


def rolls(**changes):
    frames = np.zeros((2, 4, 3), np.uint8)
    frames[0, 1:3] = 1
    frames[1, 1:2, 0] = 1
    given = {"frames": frames, "lengths": np.array([2, 1], np.int32), "ids": np.arange(2, dtype=np.int32)}
    return Rolls(**given | changes)


def test_rolls_are_checked():
    info = Info(name="toy", task="polyphony", features=3)
    rolls().check(info, "toy")
    for changes, sentence in [
        ({"lengths": np.array([2, 4], np.int32)}, "sequence 1 has 4 steps, outside 1..3"),
        ({"lengths": np.array([0, 1], np.int32)}, "sequence 0 has 0 steps"),
        ({"lengths": np.array([1, 1], np.int32)}, "sequence 0 goes on after its end"),
        ({"frames": rolls().arrays["frames"] * 2}, "sequence 0 has a value other than 0 and 1"),
        ({"frames": rolls().arrays["frames"][:, :, :2]}, "do not fit 3 channels"),
    ]:
        with pytest.raises(DataError, match=sentence):
            rolls(**changes).check(info, "toy")


@pytest.mark.parametrize("name", SIZES)
def test_sizes_of_the_real_files(name, mirror):
    splits = music.polyphonic_music(name=name, chunk=None, buckets=4).splits
    assert [
        (splits[key].size, sum(int(bucket.arrays["lengths"].sum()) for bucket in splits[key].buckets))
        for key in ("train", "validation", "test")
    ] == SIZES[name]


def test_chorales_start_with_a_chord(mirror):
    inputs, _ = examples(music.polyphonic_music(name="jsb", chunk=None, buckets=1).splits["train"])[0]
    assert (np.flatnonzero(inputs[1]) + 21).tolist() == [60, 72, 79, 88]  # C4 C5 G5 E6
