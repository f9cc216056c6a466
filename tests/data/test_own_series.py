"""Series of one's own: what each choice makes of a file, and that nothing comes from a later part."""

import hashlib
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from own_files import hours, load, replaced, write

from grux.data.clock import grid_of, read_times, written
from grux.data.own_series import Rows, imputed, joined, ordered, regular
from grux.errors import DataError, UsageError

HOURS = hours()
SMALL = {"window": 8, "horizon": 4}


def series(dataset, part="train"):
    """float32 [N, D] of one part, standardised."""
    (bucket,) = dataset.splits[part].buckets
    return bucket.arrays["series"]


def same(one, other):
    return all(np.array_equal(series(one, part), series(other, part)) for part in one.splits)


def test_a_plain_file(tmp_path):
    path = write(tmp_path / "my.csv", HOURS)
    dataset = load("csv_series", path=path, **SMALL)
    values = np.array([[float(cell) for cell in row.split(",")[1:]] for row in HOURS[1:]])
    train = values[:168]
    np.testing.assert_allclose(series(dataset), (train - train.mean(0)) / train.std(0), rtol=1e-5, atol=1e-6)
    assert {part: split.size for part, split in dataset.splits.items()} == {"train": 157, "validation": 21, "test": 45}
    assert (dataset.info.features, dataset.info.season) == (2, 24)
    assert dataset.notes == ("season=24 was taken for a step of 1 hour.",)
    assert dataset.files == {"my.csv": hashlib.sha256((tmp_path / "my.csv").read_bytes()).hexdigest()}


WAYS = {
    "byte order mark, CRLF": ({"encoding": "utf-8-sig", "end": "\r\n"}, HOURS, {}),
    "CR": ({"end": "\r"}, HOURS, {}),
    "blank lines at the end": ({}, [*HOURS, "", " ", ",,"], {}),
    "blanks in cells": ({}, [row.replace(",", " , ") for row in HOURS], {}),
    "tabs": ({}, [row.replace(",", "\t") for row in HOURS], {}),
    "bars": ({}, [row.replace(",", "|") for row in HOURS], {"separator": "bar"}),
    "decimal commas": ({}, [row.replace(",", ";").replace(".", ",") for row in HOURS], {"decimal": "comma"}),
    "slashes and T": ({}, [row[:10].replace("-", "/") + row[10:].replace(" ", "T") for row in HOURS], {}),
    "one time zone": ({}, [HOURS[0], *(f"{row[:19]}+05:30{row[19:]}" for row in HOURS[1:])], {}),
    "Z": ({}, [HOURS[0], *(f"{row[:19]}Z{row[19:]}" for row in HOURS[1:])], {}),
    "seconds since 1970": (
        {},
        [HOURS[0], *(f"{1577836800 + 3600 * i}{row[19:]}" for i, row in enumerate(HOURS[1:]))],
        {"time_format": "epoch"},
    ),
    "a column of texts": ({}, [f"{row},{'sky' if i == 0 else 'blue'}" for i, row in enumerate(HOURS)], {}),
    "times elsewhere": ({}, [",".join((*row.split(",")[1:], row.split(",")[0])) for row in HOURS], {"time": "time"}),
    "one by name": ({}, [f"{row},{i or 'n'}" for i, row in enumerate(HOURS)], {"target": ["load", "temp"]}),
    "sorted": ({}, [HOURS[0], *reversed(HOURS[1:])], {"unsorted": "sort"}),
    "the same twice": ({}, replaced(HOURS, 7, [HOURS[6], HOURS[6]]), {"repeated": "mean"}),
    "skipped": ({}, replaced(HOURS, 7, ["", HOURS[6], ""]), {"empty": "skip"}),
}


@pytest.mark.parametrize(("how", "rows", "settings"), WAYS.values(), ids=WAYS)
def test_a_file_written_otherwise_is_the_same_series(tmp_path, how, rows, settings):
    plain = load("csv_series", path=write(tmp_path / "plain.csv", HOURS), **SMALL)
    other = load("csv_series", path=write(tmp_path / "other.csv", rows, **how), **SMALL, **settings)
    assert same(plain, other)
    assert plain.info.season == other.info.season


