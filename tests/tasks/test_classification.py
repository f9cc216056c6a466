"""Accuracy, macro F1 and cross-entropy against numbers worked out by hand; sums that add up."""

import jax.numpy as jnp
import numpy as np
import pytest

from grux.batch import Batch, Info
from grux.errors import UsageError
from grux.tasks.classification import Classification

INFO = Info(name="toy", task="classification", vocabulary=10, classes=("a", "b", "c"))


def task(**options):
    return Classification(**{"info": INFO, "label_smoothing": 0.0, "selection": "accuracy", **options})


def batch(targets, mask=None):
    targets = np.asarray(targets, np.int32)
    mask = np.ones(targets.shape, bool) if mask is None else np.asarray(mask)
    return Batch(None, None, jnp.asarray(targets), jnp.asarray(mask))


def logits(predicted):
    return 5.0 * jnp.eye(3)[jnp.asarray(predicted)]


def scores(predicted, actual, mask=None):
    return task().summarise(task().metrics(logits(predicted), batch(actual, mask)))


def test_accuracy_and_macro_f1_by_hand():
    # a: tp 2, fp 1, fn 0 -> 4/5;  b: tp 1, fp 0, fn 2 -> 2/4;  c: tp 1, fp 1, fn 0 -> 2/3
    got = scores([0, 0, 0, 1, 2, 2], [0, 0, 1, 1, 1, 2])
    assert got["accuracy"] == pytest.approx(4 / 6)
    assert got["macro_f1"] == pytest.approx((4 / 5 + 2 / 4 + 2 / 3) / 3)


def test_f1_leaves_out_a_class_that_is_neither_there_nor_predicted():
    assert scores([0, 1], [0, 1])["macro_f1"] == pytest.approx(1.0)
    assert scores([0, 2], [0, 1])["macro_f1"] == pytest.approx(1 / 3)


def test_loss_is_cross_entropy_in_nats():
    total, count = task().loss(jnp.log(jnp.array([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]])), batch([0, 1]))
    assert float(total) == pytest.approx(np.log(2) + np.log(10), rel=1e-6)
    assert int(count) == 2


def test_label_smoothing_moves_the_training_loss_only():
    smooth, outputs, data = task(label_smoothing=0.3), jnp.log(jnp.array([[0.5, 0.25, 0.25]])), batch([0])
    by_hand = -(0.8 * np.log(0.5) + 0.1 * np.log(0.25) + 0.1 * np.log(0.25))
    assert float(smooth.loss(outputs, data)[0]) == pytest.approx(by_hand, rel=1e-6)
    assert float(smooth.metrics(outputs, data)["loss"][0]) == pytest.approx(np.log(2), rel=1e-6)


def calibrated(confidences, right):
    """Sums of predictions of class 0 out of three, with these probabilities."""
    rest = (1 - np.array(confidences)) / 2
    outputs = jnp.log(jnp.stack([jnp.asarray(confidences), jnp.asarray(rest), jnp.asarray(rest)], axis=1))
    return task().metrics(outputs, batch([0 if one else 1 for one in right]))


def test_expected_calibration_error_by_hand():
    # Of 15 bins: 0.95 and 0.98 in the last one (above 0.933), 0.65 in the tenth (0.6, 0.667], 0.43 in the seventh.
    totals = calibrated([0.95, 0.98, 0.65, 0.43], [True, False, True, True])
    by_hand = (abs(1 - (0.95 + 0.98)) + abs(1 - 0.65) + abs(1 - 0.43)) / 4
    assert task().summarise(totals)["ece"] == pytest.approx(by_hand, rel=1e-5)
    (bins,) = task().details([totals])["calibration"]["counts"]
    assert [(n, bins["examples"][n], bins["correct"][n]) for n in range(15) if bins["examples"][n]] == [
        *((6, 1, 1), (9, 1, 1), (14, 2, 1)),
    ]
    assert bins["confidence"][14] == pytest.approx(1.93)


def test_sure_and_right_is_calibrated_and_sure_and_wrong_is_not():
    assert scores([0, 1, 2], [0, 1, 2])["ece"] < 0.02
    assert scores([0, 1, 2], [1, 2, 0])["ece"] > 0.98
    certain = task().metrics(1e4 * jnp.eye(3), batch([0, 1, 2]))
    assert task().summarise(certain)["ece"] == 0 and int(certain["bin_correct"][1][14]) == 3


def test_a_confidence_that_is_no_number_makes_no_score():
    totals = task().metrics(jnp.full((2, 3), jnp.nan).at[0].set(jnp.arange(3.0)), batch([0, 1]))
    assert np.isnan(task().summarise(totals)["ece"]) and int(totals["bin_correct"][1].sum()) == 2


def test_confusion_counts_true_classes_in_rows():
    totals = task().metrics(logits([0, 0, 0, 1, 2, 2]), batch([0, 0, 1, 1, 1, 2]))
    found = task().details([totals, totals])["confusion"]
    assert found["counts"] == [[[2, 0, 0], [1, 1, 1], [0, 0, 1]]] * 2
    assert found["classes"] == ["a", "b", "c"]


def test_many_classes_are_scored_without_their_confusion():
    info = Info(name="toy", task="classification", vocabulary=10, classes=tuple(map(str, range(51))))
    totals = task(info=info).metrics(jnp.eye(51), batch(range(51)))
    assert "confusion" not in totals and task(info=info).details([totals]).keys() == {"calibration"}


def test_fillers_do_not_count_and_a_batch_of_fillers_is_zero():
    random = np.random.default_rng(0)
    outputs, targets = jnp.asarray(random.normal(size=(8, 3)), jnp.float32), random.integers(0, 3, 8)
    mask = np.arange(8) < 5
    outputs = outputs.at[7].set(jnp.nan)  # whatever a filler row holds
    masked = task().metrics(outputs, batch(targets, mask))
    short = task().metrics(outputs[:5], batch(targets[:5]))
    nothing = task().metrics(outputs, batch(targets, np.zeros(8, bool)))
    for name, (total, count) in masked.items():
        np.testing.assert_allclose(total, short[name][0], rtol=1e-6)
        np.testing.assert_array_equal(count, short[name][1])
        assert not np.any(nothing[name][0]) and not np.any(nothing[name][1])


def test_two_halves_add_up():
    random = np.random.default_rng(1)
    predicted, actual = random.integers(0, 3, 20), random.integers(0, 3, 20)
    whole = task().metrics(logits(predicted), batch(actual))
    halves = [task().metrics(logits(predicted[part]), batch(actual[part])) for part in (slice(7), slice(7, None))]
    for name, (total, count) in whole.items():
        np.testing.assert_allclose(total, halves[0][name][0] + halves[1][name][0], rtol=1e-6)
        np.testing.assert_array_equal(count, halves[0][name][1] + halves[1][name][1])


def test_selection_knows_its_direction():
    assert task(selection="macro_f1").selection_higher_is_better
    assert not task(selection="loss").selection_higher_is_better


def test_data_of_another_task_are_refused():
    with pytest.raises(UsageError, match="made for translation"):
        task(info=Info(name="multi30k", task="translation"))
