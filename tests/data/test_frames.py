"""Float sequences in buckets: what a batch holds, what is refused, and what is too short for its text."""

import numpy as np
import pytest

from grux.batch import Info
from grux.data.base import take_rows
from grux.data.frames import LabelledFrames, TranscribedFrames, steps_needed
from grux.data.utterances import transcribed
from grux.errors import DataError

CLASSES = Info(name="toy", task="classification", features=2, classes=("a", "b"))
TEXTS = Info(name="toy", task="transcription", features=2, target_vocabulary=6)


def int32(*values):
    return np.array(values, np.int32)


def frames():
    made = np.ones((2, 3, 2), np.float32)
    made[1, 1:] = 0
    return made


def labelled(**changes):
    return LabelledFrames(
        **{"frames": frames(), "lengths": int32(3, 1), "labels": int32(1, 0), "ids": int32(0, 1), **changes}
    )


def with_texts(**changes):
    tokens = int32([4, 5, 0], [5, 0, 0])
    given = {"frames": frames(), "lengths": int32(3, 1), "tokens": tokens, "token_lengths": int32(2, 1)}
    return TranscribedFrames(**{**given, "ids": int32(0, 1), **changes})


def test_a_batch_of_classes():
    bucket = labelled()
    bucket.check(CLASSES, "toy")
    batch = take_rows(bucket, bucket.arrays, int32(1, -1))
    assert batch.inputs.shape == (2, 3, 2) and bucket.shape == (3,)
    assert batch.mask.tolist() == [[True, False, False], [False] * 3]
    assert batch.targets[0] == 0 and batch.target_mask.tolist() == [True, False]


def test_a_batch_of_texts():
    bucket = with_texts()
    bucket.check(TEXTS, "toy")
    batch = take_rows(bucket, bucket.arrays, int32(0, 1, -1))
    assert bucket.shape == (3, 3) and batch.targets[:2].tolist() == [[4, 5, 0], [5, 0, 0]]
    assert batch.target_mask.tolist() == [[True, True, False], [True, False, False], [False] * 3]
    assert batch.mask.sum(1).tolist() == [3, 1, 0]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"frames": frames()[:, :, :1]}, "do not fit 2 channels"),
        ({"lengths": int32(3, 0)}, "example 1 has 0 steps, outside 1..3"),
        ({"lengths": int32(2, 1)}, "example 0 goes on after its end"),
        ({"frames": frames() * np.float32(np.nan)}, "example 0 has a value that is not finite"),
        ({"labels": int32(1, 2)}, "example 1 has class 2 of 2"),
    ],
)
def test_what_is_no_sequence_is_refused(changes, sentence):
    with pytest.raises(DataError, match=sentence):
        labelled(**changes).check(CLASSES, "toy")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"token_lengths": int32(2, 0)}, "example 1 has 0 tokens, outside 1..3"),
        ({"tokens": int32([4, 5, 0], [1, 0, 0])}, "example 1 has a character that no training text has"),
        ({"tokens": int32([4, 6, 0], [5, 0, 0])}, "example 0 has a character that no training text has"),
        ({"tokens": int32([4, 5, 4], [5, 0, 0])}, "text of example 0 goes on after its end"),
        (
            {"tokens": int32([4, 4, 5], [5, 0, 0]), "token_lengths": int32(3, 1)},
            "example 0 has 3 steps, and its text of 3 characters needs 4",
        ),
    ],
)
def test_what_is_no_text_is_refused(changes, sentence):
    with pytest.raises(DataError, match=sentence):
        with_texts(**changes).check(TEXTS, "toy")


def test_a_blank_parts_two_equal_characters():
    assert [steps_needed(np.array(list(map(ord, text)))) for text in ("", "a", "ab", "aa", "three", "aaa")] == [
        *(0, 1, 2, 3),
        *(6, 5),
    ]


def spoken(steps, text):
    return np.ones((steps, 2), np.float32), text


def made(**changes):
    parts = {"train": [spoken(3, "ab"), spoken(2, "aa"), spoken(9, "ba b")], "validation": [spoken(4, "b")]}
    return transcribed(name="toy", spoken={**parts, "test": [spoken(5, "b a")], **changes}, files={}, buckets=2)


def test_training_texts_that_have_no_alignment_are_left_out():
    dataset = made()
    assert dataset.splits["train"].size == 2 and dataset.splits["train"].references == ("ab", "ba b")
    assert dataset.notes == ("1 of 3 training utterances with fewer steps than characters were left out.",)
    assert (dataset.info.target_vocabulary, dataset.info.max_target_length) == (4 + 3, 9)
    (bucket,) = dataset.splits["test"].buckets
    assert dataset.decode is not None and dataset.decode(bucket.arrays["tokens"][0]) == "b a"


def test_others_are_refused():
    with pytest.raises(DataError, match=r"toy validation: example 0 has 2 steps, and its text of 2 characters needs 3"):
        made(validation=[spoken(2, "bb")])
    with pytest.raises(DataError, match="toy test: the text of example 0 has a character that no training text has"):
        made(test=[spoken(5, "abc")])
    with pytest.raises(DataError, match="no training utterance has as many steps"):
        made(train=[spoken(1, "ab")])
