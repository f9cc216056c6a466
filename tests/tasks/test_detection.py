"""Scores of detection by hand, with ties, against scikit-learn, and the score of NAB by its definition."""

import math

import numpy as np
import pytest

from grux.tasks import detection
from grux.tasks.nab import nab_score

SCORES = np.array([0.9, 0.8, 0.8, 0.6, 0.5, 0.2])
LABELS = np.array([1, 0, 1, 0, 1, 0], bool)


def flags(text: str) -> np.ndarray:
    return np.array([letter == "1" for letter in text])


def sigma(y: float) -> float:
    return 2 / (1 + math.exp(5 * y)) - 1


def test_auroc_by_hand():
    """Of nine pairs: 0.9 wins three, 0.8 wins two and ties one, 0.5 wins one."""
    assert detection.auroc(SCORES, LABELS) == pytest.approx((3 + 2.5 + 1) / 9)
    assert detection.auroc(-SCORES, LABELS) == pytest.approx(1 - 6.5 / 9)
    assert detection.auroc(np.zeros(6), LABELS) == 0.5
    assert detection.auroc(LABELS.astype(float), LABELS) == 1.0


def test_average_precision_by_hand():
    """Thresholds 0.9 (1 of 1), 0.8 (2 of 3, both tied items at once), 0.5 (3 of 5)."""
    assert detection.average_precision(SCORES, LABELS) == pytest.approx((1 + 2 / 3 + 3 / 5) / 3)
    assert detection.average_precision(np.zeros(6), LABELS) == 0.5


def test_against_scikit_learn_with_many_ties():
    metrics = pytest.importorskip("sklearn.metrics")
    random = np.random.default_rng(0)
    for levels in (2, 5, 50, 10_000):
        scores = random.integers(0, levels, 400) / levels
        labels = random.random(400) < 0.1 + 0.3 * scores
        assert detection.auroc(scores, labels) == pytest.approx(metrics.roc_auc_score(labels, scores), abs=1e-12)
        wanted = metrics.average_precision_score(labels, scores)
        assert detection.average_precision(scores, labels) == pytest.approx(wanted, abs=1e-12)
        assert detection.f1(scores > 0.4, labels) == pytest.approx(metrics.f1_score(labels, scores > 0.4))


def test_the_order_of_items_is_nothing_to_them():
    random = np.random.default_rng(1)
    scores, labels = random.integers(0, 9, 60) / 9, random.random(60) < 0.3
    for function in (detection.auroc, detection.average_precision, detection.best_f1_threshold):
        wanted = function(scores, labels)
        for _ in range(5):
            order = random.permutation(60)
            assert function(scores[order], labels[order]) == pytest.approx(wanted, abs=1e-12)


def test_a_growing_map_of_the_scores_changes_nothing():
    assert detection.auroc(np.exp(9 * SCORES), LABELS) == detection.auroc(SCORES, LABELS)
    mapped = detection.average_precision(np.exp(9 * SCORES), LABELS)
    assert mapped == detection.average_precision(SCORES, LABELS)


@pytest.mark.parametrize("function", [detection.auroc, detection.average_precision, detection.best_f1_threshold])
def test_what_is_not_defined_is_nan(function):
    assert math.isnan(function(SCORES, np.zeros(6, bool)))
    assert math.isnan(function(np.where(LABELS, np.nan, SCORES), LABELS))
    assert math.isnan(detection.f1(SCORES > 0.5, np.zeros(6, bool)))
    assert math.isnan(detection.auroc(SCORES, np.ones(6, bool)))


def test_f1_by_hand():
    assert detection.f1(SCORES > 0.55, LABELS) == pytest.approx(2 * 2 / (4 + 3))
    assert detection.f1(SCORES > 1, LABELS) == 0.0
    assert detection.f1(LABELS, LABELS) == 1.0


