"""Errors, MASE and naive forecasts against numbers worked out by hand; sums that add up."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grux.batch import Batch, Info
from grux.errors import DataError, UsageError
from grux.tasks.forecasting import Forecasting

INFO = Info(name="toy", task="forecasting", features=2, window=6, horizon=5, season=3, mase_scale=(0.5, 2.0))


def task(**options):
    return Forecasting(**{"info": INFO, "loss": "mse", "quantiles": None, "selection": "mse", **options})


def series_batch(rows=4, seed=0):
    random = np.random.default_rng(seed)
    inputs = random.normal(size=(rows, 6, 2)).astype(np.float32)
    targets = random.normal(size=(rows, 5, 2)).astype(np.float32)
    masks = np.ones((rows, 6), bool), np.ones((rows, 5), bool)
    return Batch(jnp.asarray(inputs), jnp.asarray(masks[0]), jnp.asarray(targets), jnp.asarray(masks[1]))


def test_errors_are_means_over_examples_horizon_and_channels():
    data = series_batch()
    outputs = data.targets + jnp.array([1.0, -2.0])[None, None, :]
    got = task().summarise(task().metrics(outputs, data))
    assert got["mse"] == pytest.approx((1 + 4) / 2, rel=1e-5)
    assert got["mae"] == pytest.approx((1 + 2) / 2, rel=1e-5)
    assert got["mase"] == pytest.approx((1 / 0.5 + 2 / 2.0) / 2, rel=1e-5)


@pytest.mark.parametrize("loss, expected", [("mse", 2.5), ("mae", 1.5)])
def test_loss_is_the_metric_of_its_name(loss, expected):
    data = series_batch()
    total, count = task(loss=loss).loss(data.targets + jnp.array([1.0, -2.0])[None, None, :], data)
    assert float(total) / int(count) == pytest.approx(expected, rel=1e-5)
    assert int(count) == 4 * 5 * 2


def test_naive_forecasts_by_hand():
    inputs = jnp.arange(6.0)[None, :, None] * jnp.array([1.0, 10.0])[None, None, :]
    data = series_batch(rows=1)._replace(inputs=inputs)
    forecasts = task().baselines(data)
    np.testing.assert_array_equal(forecasts["last_value"][0, :, 0], [5, 5, 5, 5, 5])
    np.testing.assert_array_equal(forecasts["seasonal_naive"][0, :, 0], [3, 4, 5, 3, 4])
    np.testing.assert_array_equal(forecasts["seasonal_naive"][0, :, 1], [30, 40, 50, 30, 40])


def test_naive_forecasts_start_at_the_last_real_row():
    inputs = jnp.arange(6.0)[None, :, None] * jnp.ones((1, 1, 2))
    data = series_batch(rows=1)._replace(inputs=inputs, mask=jnp.arange(6)[None, :] < 4)
    forecasts = task().baselines(data)
    np.testing.assert_array_equal(forecasts["last_value"][0, :, 0], [3, 3, 3, 3, 3])
    np.testing.assert_array_equal(forecasts["seasonal_naive"][0, :, 0], [1, 2, 3, 1, 2])


def test_the_seasonal_naive_forecast_is_right_about_a_periodic_series():
    wave = jnp.tile(jnp.array([1.0, -1.0, 4.0]), 4)[None, :, None] * jnp.ones((1, 1, 2))
    data = series_batch(rows=1)._replace(inputs=wave[:, :6], targets=wave[:, 6:11])
    got = task().summarise(task().metrics(task().baselines(data)["seasonal_naive"], data))
    assert got == {"mse": 0.0, "mae": 0.0, "mase": 0.0, "corr": pytest.approx(1.0, abs=1e-5)}


@settings(max_examples=20, deadline=None)
@given(real=st.integers(0, 4), seed=st.integers(0, 9))
def test_fillers_and_splits_add_up(real, seed):
    data = series_batch(seed=seed)
    outputs = jnp.asarray(np.random.default_rng(seed + 100).normal(size=(4, 5, 2)), jnp.float32)
    filled = data._replace(target_mask=(jnp.arange(4) < real)[:, None] & data.target_mask)
    rest = data._replace(target_mask=(jnp.arange(4) >= real)[:, None] & data.target_mask)
    whole, head, tail = (task().metrics(outputs, part) for part in (data, filled, rest))
    for name, (total, count) in whole.items():
        np.testing.assert_allclose(total, head[name][0] + tail[name][0], rtol=1e-5)
        assert int(count) == int(head[name][1] + tail[name][1])
    if real == 0:
        assert all(not np.any(total) and not np.any(count) for total, count in head.values())
        assert task().loss(outputs, filled) == (0.0, 0)


def test_without_a_season_there_is_neither_mase_nor_a_seasonal_forecast():
    plain = task(info=dataclasses.replace(INFO, season=None, mase_scale=None))
    data = series_batch()
    assert set(plain.summarise(plain.metrics(data.targets, data))) == {"mse", "mae", "corr"}
    assert set(plain.baselines(data)) == {"last_value"}


def test_a_window_without_a_whole_season_has_no_seasonal_forecast():
    data = series_batch()
    assert set(task(info=dataclasses.replace(INFO, season=24)).baselines(data)) == {"last_value"}
    assert set(task(info=dataclasses.replace(INFO, season=6)).baselines(data)) == {"last_value", "seasonal_naive"}


def test_impossible_choices_are_refused():
    with pytest.raises(UsageError, match="names none"):
        task(info=dataclasses.replace(INFO, season=None, mase_scale=None), selection="mase")
    with pytest.raises(DataError, match="never changes"):
        task(info=dataclasses.replace(INFO, mase_scale=(0.0, 1.0)))