def test_what_was_done_is_said(tmp_path):
    rows = [f"{row},{'sky' if i == 0 else 'blue'}" for i, row in enumerate(HOURS)]
    rows = [*replaced(replaced(rows, 100, ["", rows[99]]), 7, []), rows[-1]]
    path = write(tmp_path / "my.csv", rows)
    choices = {"irregular": "fill", "impute": "linear", "repeated": "last", "empty": "skip"}
    assert load("csv_series", path=path, **SMALL, **choices).notes == (
        "Left out, as no numbers: 'sky'.",
        "season=24 was taken for a step of 1 hour.",
        "Left out: 1 empty line of my.csv.",
        "1 row repeats the time of another; of each time the last was taken.",
        "Not of the usual 1 hour: 1 of 238 steps in time; 1 row was added for times that are missing.",
        "Filled by impute=linear, and counted in the scores: 2 of 480 values; a window may see in them what comes "
        "after it.",
    )


def table(times, values, name="my.csv"):
    values = np.array(values, float).reshape(len(times), -1)
    return Rows(tuple("abc"[: values.shape[1]]), list(times), values, [(name, i + 2) for i in range(len(times))])


def days(*numbers, start=datetime(2020, 1, 1)):
    return [start + timedelta(days=number) for number in numbers]


NAN = float("nan")


@pytest.mark.parametrize(
    ("impute", "expected"),
    [
        ("previous", [1, 1, 3, 3, 5, 5, 5, 9]),
        ("linear", [1, 2, 3, 3, 5, 7, 7, 9]),
        ("mean", [1, 2, 3, 2, 5, 2, 2, 9]),
    ],
)
def test_no_part_is_filled_from_a_later_one(impute, expected):
    """Parts of 4, 2 and 2 rows: the end of the first knows nothing of the 5 behind it."""
    rows = table(days(*range(8)), [1, NAN, 3, NAN, 5, NAN, NAN, 9])
    if impute == "linear":
        expected = [1, 2, 3, 3, 5, 5, 9, 9]
    np.testing.assert_array_equal(imputed(rows, (4, 2, 2), impute).values[:, 0], expected)


def test_repeated_times():
    rows = table(days(0, 1, 1, 1, 2), [[1, 1], [2, NAN], [4, NAN], [9, 6], [5, 5]])
    kept = {how: ordered(rows, unsorted="refuse", repeated=how) for how in ("first", "last", "mean")}
    np.testing.assert_array_equal(kept["first"].values, [[1, 1], [2, NAN], [5, 5]])
    np.testing.assert_array_equal(kept["last"].values, [[1, 1], [9, 6], [5, 5]])
    np.testing.assert_array_equal(kept["mean"].values, [[1, 1], [5, 6], [5, 5]])
    assert kept["last"].places == [("my.csv", 2), ("my.csv", 5), ("my.csv", 6)]


def test_filling_keeps_the_parts():
    """A gap between two parts is filled in the earlier one."""
    rows = table(days(0, 2, 3, 6, 7, 8, 9), range(7))
    filled, sizes = regular(rows, [3, 2, 2], grid_of(rows.times), "fill")
    assert sizes == [6, 2, 2]
    np.testing.assert_array_equal(filled.values[:, 0], [0, NAN, 1, 2, NAN, NAN, 3, 4, 5, 6])
    assert filled.times == days(*range(10))
    assert filled.where(4) == "my.csv, line 4"


