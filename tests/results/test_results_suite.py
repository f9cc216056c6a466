"""Several data sets in one number, by the definitions of rliable, recomputed plainly; what the intervals cover."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu, trim_mean

from grux.results import suite
from grux.results.suite import THRESHOLDS, aggregate, iqm, probability, profile

RNG = np.random.default_rng(0)
GRU = RNG.normal(1.0, 0.3, size=(4, 5))
LSTM = RNG.normal(0.8, 0.3, size=(4, 5))


@settings(deadline=None)
@given(st.lists(st.floats(-5, 5), min_size=1, max_size=30))
def test_iqm_is_the_trimmed_mean_of_scipy(scores):
    # rliable: scipy.stats.trim_mean(scores, proportiontocut=0.25, axis=None)
    assert float(iqm(np.array(scores))) == pytest.approx(trim_mean(scores, 0.25), abs=1e-12)


# Printed by rliable 1.2.0 (numpy 1.26.4) for SCORES and OTHERS [data set, seed]; it takes them transposed:
#   get_interval_estimates({"A": scores}, lambda x: [aggregate_iqm(x), aggregate_mean(x)], reps=50000)
#   get_interval_estimates({"A,B": (scores, others)}, probability_of_improvement, reps=20000)
#   create_performance_profile({"A": scores}, [0.5, 1.0], reps=20000)
SCORES = [
    *([0.62, 0.83, 0.40, 1.30, 0.66], [0.71, 0.79, 0.52, 0.98, 0.70]),
    *([0.55, 1.10, 0.47, 1.21, 0.69], [0.90, 0.95, 0.61, 0.77, 0.58]),
]
OTHERS = [
    *([0.51, 0.70, 0.45, 1.00, 0.60], [0.65, 0.79, 0.40, 0.91, 0.62]),
    *([0.50, 0.90, 0.47, 1.05, 0.73], [0.85, 0.99, 0.55, 0.80, 0.49]),
]


def test_numbers_that_rliable_prints():
    found = aggregate(SCORES, OTHERS)
    assert found.probability is not None
    # The ends of both are those of random resamples; shares of 20 runs are multiples of 0.05.
    printed = [
        (found.iqm, (0.728, 0.632, 0.853), 0.015),
        (found.mean, (0.767, 0.6665, 0.8735), 0.015),
        (found.profile[0], (0.9, 0.75, 1.0), 0.051),
        (found.profile[1], (0.15, 0.0, 0.3), 0.051),
        (found.probability, (0.59, 0.395, 0.775), 0.015),
    ]
    for ours, theirs, tolerance in printed:
        assert ours[0] == pytest.approx(theirs[0], abs=1e-9)
        assert ours[1:] == pytest.approx(theirs[1:], abs=tolerance)


def test_values_are_rliables():
    found = aggregate(GRU.tolist(), LSTM.tolist())
    assert found.runs == 20
    assert found.iqm[0] == pytest.approx(trim_mean(GRU, 0.25, axis=None))
    assert found.mean[0] == pytest.approx(GRU.mean())
    # P(X > Y): for each task Mann-Whitney's U over the number of pairs, then the mean over tasks.
    u = [mannwhitneyu(x, y).statistic / 25 for x, y in zip(GRU, LSTM, strict=True)]
    assert found.probability is not None and found.probability[0] == pytest.approx(np.mean(u))
    for above, (share, low, high) in zip(THRESHOLDS, found.profile, strict=True):
        assert share == pytest.approx((above < GRU).mean())
        assert low <= share <= high


def test_the_bootstrap_draws_seeds_within_each_data_set():
    # Two data sets far apart, each without spread: drawing seeds changes nothing, drawing data sets would.
    found = aggregate([[0.0] * 4, [1.0] * 4])
    assert found.iqm == (0.5, 0.5, 0.5)
    assert found.mean == (0.5, 0.5, 0.5)
    # One data set of two seeds: of its four resamples one is all low and one all high.
    _, low, high = aggregate([[0.0, 1.0]]).mean
    assert (low, high) == (0.0, 1.0)


def test_profiles_fall_and_data_sets_weigh_alike():
    shares = [share for share, _, _ in profile([[0.2, 0.6, 0.9], [1.5]], [0.0, 0.5, 1.0, 2.0])]
    assert shares == pytest.approx([1.0, (2 / 3 + 1) / 2, 0.5, 0.0])


def test_one_seed_and_ties():
    found = aggregate([[0.4]], [[0.4]])
    for value, low, high in (found.iqm, found.mean, found.profile[0], found.probability):
        assert math.isfinite(value) and math.isnan(low) and math.isnan(high)  # one seed has no spread
    assert (found.iqm[0], found.probability[0]) == (0.4, 0.5)
    assert probability([[0.4, 0.4]], [[0.4, 0.4]]) == (0.5, 0.5, 0.5)


def test_intervals_cover_what_they_say(monkeypatch):
    monkeypatch.setattr(suite, "RESAMPLES", 300)
    rng = np.random.default_rng(5)
    hits = {"iqm": 0, "mean": 0, "above": 0}
    for _ in range(400):
        # Ten data sets of twenty seeds; normal scores, so the middle half has the mean of all.
        found = aggregate(rng.normal(0.5, 0.2, size=(10, 20)).tolist())
        hits["iqm"] += found.iqm[1] <= 0.5 <= found.iqm[2]
        hits["mean"] += found.mean[1] <= 0.5 <= found.mean[2]
        hits["above"] += found.profile[0][1] <= 0.5 <= found.profile[0][2]
    assert all(0.92 < count / 400 < 0.98 for count in hits.values()), hits
