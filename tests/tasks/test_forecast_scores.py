"""RSE, CORR, quantiles and the linear baseline against plain numpy, in one piece and in parts."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from grux.batch import Batch, Info
from grux.errors import UsageError
from grux.tasks.forecasting import Forecasting
from grux.tasks.linear import RIDGE, fit_linear, linear_forecast
from grux.tasks.quantiles import Levels

INFO = Info(name="toy", task="forecasting", features=2, window=6, horizon=3, means=(100.0, -3.0), deviations=(7.0, 0.5))
GRID = [round(0.1 * k, 1) for k in range(1, 10)]


def task(**options):
    return Forecasting(**{"info": INFO, "loss": "mse", "quantiles": None, "selection": "mse", **options})


def batch(rows=40, seed=0, channels=2):
    random = np.random.default_rng(seed)
    series = random.normal(size=(rows, 9, channels)).cumsum(1).astype(np.float32)
    return Batch(series[:, :6], np.ones((rows, 6), bool), series[:, 6:], np.ones((rows, 3), bool))


def in_parts(task, outputs, data, cut):
    """What a task summarises of two batches, the second one with a filler."""
    parts = []
    for part in (slice(0, cut), slice(cut, None)):
        real = Batch(*(x[part] for x in data[:4]))
        filled = jax.tree.map(lambda x: np.concatenate([x, x[:1]]), real)
        filled = filled._replace(target_mask=np.arange(len(filled.mask))[:, None] < len(real.mask) * np.ones((1, 3)))
        padded = np.concatenate([outputs[part], 99 + outputs[part][:1]])
        parts.append(task.metrics(jnp.asarray(padded), jax.tree.map(jnp.asarray, filled)))
    return task.summarise(jax.tree.map(lambda a, b: np.asarray(a, float) + np.asarray(b, float), *parts))


def test_rse_and_corr_are_those_of_the_raw_values_whatever_the_batches():
    data, noise = batch(), np.random.default_rng(1).normal(size=(40, 3, 2)).astype(np.float32)
    forecasts = data.targets + 0.7 * noise
    got = in_parts(task(), forecasts, data, 13)
    raw, guess = (x * np.array(INFO.deviations) + np.array(INFO.means) for x in (data.targets, forecasts))
    wanted = np.sqrt(((raw - guess) ** 2).sum()) / np.sqrt(((raw - raw.mean()) ** 2).sum())
    assert got["rse"] == pytest.approx(wanted, rel=1e-4)
    each = [np.corrcoef(raw[..., c].ravel(), guess[..., c].ravel())[0, 1] for c in (0, 1)]
    assert got["corr"] == pytest.approx(np.mean(each), abs=1e-4)
    # In units of its own the first channel would not outweigh the second.
    assert got["rse"] != pytest.approx(
        np.sqrt(((data.targets - forecasts) ** 2).sum() / (data.targets**2).sum()), rel=0.1
    )


def test_a_flat_forecast_has_no_correlation_and_a_flat_truth_does_not_count():
    data = batch()
    flat = np.concatenate([data.targets[..., :1], np.full_like(data.targets[..., :1], 0.5)], axis=-1)
    assert in_parts(task(), flat, data, 20)["corr"] == pytest.approx(0.5, abs=1e-4)
    known = data._replace(targets=flat)
    assert in_parts(task(), flat, known, 20)["corr"] == pytest.approx(1.0, abs=1e-4)
    assert "rse" not in in_parts(task(info=dataclasses.replace(INFO, means=None)), flat, data, 20)


def pinball(targets, forecasts, levels):
    """[..., Q], by its definition."""
    error = targets[..., None] - forecasts
    return np.where(error >= 0, np.array(levels) * error, (np.array(levels) - 1) * error)


def test_pinball_crps_and_coverage():
    data, random = batch(), np.random.default_rng(2)
    noise = random.normal(size=(40, 3, 2, 9)) + random.normal(size=(40, 3, 2, 1))
    crossing = data.targets[..., None] + noise.astype(np.float32)
    scored = task(loss="pinball", quantiles=GRID, selection="crps")
    got = in_parts(scored, crossing, data, 11)
    q = np.sort(crossing, -1)
    assert got["pinball"] == pytest.approx(pinball(data.targets, q, GRID).mean(), rel=1e-5)
    assert got["crps"] == pytest.approx(2 * got["pinball"], rel=1e-6)
    inside = (q[..., 0] <= data.targets) & (data.targets <= q[..., -1])
    assert 0.5 < got["coverage"] < 1 and got["coverage"] == pytest.approx(inside.mean(), rel=1e-6)
    assert got["mse"] == pytest.approx(((q[..., 4] - data.targets) ** 2).mean(), rel=1e-5)
    # Trained as they come, with a loss that sorting never makes larger.
    total, count = scored.loss(jnp.asarray(crossing), jax.tree.map(jnp.asarray, data))
    unsorted = pinball(data.targets, crossing, GRID).mean()
    assert float(total) / int(count) == pytest.approx(unsorted, rel=1e-5) and unsorted > got["pinball"]
    assert scored.primary == "pinball" and task().primary == "mse"


def test_the_crps_of_a_normal_forecast_is_nearly_its_closed_form():
    # CRPS of N(0, 1) at y: y (2 Phi(y) - 1) + 2 phi(y) - 1 / sqrt(pi)   (Gneiting and Raftery 2007)
    levels = [round(k / 100, 2) for k in range(1, 100)]
    quantiles = np.array([-jax.scipy.special.ndtri(1 - level) for level in levels])
    y = np.array([-1.5, 0.0, 0.7])
    closed = y * (2 * jax.scipy.stats.norm.cdf(y) - 1) + 2 * jax.scipy.stats.norm.pdf(y) - 1 / np.sqrt(np.pi)
    found = 2 * Levels(levels).pinball(jnp.asarray(quantiles)[None, :], jnp.asarray(y))
    np.testing.assert_allclose(found, closed, atol=0.01)


def test_one_number_is_the_same_at_all_levels():
    data = batch()
    scored = task(loss="pinball", quantiles=GRID)
    got = in_parts(scored, data.targets + 1.0, data, 7)
    assert got["crps"] == pytest.approx(got["mae"], rel=1e-5) == 1.0 and "coverage" not in got
    uneven = in_parts(task(loss="pinball", quantiles=[0.05, 0.5, 0.9]), np.zeros((40, 3, 2, 3)), data, 7)
    assert "crps" not in uneven and "coverage" not in uneven and uneven["pinball"] > 0


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"loss": "pinball"}, "pinball needs levels"),
        ({"quantiles": [0.5]}, "do not go together"),
        ({"loss": "pinball", "quantiles": [0.1, 0.9]}, "lacks 0.5"),
        ({"loss": "pinball", "quantiles": [0.5, 0.5]}, "must grow"),
        ({"loss": "pinball", "quantiles": [0.5, 1.0]}, "must grow"),
        ({"loss": "pinball", "quantiles": []}, "must grow"),
        ({"loss": "pinball", "quantiles": [0.1, 0.5], "selection": "crps"}, "even grid"),
        ({"selection": "pinball"}, "needs quantiles"),
        ({"selection": "rse", "info": dataclasses.replace(INFO, means=None)}, "raw units"),
    ],
)
def test_impossible_choices_are_refused(options, sentence):
    with pytest.raises(UsageError, match=sentence):
        task(**options)


def least_squares(data, channels):
    """The same fit by numpy's lstsq on all rows at once, with the ridge as rows of their own."""
    x = np.concatenate([data.inputs[:, :-1, c] - data.inputs[:, -1:, c] for c in range(channels)]).astype(float)
    y = np.concatenate([data.targets[..., c] - data.inputs[:, -1:, c] for c in range(channels)]).astype(float)
    shrink = np.sqrt(RIDGE * (x**2).sum() / x.shape[1])
    x = np.vstack([np.hstack([x, np.ones((len(x), 1))]), np.hstack([shrink * np.eye(5), np.zeros((5, 1))])])
    return np.linalg.lstsq(x, np.vstack([y, np.zeros((5, 3))]), rcond=None)[0]