def test_parts_of_their_own(tmp_path):
    cut = (HOURS[:161], [HOURS[0], *HOURS[161:191]], [HOURS[0], *HOURS[191:]])
    names = ("path", "validation", "test")
    paths = {name: write(tmp_path / f"{name}.csv", rows) for name, rows in zip(names, cut, strict=True)}
    dataset = load("csv_series", **paths, **SMALL)
    assert {part: split.size for part, split in dataset.splits.items()} == {"train": 149, "validation": 27, "test": 47}
    assert set(dataset.files) == {"path.csv", "validation.csv", "test.csv"}
    whole = np.array([[float(cell) for cell in row.split(",")[1:]] for row in HOURS[1:]])
    scaled = (whole - whole[:160].mean(0)) / whole[:160].std(0)
    np.testing.assert_allclose(series(dataset, "validation"), scaled[152:190], rtol=1e-4, atol=1e-5)
    with pytest.raises(
        DataError, match=r"validation.csv, line 2: time .* does not come after .*, the last of .*test.csv"
    ):
        load("csv_series", path=paths["path"], validation=paths["test"], test=paths["validation"], **SMALL)
    gap = write(tmp_path / "gap.csv", [HOURS[0], *HOURS[195:]])
    with pytest.raises(DataError, match=r"gap.csv, line 2: 2020-01-09 02:00:00 comes after 2020-01-08 21:00:00"):
        load("csv_series", **paths | {"test": gap}, **SMALL)
    lacks = write(tmp_path / "lacks.csv", [row.rpartition(",")[0] for row in cut[2]])
    with pytest.raises(DataError, match=r"lacks.csv: there is no column 'temp'"):
        load("csv_series", **paths | {"test": lacks}, **SMALL)


def test_files_of_one_name_are_told_apart(tmp_path):
    paths = []
    for name, rows in (("a", HOURS[:161]), ("b", [HOURS[0], *HOURS[161:191]]), ("c", [HOURS[0], *HOURS[191:]])):
        (tmp_path / name).mkdir()
        paths.append(write(tmp_path / name / "my.csv", rows))
    dataset = load("csv_series", path=paths[0], validation=paths[1], test=paths[2], **SMALL)
    assert list(dataset.files) == paths


def test_zones_of_two_files_that_do_not_meet():
    with_zone = read_times(["2020-01-02 00:00Z"], [2], where="b.csv", form=None, zone=None)
    with pytest.raises(DataError, match=r"b.csv, line 2: of time .* one has a time zone; name one for all"):
        joined([table(days(0), [1]), table(with_zone, [2], "b.csv")])


def read(*cells, form=None, zone=None):
    return read_times(cells, range(2, len(cells) + 2), where="my.csv", form=form, zone=zone)


def test_clocks_that_are_put_forward_and_back():
    """Local hours of Berlin with the gap of March and the doubled hour of October are a regular series."""
    march = read(*(f"2021-03-28 0{hour}:00" for hour in (0, 1, 3, 4)), zone="Europe/Berlin")
    october = read(*(f"2021-10-31 0{hour}:00" for hour in (1, 2, 2, 3)), zone="Europe/Berlin")
    offsets = read(*(f"2021-10-31 0{h}:00+0{o}:00" for h, o in ((1, 2), (2, 2), (2, 1), (3, 1))), zone="Europe/Berlin")
    for times in (march, october, offsets):
        grid = grid_of(times)
        assert (grid.name, [grid.position(time) for time in times]) == ("1 hour", [0, 1, 2, 3])
        assert [grid.at(step) for step in range(4)] == times
    assert october == offsets


GRIDS = {
    "minutes": (read("2020-01-01 00:00", "2020-01-01 00:15"), "15 minutes", 96),
    "odd minutes": (read("2020-01-01 00:00", "2020-01-01 00:07"), "7 minutes", 1),
    "seconds": (read("2020-01-01 00:00:00", "2020-01-01 00:00:00.5"), "0.5 seconds", 172800),
    "days": (days(0, 1, 2), "1 day", 7),
    "weeks": (days(0, 7, 14), "1 week", 52),
    "months": (read("2019-12-01", "2020-01-01", "2020-02-01", "2020-03-01"), "1 month", 12),
    "month ends": (read("2019-12-31", "2020-01-31", "2020-02-29", "2020-03-31"), "1 month", 12),
    "ends from February on": (read("2020-02-29", "2020-03-31", "2020-04-30"), "1 month", 12),
    "quarters": (read("2019-10", "2020-01", "2020-04", form="%Y-%m"), "3 months", 4),
    "years": (read("2019", "2020", "2021", form="%Y"), "1 year", 1),
}


