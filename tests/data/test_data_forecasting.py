"""Tables of numbers read strictly; windows that respect the order of time."""

from datetime import datetime, timedelta

import numpy as np
import pytest

from grux.data.base import take_rows
from grux.data.calendar import calendar_of, known_columns
from grux.data.forecasting import Series, chronological_parts, read_series, windows_dataset
from grux.errors import DataError

ROWS = [
    "date,load,temp",
    "2016-07-01 00:00:00,1.5,2",
    "2016-07-01 01:00:00,-2,3e1",
    "2016-07-01 02:00:00,0,4",
]


def write(tmp_path, rows):
    path = tmp_path / "table.csv"
    path.write_text("\n".join(rows))
    return path


def replaced(number, row):
    return [*ROWS[:number], row, *ROWS[number + 1 :]]


def test_read_series(tmp_path):
    series = read_series(write(tmp_path, ROWS))
    assert series.columns == ("load", "temp")
    assert series.values.tolist() == [[1.5, 2], [-2, 30], [0, 4]]
    assert series.times[1].hour == 1
    assert series.select("temp").values.tolist() == [[2], [30], [4]]


def test_read_some_columns(tmp_path):
    path = write(tmp_path, [row + ("," + "sky" if i == 0 else ",blue") for i, row in enumerate(ROWS)])
    assert read_series(path, columns=("temp",)).values.tolist() == [[2], [30], [4]]
    with pytest.raises(DataError, match="line 2, column 'sky': 'blue' is not"):
        read_series(path)
    with pytest.raises(DataError, match="no column 'rain'; the header has load, temp, sky"):
        read_series(path, columns=("rain",))


def test_chronological_parts():
    assert chronological_parts(1461) == (1022, 146, 293)


BAD = {
    "missing": (replaced(2, "2016-07-01 01:00,,3"), "line 3, column 'load': the value is missing"),
    "NA": (replaced(2, "2016-07-01 01:00,1,NA"), "line 3, column 'temp': 'NA' is not a finite number"),
    "nan": (replaced(2, "2016-07-01 01:00,nan,3"), "line 3, column 'load': 'nan' is not"),
    "infinite": (replaced(1, "2016-07-01 00:00,inf,3"), "line 2, column 'load'"),
    "decimal comma": (replaced(2, '2016-07-01 01:00,"1,5",3'), "'1,5' is not"),
    "ragged, short": (replaced(3, "2016-07-01 02:00,1"), "line 4: 2 cells where the header has 3"),
    "ragged, long": (replaced(3, "2016-07-01 02:00,1,2,3"), "line 4: 4 cells where the header has 3"),
    "blank line": (replaced(2, ""), "line 3: 0 cells"),
    "no header": (ROWS[1:], "line 1 is not a header"),
    "empty name": (replaced(0, "date,,temp"), "line 1 is not a header"),
    "wrong delimiter": ([row.replace(",", ";") for row in ROWS], "line 1 must name a time column"),
    "doubled column": (replaced(0, "date,load,load"), "column 'load' stands 2 times"),
    "no time": (replaced(2, "yesterday,1,2"), "line 3: 'yesterday' is no time"),
    "unsorted": (replaced(3, "2016-07-01 00:30,1,2"), "line 4: time .* does not come after"),
    "doubled time": (replaced(3, "2016-07-01 01:00,1,2"), "line 4"),
    "empty file": ([], "line 1 must name"),
}


@pytest.mark.parametrize(("rows", "message"), BAD.values(), ids=BAD)
def test_bad_tables(tmp_path, rows, message):
    with pytest.raises(DataError, match=message) as caught:
        read_series(write(tmp_path, rows))
    assert "table.csv" in str(caught.value)


def series(rows=100, columns=2, constant=False):
    values = np.random.default_rng(0).normal(size=(rows, columns)) * 5 + 3
    if constant:
        values[:60, 1] = 7
    return Series(tuple("abc"[:columns]), (), values)


def windows(**changes):
    given = {"series": series(), "parts": (60, 15, 20), "window": 8, "horizon": 4, "season": 6, "files": {}}
    return windows_dataset(name="toy", **given | changes)


def test_windows_follow_the_protocol():
    dataset = windows()
    assert {name: split.size for name, split in dataset.splits.items()} == {"train": 49, "validation": 12, "test": 17}
    values = series().values
    scaled = (values - values[:60].mean(0)) / values[:60].std(0)

    def batch(split, *index):
        (bucket,) = dataset.splits[split].buckets
        return bucket.take(bucket.arrays, np.array(index))

    for split, first, last in (("train", 8, 60), ("validation", 60, 75), ("test", 75, 95)):
        got = batch(split, 0, dataset.splits[split].size - 1)
        np.testing.assert_allclose(got.inputs[0], scaled[first - 8 : first], rtol=1e-5)
        np.testing.assert_allclose(got.targets[0], scaled[first : first + 4], rtol=1e-5)
        np.testing.assert_allclose(got.targets[1], scaled[last - 4 : last], rtol=1e-5)
        assert got.inputs.dtype == got.targets.dtype == np.float32


