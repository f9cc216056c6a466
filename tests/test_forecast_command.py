"""`grux forecast` on a run of a file of one's own: the rows that come next, in the file's units and on its clock."""

import csv
import io
import json
import re
import shutil
from datetime import datetime, timedelta
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from own_files import replaced, write
from small_runs import train

from grux.batch import Batch
from grux.cli import main
from grux.config import build
from grux.trained import load

WINDOW, HORIZON = 8, 3
SHORT = (
    *("data=csv_series", "data.time=time", f"data.window={WINDOW}", f"data.horizon={HORIZON}", "data.season=7"),
    *("arch.strategy=gated", "model.features=8", "steps=30", "eval_every=30", "batch_size=16", "learning_rate=0.02"),
    *("tensorboard=false", "progress=none"),
)
LEVELS = "task.quantiles=[0.1,0.3,0.5,0.7,0.9]"


def days(count=90):
    """Rows of a file with a header: two columns that are forecast, on scales far apart, and one that is not."""
    start, noise = datetime(2020, 1, 1), np.random.default_rng(0).normal(size=(count, 2))
    rows = [
        f"{(start + timedelta(days=i)).date()},{5000 + 900 * np.sin(i / 3) + 50 * noise[i, 0]:.1f},"
        f"{0.3 + 0.001 * i + 0.01 * noise[i, 1]:.5f}"
        for i in range(count)
    ]
    return ["time,load,share", *rows]


def run_in(folder: Path, *words: str) -> Path:
    """A finished run in the folder, on the file in it."""
    write(folder / "my.csv", days())
    patch = pytest.MonkeyPatch()
    patch.setattr("small_runs.SMALL", ())
    train(*SHORT, f"data.path={folder / 'my.csv'}", *words, folder=folder / "run")
    patch.undo()
    return folder / "run"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_in(tmp_path_factory.mktemp("forecast"))


@pytest.fixture(scope="module")
def quantiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_in(tmp_path_factory.mktemp("quantiles"), "task.loss=pinball", LEVELS)


def answer(capsys, *words: object) -> tuple[int, str, str]:
    code = main([str(word) for word in words])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def table(text: str) -> tuple[list[str], dict[str, np.ndarray]]:
    """(times, columns of numbers)."""
    rows = list(csv.DictReader(io.StringIO(text)))
    names = [name for name in rows[0] if name != "time"]
    return [row["time"] for row in rows], {name: np.array([float(row[name]) for row in rows]) for name in names}


def standardised(model, rows: np.ndarray) -> np.ndarray:
    """[S, D] of one window [T, D]."""
    inputs, mask = jnp.asarray(rows[None], jnp.float32), jnp.ones((1, WINDOW), bool)
    return np.asarray(model.model(Batch(inputs, mask, None, None), key=None))[0]


def test_a_forecast_is_the_model_on_the_last_window_in_the_units_of_the_file(finished: Path, capsys):
    code, out, err = answer(capsys, "forecast", finished, "--input", finished.parent / "my.csv")
    assert code == 0, err
    times, columns = table(out)
    assert times == ["2020-03-31", "2020-04-01", "2020-04-02"]
    assert list(columns) == ["load", "load_low", "load_high", "share", "share_low", "share_high"]
    # The same from the data set that was trained on: its last test window, moved to the end of the file.
    model = load(finished)
    dataset = build(model.run.config["data"])
    (bucket,) = dataset.splits["test"].buckets
    series = bucket.arrays["series"][-WINDOW:]
    wanted = standardised(model, series) * dataset.info.deviations + np.array(dataset.info.means)
    np.testing.assert_allclose(np.stack([columns["load"], columns["share"]], 1), wanted, rtol=1e-5)
    assert 3500 < columns["load"].mean() < 6500 and 0.2 < columns["share"].mean() < 0.6
    for name in ("load", "share"):
        assert (columns[f"{name}_low"] < columns[name]).all() and (columns[name] < columns[f"{name}_high"]).all()


def test_the_interval_is_that_of_earlier_errors(finished: Path, capsys):
    file = finished.parent / "my.csv"
    _, columns = table(answer(capsys, "forecast", finished, "--input", file, "--level", "0.9")[1])
    model = load(finished)
    values = np.array([[float(cell) for cell in row.split(",")[1:]] for row in days()[1:]])
    means, deviations = np.array(model.info.means), np.array(model.info.deviations)
    errors = []
    for start in range(90 - WINDOW - HORIZON + 1):
        forecast = standardised(model, (values[start : start + WINDOW] - means) / deviations) * deviations + means
        errors.append(np.abs(values[start + WINDOW : start + WINDOW + HORIZON] - forecast)[:, 0])
    rank = int(np.ceil(81 * 0.9))
    wanted = np.sort(np.array(errors), axis=0)[rank - 1]
    np.testing.assert_allclose(columns["load_high"] - columns["load"], wanted, rtol=1e-3)
    np.testing.assert_allclose(columns["load"] - columns["load_low"], wanted, rtol=1e-3)