@pytest.mark.parametrize(("times", "name", "season"), GRIDS.values(), ids=GRIDS)
def test_grids(times, name, season):
    grid = grid_of(times)
    assert (grid.name, grid.season) == (name, season)
    assert [grid.position(time) for time in times] == list(range(len(times)))
    assert [grid.at(step) for step in range(len(times))] == times


def test_a_month_that_is_missing():
    times = read("2019-10-31", "2019-11-30", "2020-01-31", "2020-02-29", "2020-03-31")
    filled, sizes = regular(table(times, range(5)), [5], grid_of(times), "fill")
    assert sizes == [6]
    assert filled.times[2] == datetime(2019, 12, 31)


def test_a_series_that_repeats_its_season_exactly_has_another(tmp_path):
    rows = ["time,load", *(f"{row[:19]},{i % 24}" for i, row in enumerate(HOURS[1:]))]
    dataset = load("csv_series", path=write(tmp_path / "my.csv", rows), **SMALL)
    assert dataset.info.season == 1
    assert "season=1 was taken for a step of 1 hour." in dataset.notes


def test_what_is_known_ahead(tmp_path):
    """A column that is known and the calendar stand behind the targets, and are not forecast."""
    path = write(tmp_path / "my.csv", HOURS)
    dataset = load("csv_series", path=path, known="temp", calendar=True, **SMALL)
    info = dataset.info
    assert info.channels == ("load",) and info.covariates == (
        *("temp", "hour of day", "day of week", "day of month", "day of year"),
    )
    plain = series(load("csv_series", path=path, **SMALL))
    np.testing.assert_array_equal(series(dataset)[:, :2], plain)
    assert info.covariate_means[1:] == (0.0,) * 4 and info.covariate_deviations[0] == pytest.approx(
        np.std([float(row.split(",")[2]) for row in HOURS[1:169]])
    )
    np.testing.assert_allclose(series(dataset)[:30, 2], np.arange(30) % 24 / 23 - 0.5, atol=1e-6)
    alone = load("csv_series", path=path, target="load", known=["temp"], **SMALL)
    np.testing.assert_array_equal(series(alone), series(dataset)[:, :2])


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"known": "tempp"}, "no column 'tempp' .data.known.; did you mean 'temp'"),
        ({"known": ["temp", "temp"]}, "names 'temp' twice"),
        ({"known": "temp", "target": ["load", "temp"]}, "data.target names 'temp', which data.known names too"),
        ({"known": "time"}, "the column of times"),
    ],
)
def test_what_cannot_be_known_ahead(tmp_path, settings, sentence):
    path = write(tmp_path / "my.csv", HOURS)
    with pytest.raises((DataError, UsageError), match=sentence):
        load("csv_series", path=path, **settings, **SMALL)


@pytest.mark.parametrize(
    ("like", "form", "text"),
    [
        ("2020-01-01", None, "2020-01-02 03:04:00"),
        ("2020-01-01 00:00", None, "2020-01-02 03:04"),
        ("2020-01-01T00:00:00", None, "2020-01-02T03:04:00"),
        ("2020/01/01 00:00", None, "2020/01/02 03:04"),
        ("01.01.2020 00:00", "%d.%m.%Y %H:%M", "02.01.2020 03:04"),
        ("2020-01-01T00:00Z", None, "2020-01-02T03:04Z"),
        ("1577836800", "epoch", "1577934240"),
    ],
)
def test_a_time_is_written_as_another(like, form, text):
    zone = UTC if form == "epoch" or like.endswith("Z") else None
    assert written(datetime(2020, 1, 2, 3, 4, tzinfo=zone), like, form) == text


def test_dates_and_local_times_are_written_as_such():
    assert written(datetime(2020, 1, 2), "20200101", None) == "20200102"
    assert written(datetime(2020, 1, 2), "2020/01/01", None) == "2020/01/02"
    local = datetime(2020, 1, 2, 3, tzinfo=timezone(timedelta(hours=1)))
    assert written(local, "2020-01-01 00:00", None) == "2020-01-02 03:00"
    assert written(local, "2020-01-01 00:00+01:00", None) == "2020-01-02 03:00+01:00"
