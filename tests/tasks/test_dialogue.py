"""Turns of a dialogue: exact matches, and the rest as of a translation."""

import pytest

from grux.batch import Info
from grux.errors import UsageError
from grux.tasks.dialogue import Dialogue

INFO = Info(name="toy", task="dialogue", vocabulary=9, target_vocabulary=9, max_target_length=4)


def test_a_turn_is_right_or_wrong():
    task = Dialogue(info=INFO, label_smoothing=0.0, selection="loss")
    scores, signatures = task.corpus_metrics(["in  the hall ", "red", "Blue", ""], ["in the hall", "red", "blue", "no"])
    assert scores["exact_match"] == 0.5 and scores.keys() == task.corpus_directions.keys()
    assert task.primary == "exact_match" and signatures.keys() == {"bleu", "chrf"}


def test_it_is_not_for_translation():
    with pytest.raises(UsageError, match="task=dialogue was asked for"):
        Dialogue(info=Info(name="toy", task="translation"), label_smoothing=0.0, selection="loss")