def test_columns_may_stand_in_any_order_and_times_in_another_column(finished: Path, capsys, tmp_path: Path):
    plain = answer(capsys, "forecast", finished, "--input", finished.parent / "my.csv")[1]
    moved = []
    for number, row in enumerate(days()):
        time, load_, share = row.split(",")
        moved.append(f"{share},{'note' if number == 0 else 'x'},{load_},{'day' if number == 0 else time}")
    write(tmp_path / "moved.csv", moved)
    code, out, _ = answer(capsys, "forecast", finished, "--input", tmp_path / "moved.csv")
    assert code == 0 and out.splitlines()[1:] == plain.splitlines()[1:] and out.startswith("day,load,")
    german = [row.replace(",", ";").replace(".", ",") for row in days()]
    german = [f"{datetime.fromisoformat(r[:10]):%d.%m.%Y}{r[10:]}" if r[0] == "2" else r for r in german]
    write(tmp_path / "german.csv", german)
    words = ("data.decimal=comma", "data.time_format=%d.%m.%Y")
    code, out, err = answer(capsys, "forecast", finished, *words, "--input", tmp_path / "german.csv")
    assert code == 0, err
    assert out.splitlines()[1] == plain.splitlines()[1].replace("2020-03-31", "31.03.2020")


def test_a_short_file_has_a_forecast_without_intervals(finished: Path, capsys, tmp_path: Path):
    write(tmp_path / "short.csv", [days()[0], *days()[-WINDOW:]])
    words = ("--input", tmp_path / "short.csv", "--output", tmp_path / "f.csv")
    code, out, err = answer(capsys, "forecast", finished, *words)
    assert code == 0 and not out and "14 rows are enough, and it has 8" in err
    whole = table(answer(capsys, "forecast", finished, "--input", finished.parent / "my.csv")[1])[1]
    times, columns = table((tmp_path / "f.csv").read_text())
    assert list(columns) == ["load", "share"] and times[0] == "2020-03-31"
    np.testing.assert_allclose(columns["load"], whole["load"], rtol=1e-5)


def test_quantiles_are_given_as_they_are(quantiles: Path, capsys):
    file = quantiles.parent / "my.csv"
    code, out, err = answer(capsys, "forecast", quantiles, "--input", file)
    _, columns = table(out)
    assert code == 0 and "between the quantiles 0.1 and 0.9" in err
    assert list(columns)[:5] == ["load", "load_0.1", "load_0.3", "load_0.7", "load_0.9"]
    ordered = np.stack([columns[name] for name in ("load_0.1", "load_0.3", "load", "load_0.7", "load_0.9")])
    assert (np.diff(ordered, axis=0) >= 0).all() and (ordered[-1] > ordered[0]).all()
    _, _, err = answer(capsys, "forecast", quantiles, "--input", file, "--level", "0.4")
    assert "between the quantiles 0.3 and 0.7" in err
    code, _, err = answer(capsys, "forecast", quantiles, "--input", file, "--level", "0.5")
    assert code == 2 and "possible: 0.8, 0.4" in err
    record = json.loads((quantiles / "result.json").read_text())
    assert record["metric"]["primary"] == "pinball" and set(record["baselines"]) == {
        *("last_value", "seasonal_naive", "linear"),
    }
    assert 0 < record["seeds"][0]["scores"]["test"]["coverage"] < 1


def test_a_picture_is_drawn(finished: Path, capsys, tmp_path: Path):
    pytest.importorskip("matplotlib")
    words = ("forecast", finished, "--input", finished.parent / "my.csv", "--picture", tmp_path / "f.svg")
    assert answer(capsys, *words)[0] == 0
    first = (tmp_path / "f.svg").read_text()
    assert first.count('id="axes_') == 2 and first.count('id="FillBetweenPolyCollection_') == 2
    assert answer(capsys, *words)[0] == 0 and (tmp_path / "f.svg").read_text() == first


ROWS = days()
BAD = {
    "column": (["time,lode,share", *ROWS[1:]], [], 3, "there is no column 'load'.*did you mean 'lode'"),
    "header": (["time,number,share", *ROWS[1:]], [], 3, "'load'.*the header has time, number, share"),
    "few": (ROWS[:6], [], 3, "has 5 rows of the past, and the run sees the last 8"),
    "missing": (replaced(ROWS, 90, "2020-03-29,,0.3"), [], 3, "line 90, column 'load': the value is missing"),
    "irregular": (replaced(ROWS, 90, []), [], 3, "line 90: 2020-03-30 .* but a step is 1 day"),
    "unsorted": (replaced(ROWS, 5, "2020-02-09,1,2"), [], 3, "data.unsorted=sort"),
    "text": (replaced(ROWS, 5, "2020-01-04,many,2"), [], 3, "line 5, column 'load': 'many' is not"),
    "no time": ([row.split(",", 1)[1] for row in ROWS], [], 3, "data.time=COLUMN"),
    "setting": (ROWS, ["data.window=3"], 2, "'data.window=3' does not say how a file is read"),
    "value": (ROWS, ["data.decimal=dot"], 2, "data.decimal='?dot'? must be one of point, comma"),
    "picture": (ROWS, ["--picture", "f.gif"], 2, "neither .png nor .svg"),
    "level": (ROWS, ["--level", "1.5"], 2, "must be a number"),
}