def test_the_best_threshold_is_that_of_a_search():
    """F1 with 0.9 flagged: 1/2; down to 0.8: 2/3; to 0.6: 4/7; to 0.5: 3/4; all: 2/3."""
    assert detection.best_f1_threshold(SCORES, LABELS) == pytest.approx((0.5 + 0.2) / 2)
    random = np.random.default_rng(2)
    for _ in range(20):
        scores, labels = random.integers(0, 12, 30) / 12, random.random(30) < 0.4
        best = max(detection.f1(scores > threshold, labels) for threshold in [*scores, -1.0])
        threshold = detection.best_f1_threshold(scores, labels)
        assert detection.f1(scores > threshold, labels) == pytest.approx(best)
    neighbours = np.array([1.0, np.nextafter(1.0, 0.0)])
    assert (neighbours > detection.best_f1_threshold(neighbours, flags("10"))).tolist() == [True, False]
    everything = detection.best_f1_threshold(np.ones(4), flags("1111"))
    assert (np.ones(4) > everything).all()


def test_spans():
    assert detection.spans(flags("0110010")) == [(1, 3), (5, 6)]
    assert detection.spans(flags("111")) == [(0, 3)] and detection.spans(flags("000")) == []


def test_one_flag_makes_a_whole_anomaly_found_by_point_adjustment():
    labels = flags("0011110000110")
    given = flags("0100100000000")
    adjusted = detection.point_adjusted(given, labels)
    assert adjusted.tolist() == flags("0111110000000").tolist()
    assert detection.f1(given, labels) == pytest.approx(2 * 1 / (2 + 6))
    assert detection.f1(adjusted, labels) == pytest.approx(2 * 4 / (5 + 6))
    assert given.sum() == 2  # what was given stays as it is


def test_nab_of_detectors_whose_score_is_known():
    labels = flags("00111100000111000")
    first = flags("00100000000100000")
    assert nab_score(first, labels) == pytest.approx(100)
    assert nab_score(np.zeros(17, bool), labels) == 0.0
    assert nab_score(flags("00100000000000000"), labels) == pytest.approx(50)
    assert nab_score(labels, labels) == pytest.approx(100)  # later flags of a window neither gain nor cost
    assert math.isnan(nab_score(first, np.zeros(17, bool)))


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("0000100000000000000000", sigma(-2 / 4) / sigma(-1)),  # the third row of four: two are left, this one too
        ("0000010000000000000000", sigma(-1 / 4) / sigma(-1)),  # the last row of the window
        ("1000000000000000000000", -1 - 0.11),  # before any window
        ("0000000100000000000000", -1 + 0.11 * sigma(2 / 3)),  # two rows behind its end, a window being 4 - 1 long
        ("0000000000000100000000", -1 + 0.11 * sigma(8 / 3)),
        ("0000000000000010000000", -1 - 0.11),  # three windows behind
        ("0110100100000000000001", sigma(-4 / 4) / sigma(-1) - 0.11 + 0.11 * sigma(2 / 3) - 0.11),
    ],
)
def test_nab_by_hand(given: str, wanted: float):
    """One window, rows 2 to 5; the sum of no flags is -1, that of a perfect detector 1."""
    labels = flags("0011110000000000000000")
    assert nab_score(flags(given), labels) == pytest.approx(100 * (wanted + 1) / 2)


def test_a_false_alarm_counts_from_the_window_before_it():
    labels = flags("0111000000000011111000")
    alarm = flags("0000010000000000000010")  # two and a half rows behind windows of three and of five
    alarm[20] = True
    wanted = -2 + 0.11 * sigma(2 / 2) + 0.11 * sigma(2 / 4)
    assert nab_score(alarm, labels) == pytest.approx(100 * (wanted + 2) / 4)


def test_a_window_of_one_row_is_no_division_by_zero():
    assert nab_score(flags("0100"), flags("0100")) == pytest.approx(100)
    assert nab_score(flags("0010"), flags("0100")) == pytest.approx(100 * 0.11 * sigma(1) / 2)