def test_statistics_come_from_training_rows_alone():
    other = series()
    other.values[60:] += 1000
    for name in ("mase_scale", "features"):
        assert getattr(windows().info, name) == getattr(windows(series=other).info, name)
    first, second = windows().splits["train"].buckets[0], windows(series=other).splits["train"].buckets[0]
    np.testing.assert_array_equal(first.arrays["series"], second.arrays["series"])


def test_mase_scale():
    values = series().values[:60]
    scaled = (values - values.mean(0)) / values.std(0)
    expected = [np.mean([abs(scaled[t, c] - scaled[t - 6, c]) for t in range(6, 60)]) for c in (0, 1)]
    np.testing.assert_allclose(windows().info.mase_scale, expected)


IMPOSSIBLE = {
    "too few rows": ({"parts": (60, 15, 26)}, "101 rows are needed, but the series has 100"),
    "window and horizon": ({"window": 57}, "window=57 and horizon=4 needs at least 61 training rows, but there are 60"),
    "horizon": ({"horizon": 16}, "horizon=16 needs at least 16 rows in each part, but the shortest has 15"),
    "constant": ({"series": series(constant=True)}, "channel 'b' is constant over the 60 training rows"),
    "season": ({"season": 60}, "season=60 needs more than 60 training rows"),
}


@pytest.mark.parametrize(("changes", "message"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_impossible_settings(changes, message):
    with pytest.raises(DataError, match=message):
        windows(**changes)


def test_exact_repetition_has_no_mase():
    values = np.tile(np.arange(6.0), 20)[:100, None]
    with pytest.raises(DataError, match="MASE is undefined"):
        windows(series=Series(("a",), (), values))


def test_largest_possible_window():
    assert windows(window=56).splits["train"].size == 1


HOURS = tuple(datetime(2024, 2, 27) + timedelta(hours=6 * hour) for hour in range(100))


def covariates():
    return calendar_of(HOURS, train=60, name="toy")


def test_the_calendar_by_hand():
    found = covariates()
    assert found.names == ("hour of day", "day of week", "day of month", "day of year")  # minutes stand still
    tuesday, leap, last = found.values[0], found.values[8], found.values[99]
    np.testing.assert_allclose(tuesday, [-0.5, 1 / 6 - 0.5, 26 / 30 - 0.5, 57 / 365 - 0.5])
    np.testing.assert_allclose(leap, [-0.5, 3 / 6 - 0.5, 28 / 30 - 0.5, 59 / 365 - 0.5])  # 29 February
    assert last[0] == pytest.approx(18 / 23 - 0.5) and np.abs(found.values).max() <= 0.5
    weeks = calendar_of([datetime(2024, 1, 1) + timedelta(weeks=k) for k in range(20)], train=10, name="toy")
    assert weeks.names == ("day of month", "day of year")
    with pytest.raises(DataError, match="they have none"):
        calendar_of((), train=10, name="toy")
    with pytest.raises(DataError, match="no calendar feature changes"):
        calendar_of([datetime(2024, 1, 1)] * 9, train=3, name="toy")


def test_covariates_are_those_of_their_rows():
    known = covariates()
    with pytest.raises(DataError, match="lead is 3"):
        windows(covariates=known, lead=3)
    dataset = windows(covariates=known)
    assert dataset.info.covariates == known.names and (dataset.info.features, dataset.info.lead) == (2, 1)
    values = series().values
    scaled = (values - values[:60].mean(0)) / values[:60].std(0)
    for split, start in (("train", 0), ("validation", 60 - 8), ("test", 75 - 8)):
        (bucket,) = dataset.splits[split].buckets
        got = bucket.take(bucket.arrays, np.array([0, 2]))
        seen, ahead = slice(start + 2, start + 10), slice(start + 10, start + 14)
        np.testing.assert_allclose(got.inputs[1, :, :2], scaled[seen], rtol=1e-5)
        np.testing.assert_allclose(got.inputs[1, :, 2:], known.values[seen], rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(got.targets[1], scaled[ahead], rtol=1e-5)
        np.testing.assert_allclose(got.future[1], known.values[ahead], rtol=1e-5, atol=1e-7)
    (plain,) = windows().splits["test"].buckets
    assert dataset.splits["test"].size == plain.size == 17
    assert plain.take(plain.arrays, np.array([0])).future is None
    batch = take_rows(bucket, bucket.arrays, np.array([0, -1]))  # a filler row keeps the shape
    assert batch.future.shape == (2, 4, 4) and not batch.mask[1].any()


def test_known_columns_are_standardised_by_training_rows():
    values = np.arange(40.0).reshape(20, 2)
    found = known_columns(("price", "holiday"), values, train=10, name="toy")
    np.testing.assert_allclose(found.values[:10].mean(0), 0, atol=1e-12)
    np.testing.assert_allclose(found.values * found.deviations + np.array(found.means), values)
    with pytest.raises(DataError, match="'holiday' is constant over the 10 training rows"):
        known_columns(("price", "holiday"), values * [1, 0], train=10, name="toy")