@pytest.mark.parametrize(("rows", "words", "code", "sentence"), BAD.values(), ids=BAD)
def test_what_cannot_be_forecast_is_one_sentence(finished: Path, capsys, tmp_path: Path, rows, words, code, sentence):
    write(tmp_path / "in.csv", rows)
    given, out, err = answer(capsys, "forecast", finished, "--input", tmp_path / "in.csv", *words)
    assert given == code and not out and err.count("\n") == 1
    assert re.search(sentence, err), err


def test_a_missing_value_may_be_the_mean_of_the_training_rows(finished: Path, capsys, tmp_path: Path):
    """Not that of the file at hand, whose level may be another one."""
    found = []
    for name, cell in (("hole", ""), ("filled", repr(load(finished).info.means[0]))):
        time, _, share = ROWS[-2].split(",")
        write(tmp_path / f"{name}.csv", replaced(ROWS, len(ROWS) - 1, [f"{time},{cell},{share}"]))
        code, out, err = answer(capsys, "forecast", finished, "--input", tmp_path / f"{name}.csv", "data.impute=mean")
        assert code == 0, err
        found.append(table(out)[1]["load"])
    np.testing.assert_allclose(*found, rtol=1e-5)


def test_quantiles_on_one_side_make_no_interval(capsys, tmp_path: Path):
    run = run_in(tmp_path, "task.loss=pinball", "task.quantiles=[0.1,0.5]")
    code, out, err = answer(capsys, "forecast", run, "--input", tmp_path / "my.csv")
    assert code == 0 and "no interval" in err and list(table(out)[1])[:2] == ["load", "load_0.1"]
    code, _, err = answer(capsys, "forecast", run, "--input", tmp_path / "my.csv", "--level", "0.8")
    assert code == 2 and "possible: none" in err


def test_a_run_from_before_there_were_quantiles_covariates_and_calendars(finished: Path, capsys, tmp_path: Path):
    old = tmp_path / "old"
    shutil.copytree(finished, old)
    record = json.loads((old / "result.json").read_text())
    for group, key in (("model", "quantiles"), ("task", "quantiles"), ("data", "known"), ("data", "calendar")):
        del record["config"][group][key]
    (old / "result.json").write_text(json.dumps(record))
    words = ("--input", finished.parent / "my.csv")
    assert answer(capsys, "forecast", old, *words) == answer(capsys, "forecast", finished, *words)


def test_a_gap_may_be_filled(finished: Path, capsys, tmp_path: Path):
    write(tmp_path / "gap.csv", replaced(ROWS, 90, []))
    words = ("data.irregular=fill", "data.impute=linear", "--input", tmp_path / "gap.csv")
    code, out, err = answer(capsys, "forecast", finished, *words)
    assert code == 0 and out.splitlines()[1].startswith("2020-03-31,"), err


def test_what_is_known_ahead_is_read_from_rows_to_come(capsys, tmp_path: Path):
    """Load is the price of its own day, at random: only who reads the price of the days to come foresees it."""
    price = np.random.default_rng(1).normal(size=130)
    start = datetime(2020, 1, 1)
    rows = [f"{(start + timedelta(days=i)).date()},{100 + 10 * price[i]:.4f},{price[i]:.4f}" for i in range(130)]
    write(tmp_path / "my.csv", ["time,load,price", *rows[:120]])
    patch = pytest.MonkeyPatch()
    patch.setattr("small_runs.SMALL", ())
    words = ("data.known=price", "data.calendar=true", "model=autoregressive_forecaster", "model.normalise=none")
    record = train(*SHORT, *words, "steps=150", f"data.path={tmp_path / 'my.csv'}", folder=tmp_path / "run")
    patch.undo()
    assert record["seeds"][0]["scores"]["test"]["mse"] < 0.3 * record["baselines"]["linear"]["test"]["mse"]
    assert record["gradient_by_lag"]["norms"][0][0] > 0 and record["flops"]["training_per_example"] > 0
    assert record["info"]["covariates"] == ["price", "day of week", "day of month", "day of year"]
    coming = [f"{row.split(',')[0]},,{row.split(',')[2]}" for row in rows[120:]]
    write(tmp_path / "in.csv", ["time,load,price", *rows[:120], *coming])
    code, out, err = answer(capsys, "forecast", tmp_path / "run", "--input", tmp_path / "in.csv")
    assert code == 0, err
    times, columns = table(out)
    assert times[0] == "2020-04-30" and list(columns) == ["load", "load_low", "load_high"]
    error = np.abs(columns["load"] - (100 + 10 * price[120:123])).max()
    assert error < 0.6 * np.abs(10 * price[120:123]).max()
    write(tmp_path / "in.csv", ["time,load,price", *rows[:120], *coming[:1]])
    code, out, err = answer(capsys, "forecast", tmp_path / "run", "--input", tmp_path / "in.csv")
    assert code == 3 and "price must be known of the 3 rows that are forecast" in err and not out
