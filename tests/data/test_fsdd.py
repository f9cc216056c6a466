"""Spoken digits: what an archive must hold, how speakers are divided, and strings made of single recordings."""

import numpy as np
import pytest
from sound_files import archive, wav

from grux.data import fsdd, fsdd_strings
from grux.errors import DataError, UsageError

SPEAKERS = ("ann", "bob", "cyd")


def files():
    """Two speakers; the samples of a recording tell digit and take."""
    return {
        f"some/recordings/{digit}_{speaker}_{take}.wav": wav([digit, take, number])
        for number, speaker in enumerate(SPEAKERS[:2])
        for digit in range(10)
        for take in range(50)
    }


def test_recordings_of_an_archive(tmp_path):
    found = fsdd.recordings(archive(tmp_path / "a.tar", {**files(), "some/README.md": b"x"}))
    assert len(found) == 1000
    for each in found:
        number = SPEAKERS.index(each.speaker)
        np.testing.assert_array_equal(each.samples * 2**15, [each.digit, each.take, number])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"some/recordings/3_ann_7.wav": None}, r"3_ann_7\.wav is missing"),
        ({"some/three_ann_1.wav": wav([1])}, r"three_ann_1\.wav is not named"),
        ({"some/3_ann_50.wav": wav([1])}, "has 1001 recordings, and 50 of each"),
        ({"some/recordings/3_ann_7.wav": wav([1, 2], channels=2)}, r"3_ann_7\.wav has .* \(2, 2, 8000\)"),
        ({"some/recordings/3_ann_7.wav": wav([1, 2], rate=16000)}, r"\(1, 2, 16000\), and \(1, 2, 8000\) is needed"),
        ({"some/recordings/3_ann_7.wav": b"no sound"}, r"3_ann_7\.wav cannot be read as a WAV file"),
    ],
)
def test_what_is_no_recording_is_refused(tmp_path, change, sentence):
    changed = {name: content for name, content in {**files(), **change}.items() if content is not None}
    with pytest.raises(DataError, match=sentence):
        fsdd.recordings(archive(tmp_path / "a.tar", changed))


def found(samples=200):
    """Three speakers. All samples of a recording are one number that no other recording has."""
    keys = [(speaker, digit, take) for speaker in SPEAKERS for digit in range(10) for take in range(50)]
    return [fsdd.Recording(*key, np.full(samples, number + 10.0)) for number, key in enumerate(keys)]


def test_the_official_division():
    parts = fsdd.divide(found(), None)
    assert {name: len(rows) for name, rows in parts.items()} == {"train": 1200, "validation": 150, "test": 150}
    assert {name: sorted({each.take for each in rows}) for name, rows in parts.items()} == {
        "train": list(range(10, 50)),
        "validation": list(range(5, 10)),
        "test": list(range(5)),
    }


@pytest.mark.parametrize(("test", "validation"), [("ann", "bob"), ("cyd", "ann")])
def test_one_speaker_is_left_out_and_another_one_chooses(test, validation):
    parts = fsdd.divide(found(), test)
    (third,) = set(SPEAKERS) - {test, validation}
    assert {name: {each.speaker for each in rows} for name, rows in parts.items()} == {
        **{"train": {third}, "validation": {validation}},
        "test": {test},
    }
    assert all(len(rows) == 500 for rows in parts.values())


def test_an_unknown_speaker_is_refused():
    with pytest.raises(UsageError, match="leave_out=dan is no speaker here; choose one of ann, bob, cyd, or null"):
        fsdd.divide(found(), "dan")


def strings(name="test", count=60, digits=(2, 4), pauses=(80, 240), seed=0):
    rows = fsdd.divide(found(), None)[name]
    return rows, fsdd_strings.make_strings(rows, name, count, digits, pauses, seed)


def test_a_string_says_what_its_text_says():
    """Recordings are told by their sample; a pause beside one is noise around nothing, as loud as it is quiet."""
    rows, made = strings()
    known = {each.samples[0]: each for each in rows}
    lengths, turns = [], []
    for sound, text in made:
        said, pauses, place = [], [], 0
        while place < len(sound):
            start = place
            if sound[place] in known and (sound[place : place + 200] == sound[place]).all():
                said.append(known[sound[place]])
                place += 200
                continue
            while place < len(sound) and not (
                sound[place] in known and (sound[place : place + 200] == sound[place]).all()
            ):
                place += 1
            pauses.append(sound[start:place])
        assert " ".join(fsdd.DIGITS[each.digit] for each in said) == text
        assert len({each.speaker for each in said}) == 1 and len(pauses) == len(said) + 1
        assert all(80 <= len(pause) <= 240 for pause in pauses)
        for pause, beside in zip(pauses, [said[0], *said], strict=True):
            assert np.sqrt((pause**2).mean()) == pytest.approx(beside.samples[0], rel=0.3)
        lengths.append(len(said))
        turns.append(said[0].speaker)
    assert set(lengths) == {2, 3, 4} and turns == list(SPEAKERS) * 20


def test_strings_are_drawn_from_the_seed_alone():
    _, one = strings()
    _, again = strings(count=5)
    _, other = strings(seed=1)
    assert all(np.array_equal(a, b) and x == y for (a, x), (b, y) in zip(one, again, strict=False))
    assert [text for _, text in one] != [text for _, text in other]


def test_quietest_ten_milliseconds():
    samples = np.concatenate([np.full(80, 0.5), np.full(80, -0.25), np.full(40, 0.0)])
    assert fsdd_strings.quietest(samples) == 0.25  # a rest below 10 ms does not count


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"shortest": 4, "longest": 3}, "shortest=4 is above longest=3"),
        ({"shortest_pause": 0.5, "longest_pause": 0.2}, "shortest_pause=0.5 is above longest_pause=0.2"),
    ],
)
def test_bounds_in_the_wrong_order(changes, sentence):
    given = dict(shortest=2, longest=3, shortest_pause=0.1, longest_pause=0.2, train=9, validation=9, test=9)
    front = dict(data_seed=0, leave_out=None, features="logmel", mels=24, coefficients=13, stack=3)
    with pytest.raises(UsageError, match=sentence):
        fsdd_strings.fsdd_strings(**{**given, **front, "buckets": 1, **changes})


def test_the_real_recordings(mirror):
    found = fsdd.recordings(fsdd.FILES[0].path())
    assert sorted({each.speaker for each in found}) == ["george", "jackson", "lucas", "nicolas", "theo", "yweweler"]
    assert sum(len(each.samples) for each in found) / 8000 == pytest.approx(21.9 * 60, abs=3)
    assert all(np.abs(each.samples).max() <= 1 for each in found)
