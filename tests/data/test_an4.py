"""AN4: files of cepstra, transcripts, and what an archive must hold."""

import struct

import numpy as np
import pytest
from sound_files import archive

from grux.data import an4
from grux.errors import DataError


def cepstra(frames, first=0.0):
    values = [first + number for number in range(13 * frames)]
    return struct.pack(f">i{len(values)}f", len(values), *values)


FILES = {
    "an4/etc/an4_train.fileids": b"an4_clstk/fash/an251-fash-b\nan4_clstk/mblb/cen1-mblb-b\n",
    "an4/etc/an4_train.transcription": b"<s> YES </s> (an251-fash-b)\nH I  N (cen1-mblb-b)\n",
    "an4/etc/an4_test.fileids": b"an4test_clstk/fcaw/an406-fcaw-b\n",
    "an4/etc/an4_test.transcription": b"GO (an406-fcaw-b)\n",
    "an4/feat/an4_clstk/fash/an251-fash-b.mfc": cepstra(2),
    "an4/feat/an4_clstk/mblb/cen1-mblb-b.mfc": cepstra(3, 0.5),
    "an4/feat/an4test_clstk/fcaw/an406-fcaw-b.mfc": cepstra(1),
    "an4/README": b"cepstra",
}


def test_utterances_of_an_archive(tmp_path):
    found = an4.read_utterances(archive(tmp_path / "a.tar", FILES))
    assert [(speaker, text, len(frames)) for speaker, frames, text in found["train"]] == [
        ("fash", "YES", 2),
        ("mblb", "H I N", 3),
    ]
    ((_, frames, text),) = found["test"]
    assert text == "GO" and frames.tolist() == [[float(number) for number in range(13)]]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"an4/etc/an4_test.fileids": None}, "the list or the transcripts of test are missing"),
        ({"an4/feat/an4_clstk/mblb/cen1-mblb-b.mfc": None}, "cen1-mblb-b has no features or no transcript"),
        ({"an4/etc/an4_test.transcription": b"GO (an4-b)\n"}, "an406-fcaw-b has no features or no transcript"),
        ({"an4/etc/an4_test.transcription": b"GO\n"}, "test, line 1: 'GO' is not `WORDS"),
        ({"an4/feat/an4test_clstk/fcaw/an406-fcaw-b.mfc": cepstra(2)[:-4]}, "count of 26 are not frames of 13"),
        ({"an4/feat/an4test_clstk/fcaw/an406-fcaw-b.mfc": b"xy"}, "2 bytes"),
        ({"an4/feat/an4test_clstk/fcaw/an406-fcaw-b.mfc": struct.pack(">i2f", 2, 1, 2)}, "count of 2 are not"),
        ({"an4/feat/an4test_clstk/fcaw/an406-fcaw-b.mfc": struct.pack("<i13f", 13, *range(13))}, "are not frames"),
        ({"an4/feat/an4test_clstk/fcaw/an406-fcaw-b.mfc": cepstra(1, float("nan"))}, "13 finite numbers"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, change, sentence):
    changed = {name: content for name, content in {**FILES, **change}.items() if content is not None}
    with pytest.raises(DataError, match=sentence):
        an4.read_utterances(archive(tmp_path / "a.tar", changed))


def test_the_real_archive(mirror):
    found = an4.read_utterances(an4.FILES[0].path())
    rows = found["train"] + found["test"]
    assert (len(found["train"]), len(found["test"])) == (948, 130)
    assert sum(len(frames) for _, frames, _ in rows) == 289_252
    assert set("".join(text for _, _, text in rows)) == set("ABCDEFGHIJKLMNOPQRSTUVWXYZ ")
    assert not {speaker for speaker, _, _ in found["train"]} & {speaker for speaker, _, _ in found["test"]}


def test_no_voice_stands_in_two_splits(mirror):
    dataset = an4.an4(stack=3, buckets=1)
    (bucket,) = dataset.splits["train"].buckets
    frames, lengths = bucket.arrays["frames"], bucket.arrays["lengths"]
    real = frames[np.arange(frames.shape[1])[None, :] < lengths[:, None]].reshape(-1, 13)
    # Standardised by the training frames (those that stacking left over apart).
    np.testing.assert_allclose(real.mean(0), np.zeros(13), atol=0.01)
    np.testing.assert_allclose(real.std(0), np.ones(13), atol=0.01)
    assert (dataset.splits["validation"].references or ())[:2] == ("RUBOUT W L F X Y SEVEN OH SIX NINE", "GO")