def test_the_linear_fit_is_that_of_lstsq_over_batches_and_fillers():
    data = batch()
    parts = [Batch(*(x[part] for x in data[:4])) for part in (slice(0, 9), slice(9, 40))]
    filler = parts[0]._replace(inputs=parts[0].inputs + 50, mask=np.zeros((9, 6), bool))
    found = fit_linear(iter([parts[0], filler, parts[1]]))
    np.testing.assert_allclose(found, least_squares(data, 2), rtol=1e-6, atol=1e-9)


def test_the_linear_baseline_forecasts_what_is_linear():
    start, slope = np.random.default_rng(3).normal(size=(2, 50, 1, 2))
    line = (start + slope * np.arange(9)[None, :, None]).astype(np.float32)
    data = Batch(line[:, :6], np.ones((50, 6), bool), line[:, 6:], np.ones((50, 3), bool))
    scored = task()
    assert set(scored.baselines(jax.tree.map(jnp.asarray, data))) == {"last_value"}
    # Columns of covariates stand behind the channels and have no part in it.
    wide = data._replace(inputs=np.concatenate([data.inputs, np.full((50, 6, 1), 9.0)], -1).astype(np.float32))
    scored.fit(iter([wide]))
    forecast = scored.baselines(jax.tree.map(jnp.asarray, wide))
    np.testing.assert_allclose(forecast["linear"], data.targets, atol=1e-3)
    np.testing.assert_array_equal(forecast["last_value"][:, 0], data.inputs[:, -1])


def test_a_window_of_one_row_leaves_the_mean_change():
    line = np.random.default_rng(4).normal(size=(20, 3, 2)).astype(np.float32)
    data = Batch(line[:, :1], np.ones((20, 1), bool), line[:, 1:], np.ones((20, 2), bool))
    weights = fit_linear(iter([data]))
    np.testing.assert_allclose(weights, (line[:, 1:] - line[:, :1]).mean((0, 2))[None, :], atol=1e-6)
    np.testing.assert_allclose(
        linear_forecast(jnp.asarray(data.inputs), weights), line[:, :1] + weights.T[None], atol=1e-6
    )
