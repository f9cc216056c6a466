"""Errors, their scale, items and thresholds of anomaly detection, by hand; and what a record gets of them."""

import jax.numpy as jnp
import numpy as np
import pytest

from grux.batch import Batch, Info, Marks
from grux.errors import UsageError
from grux.tasks.anomaly import Anomaly, item_scores

SERIES = Info(name="toy", task="anomaly", features=2, window=3, stride=2, classes=("normal", "anomaly"))
WHOLE = Info(name="toy", task="anomaly", features=1, window=3, classes=("normal", "anomaly"))


def task(info=SERIES, **options):
    return Anomaly(info=info, **{"quantile": 0.5, "selection": "mse", **options})


def batch(rows=3, channels=2, seed=0):
    random = np.random.default_rng(seed)
    values = random.normal(size=(rows, 4, channels)).astype(np.float32)
    mask = np.array([[0, 1, 1], [0, 1, 0], [0, 0, 0]], bool)[:rows]
    return Batch(*map(jnp.asarray, (values[:, :-1], np.ones_like(mask), values[:, 1:], mask)))


def test_the_loss_is_that_of_normal_judged_steps():
    data = batch()
    outputs = jnp.ones_like(data.targets)
    errors = np.square(1 - np.asarray(data.targets))
    total, count = task().loss(outputs, data)
    assert float(total) == pytest.approx(errors[0, 1:].sum() + errors[1, 1].sum(), rel=1e-6) and int(count) == 3 * 2
    assert task().summarise(task().metrics(outputs, data))["mse"] == pytest.approx(float(total) / 6)
    np.testing.assert_allclose(task().collect(outputs, data), errors, rtol=1e-6)


def test_methods_without_training():
    data = batch()
    found = task().baselines(data)
    np.testing.assert_array_equal(found["last_value"], data.inputs)
    assert not np.asarray(found["mean"]).any() and found["mean"].shape == data.targets.shape
    series = task()
    series.fit([data])
    assert found.keys() == series.baselines(data).keys() == {"last_value", "mean"}


def test_the_mean_sequence_is_that_of_normal_ones():
    """Fillers and steps that are labelled as anomalies have no part in it, whatever the batches."""
    whole, data, more = task(WHOLE), batch(channels=1), batch(channels=1, seed=1)
    whole.fit([data, more])
    values = np.concatenate([data.targets, more.targets])
    normal = np.concatenate([data.target_mask, more.target_mask])
    wanted = [values[normal[:, t], t].mean() if normal[:, t].any() else 0.0 for t in range(3)]
    got = np.asarray(whole.baselines(data)["mean_sequence"])
    np.testing.assert_allclose(got, np.broadcast_to(np.reshape(wanted, (1, 3, 1)), (3, 3, 1)), rtol=1e-5)


ITEMS = np.array([[-1, 0, 1], [-1, 2, 3]], np.int32)
ERRORS = np.array([[[9, 9], [1, 4], [3, 4]], [[9, 9], [8, 16], [2, 4]]], np.float32)


def test_the_score_of_a_row_is_in_units_of_the_scale():
    wanted = [(1 / 2 + 4 / 4) / 2, (3 / 2 + 4 / 4) / 2, (8 / 2 + 16 / 4) / 2, (2 / 2 + 4 / 4) / 2]
    np.testing.assert_allclose(item_scores(ERRORS, ITEMS, np.array([2.0, 4.0])), wanted)


def test_the_score_of_a_sequence_is_the_mean_of_its_steps():
    errors = ERRORS[:, :, :1]
    items = np.array([[1, 1, 1], [0, 0, 0]], np.int32)
    np.testing.assert_allclose(item_scores(errors, items, np.array([2.0])), [19 / 6, 13 / 6])


def test_validation_settles_scale_and_threshold():
    """Without an anomaly the scale is the mean error of the judged steps, and the threshold a quantile."""
    found = task().decide(ERRORS, Marks(ITEMS, None))
    assert found["scale"] == [(1 + 3 + 8 + 2) / 4, (4 + 4 + 16 + 4) / 4]
    scores = item_scores(ERRORS, ITEMS, np.array(found["scale"]))
    assert found["threshold"] == np.median(scores) and "quantile 0.5 of the 4" in found["rule"]
    assert task().decide(ERRORS, Marks(ITEMS, np.zeros(4, bool))) == found
    highest = task(quantile=1.0).decide(ERRORS, Marks(ITEMS, None))
    assert highest["threshold"] == scores.max()


def test_known_anomalies_choose_the_threshold_and_stay_out_of_the_scale():
    found = task().decide(ERRORS, Marks(ITEMS, np.array([0, 0, 1, 0], bool)))
    assert found["scale"] == [2.0, 4.0] and found["rule"] == "best F1 on validation"
    assert found["threshold"] == pytest.approx((4 + 1.25) / 2)


def test_scores_of_a_series():
    labels = np.array([0, 0, 1, 1], bool)
    decision = {"scale": [2.0, 4.0], "threshold": 2.0, "rule": "as given"}
    found, signatures = task().collected_metrics(ERRORS, Marks(ITEMS, labels), decision)
    # Scores 0.75, 1.25, 4, 1: the third row alone is flagged.
    assert found["auroc"] == pytest.approx(3 / 4) and found["auprc"] == pytest.approx((1 + 2 / 3) / 2)
    assert found["f1"] == pytest.approx(2 / 3) and found["f1_point_adjusted_inflated"] == 1.0
    assert found["nab"] == pytest.approx(100)
    assert set(found) == set(Anomaly.corpus_directions)
    assert "inflated" in signatures["f1_point_adjusted_inflated"] and "leaderboard" in signatures["nab"]
    assert all("threshold: as given" in text for text in signatures.values())


def test_whole_sequences_have_no_scores_of_time():
    items = np.array([[0, 0, 0], [1, 1, 1]], np.int32)
    decision = {"scale": [1.0], "threshold": 5.0, "rule": "as given"}
    found, _ = task(WHOLE).collected_metrics(ERRORS[:, :, :1], Marks(items, np.array([False, True])), decision)
    assert found == {"auroc": 1.0, "auprc": 1.0, "f1": 1.0}


def test_without_labels_the_error_is_all_that_is_scored():
    unlabelled = task(Info(name="toy", task="anomaly", features=2, window=3, stride=2))
    assert (unlabelled.primary, unlabelled.higher_is_better) == ("mse", False)
    assert (task().primary, task().higher_is_better) == ("auroc", True)
    assert unlabelled.collected_metrics(ERRORS, Marks(ITEMS, None), {}) == ({}, {})


def test_other_data_are_refused():
    with pytest.raises(UsageError, match="is made for forecasting"):
        task(Info(name="ett", task="forecasting", features=2))
