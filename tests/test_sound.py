"""Sound from files: channels, rates, blocks; and what is no sound."""

import io
import sys

import numpy as np
import pytest

from grux.errors import DataError, UsageError
from grux.sound import Sound, at_rate, raw_blocks

soundfile = pytest.importorskip("soundfile")
pytest.importorskip("soxr")


def tone(hertz=440.0, seconds=0.5, rate=8000, loud=0.5):
    return loud * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


def written(path, samples, rate=8000, **options):
    soundfile.write(path, samples, rate, **options)
    return path


@pytest.mark.parametrize("ending", ["wav", "flac"])
def test_a_file_is_read_as_it_is(tmp_path, ending):
    sound = Sound(written(tmp_path / f"a.{ending}", tone()))
    assert (sound.rate, sound.channels) == (8000, 1)
    np.testing.assert_allclose(sound.samples(8000), tone(), atol=2**-15)


def test_channels_become_their_mean(tmp_path):
    both = np.stack([tone(300), tone(900)], 1)
    sound = Sound(written(tmp_path / "a.wav", both, subtype="DOUBLE"))
    assert sound.channels == 2
    np.testing.assert_allclose(sound.samples(8000), both.mean(1), atol=1e-12)


def test_blocks_are_cut_from_the_whole(tmp_path):
    path = written(tmp_path / "a.wav", tone())
    blocks = list(Sound(path).blocks(8000, size=1000))
    assert [len(block) for block in blocks] == [1000] * 4
    np.testing.assert_array_equal(np.concatenate(blocks), Sound(path).samples(8000))


@pytest.mark.parametrize("rate", [16000, 44100])
def test_another_rate_is_the_same_tone_whole_and_in_blocks(tmp_path, rate):
    path = written(tmp_path / "a.wav", tone(rate=rate), rate, subtype="DOUBLE")
    whole = Sound(path).samples(8000)
    assert abs(len(whole) - 4000) <= 1
    np.testing.assert_allclose(whole[200:3800], tone()[200:3800], atol=1e-3)  # the ends ring
    pieces = np.concatenate(list(Sound(path).blocks(8000, size=777)))
    np.testing.assert_array_equal(pieces, whole)


def test_raw_sound_is_sixteen_bits_little_endian():
    numbers = np.array([0, 1, -1, 2**14, -(2**15), 2**15 - 1], "<i2")
    blocks = list(raw_blocks(io.BytesIO(numbers.tobytes() + b"\1"), 8000, 8000, size=4))
    assert [len(block) for block in blocks] == [4, 2]  # half a sample at the end is none
    np.testing.assert_array_equal(np.concatenate(blocks) * 2**15, numbers)


def test_what_is_no_sound_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"none\.wav is not there"):
        Sound(tmp_path / "none.wav")
    with pytest.raises(DataError, match=r"is a folder; name the files of sound in it, like .*/\*\.wav\.$"):
        Sound(tmp_path)
    (tmp_path / "text.wav").write_text("no sound at all")
    with pytest.raises(DataError, match=r"text\.wav cannot be read as sound"):
        Sound(tmp_path / "text.wav")
    path = written(tmp_path / "nan.wav", np.array([0.0, np.nan]), subtype="FLOAT")
    with pytest.raises(DataError, match=r"nan\.wav has a sample that is not finite"):
        Sound(path).samples(8000)


def test_without_the_extra_it_says_so(tmp_path, monkeypatch):
    path = written(tmp_path / "a.wav", tone())
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(
        UsageError, match=r"read by soundfile, which is not installed; run: pip install \"grux\[speech\]\""
    ):
        Sound(path)
    monkeypatch.setitem(sys.modules, "soxr", None)
    with pytest.raises(UsageError, match=r"16000 Hz is brought to 8000 Hz by soxr, which is not installed"):
        list(at_rate(iter([tone()]), 16000, 8000))
