"""Anomaly detection from the command line to the record, and finished runs that flag the rows of other files."""

import csv
import json
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from grux.cli import main
from grux.commands.detect_picture import picture
from grux.launch.jobs import prepare
from grux.results.record import read_run
from grux.results.render import render
from grux.results.table import make_table
from grux.run import run
from grux.tasks import detection

ROWS, START = 300, 240  # all rows, and the first that is tested
PLAIN = ("progress=none", "tensorboard=false", "batch_size=16", "learning_rate=1e-2")


def rows_of(path: Path) -> list[str]:
    random = np.random.default_rng(0)
    load = np.sin(np.arange(ROWS) / 3) + 0.1 * random.normal(size=ROWS)
    bad = np.zeros(ROWS, int)
    bad[250:254] = bad[280:283] = 1
    load = np.where(bad, load + 0.8 * random.normal(size=ROWS), load)
    lines = [f"2020-01-{1 + i // 24:02} {i % 24:02}:00,{load[i]:.6f},{bad[i]}" for i in range(ROWS)]
    path.write_text("\n".join(["time,load,bad", *lines]) + "\n")
    return lines


def trained(folder: Path, *words: str) -> Path:
    job = prepare([*PLAIN, f"run_dir={folder}", *words])
    record = run(job.config, choices=job.choices, folder=job.folder, run_id=job.run_id)
    assert record["task"] == "anomaly"
    (folder / "result.json").write_text(json.dumps(record))
    return folder


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("detect")
    rows_of(folder / "my.csv")
    words = (f"data.path={folder / 'my.csv'}", "data.label=bad", "data.target=load", "data.window=12", "data.stride=5")
    return trained(folder / "run", "data=csv_anomaly", *words, "model.features=6", "seeds=2", "steps=30")


def record_of(finished: Path) -> dict:
    return json.loads((finished / "result.json").read_text())


def answer(capsys, *words: str) -> tuple[int, list[dict[str, str]], str]:
    code = main(["detect", *words])
    captured = capsys.readouterr()
    return code, list(csv.DictReader(captured.out.splitlines())), captured.err


@pytest.mark.parametrize("seed", [0, 1])
def test_scores_of_the_test_rows_are_those_of_the_record(finished, tmp_path, capsys, seed):
    """The rows of the test with the past that they need, as a file: each gets the score that was counted."""
    lines = rows_of(tmp_path / "all.csv")
    (tmp_path / "part.csv").write_text("\n".join(["time,load", *(x[:-2] for x in lines[START - 7 :])]))
    code, rows, err = answer(capsys, str(finished), "--input", str(tmp_path / "part.csv"), "--weights", str(seed))
    assert code == 0 and len(rows) == ROWS - START + 7
    assert (
        all(row["score"] == "" and row["flag"] == "0" for row in rows[:7]) and "the first 7 rows have no score" in err
    )
    labels = np.array([line[-1] == "1" for line in lines[START:]])
    scores, flags = (np.array([float(row[key]) for row in rows[7:]]) for key in ("score", "flag"))
    own = record_of(finished)["seeds"][seed]
    found = own["scores"]["test"]
    assert found["auroc"] == pytest.approx(detection.auroc(scores, labels), abs=1e-6)
    assert found["auprc"] == pytest.approx(detection.average_precision(scores, labels), abs=1e-6)
    assert found["f1"] == pytest.approx(detection.f1(flags > 0, labels))
    np.testing.assert_array_equal(flags > 0, scores > own["decision"]["threshold"])
    assert rows[7]["time"] == "2020-01-11 00:00"
    assert found.keys() == {"mse", "auroc", "auprc", "f1", "f1_point_adjusted_inflated", "nab"}


def test_the_record_and_its_table(finished):
    record = record_of(finished)
    assert (record["metric"]["primary"], record["metric"]["higher_is_better"]) == ("auroc", True)
    assert "quantile 0.99 of the 30 validation scores" in record["signatures"]["f1"]
    lines = rows_of(finished.parent / "again.csv")
    load = np.array([float(line.split(",")[1]) for line in lines])
    labels = np.array([line[-1] == "1" for line in lines])
    previous = np.square(np.diff(load))[START - 1 :]
    baseline = record["baselines"]["last_value"]["test"]
    assert baseline["auroc"] == pytest.approx(detection.auroc(previous, labels[START:]), abs=1e-6)
    table = make_table([read_run(finished)], metric="f1_point_adjusted_inflated")
    text = render(table, "markdown")
    assert "F1 point-adjusted (inflated) %" in text and "one flagged row counts for all rows of its anomaly" in text


def test_threshold_output_and_picture(finished, tmp_path, capsys):
    words = [str(finished), "--input", str(finished.parent / "my.csv"), "--threshold", "0"]
    code, rows, err = answer(capsys, *words)
    assert code == 0 and [row["flag"] for row in rows] == ["0"] * 7 + ["1"] * (ROWS - 7)
    assert f"{ROWS - 7} of {ROWS - 7} rows flagged, threshold 0 (as given)" in err
    output, image = tmp_path / "new" / "flags.csv", tmp_path / "flags.png"
    code, out, _ = answer(capsys, *words, "--output", str(output), "--picture", str(image))
    assert code == 0 and not out and list(csv.DictReader(output.read_text().splitlines())) == rows
    assert image.read_bytes().startswith(b"\x89PNG")


def test_each_channel_is_drawn_on_axes_of_its_own():
    from matplotlib.figure import Figure

    values = np.stack([np.linspace(0, 1e-3, 50), np.linspace(9e5, 1e6, 50)] * 4, axis=1)
    scores = np.r_[np.full(5, np.nan), np.linspace(0.5, 2, 45)]
    title = "gru_with_a_very_long_name_indeed on csv_anomaly, seed 0"
    info = types.SimpleNamespace(stride=5, channels=tuple("abcdefgh"))
    model: Any = types.SimpleNamespace(title=title, info=info)
    figure = picture(model, [f"row {i}" for i in range(50)], values, scores, scores > 1.5, 1.5, "as given")
    assert [panel.title for panel in figure.panels] == [*"abcdef", ""] and figure.legend is None
    assert f"By {title}: 15 of 45 flagged." in figure.caption and "2 more channels are not drawn" in figure.caption
    drawn = []
    for panel in figure.panels:
        panel.draw(axes := Figure().add_subplot(), {})
        drawn.append(axes)
    assert len({axes.get_xlim() for axes in drawn}) == 1
    for place, axes in enumerate(drawn[:-1]):
        (line,) = axes.lines
        np.testing.assert_array_equal(line.get_ydata(), values[:, place])


def test_how_a_file_is_read_can_be_said(finished, tmp_path, capsys):
    lines = rows_of(tmp_path / "my.csv")
    lines[50] = lines[50].split(",")[0] + ",,0"
    path = tmp_path / "other.csv"
    path.write_text("\n".join(["stamp,load,bad", *lines]))
    words = [str(finished), "--input", str(path)]
    code, _, err = answer(capsys, *words)
    assert code == 3 and "line 52, column 'load': the value is missing" in err and err.count("\n") == 1
    code, rows, _ = answer(capsys, *words, "data.impute=previous")
    assert code == 0 and len(rows) == ROWS


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["data.imput=mean"], 2, "'data.imput=mean' does not say how a file is read"),
        (["data.impute=meen"], 2, "did you mean mean"),
        (["--threshold", "-1"], 2, "'-1' must be a number >= 0"),
        (["--picture", "x.jpg"], 2, "ends in neither .png nor .svg"),
        (["--input", "nothing.csv"], 3, "there is no such file"),
        (["--input", "SHORT"], 3, "has 4 rows, and gru on csv_anomaly"),
        (["--input", "OTHER"], 3, "there is no column 'load'"),
    ],
)
def test_wrong_words_are_one_sentence(finished, tmp_path, capsys, words, code, sentence):
    short, other = tmp_path / "SHORT", tmp_path / "OTHER"
    short.write_text("time,load\n" + "".join(f"2020-01-01 0{i}:00,{i}\n" for i in range(4)))
    other.write_text("time,lod\n2020-01-01,1\n")
    words = [str(tmp_path / word) if word in ("SHORT", "OTHER") else word for word in words]
    got, out, err = answer(capsys, str(finished), "--input", str(finished.parent / "my.csv"), *words)
    assert got == code and sentence in err and err.count("\n") == 1 and not out


def test_heart_beats(mirror, tmp_path, capsys):
    """A set of sequences, an autoencoder, batches with filler rows: the scores of the record again."""
    words = ("data=ecg5000", "model=autoencoder", "model.features=4", "model.code=2", "steps=2", "test_weights=best")
    folder = trained(tmp_path / "run", *words, "batch_size=64")
    lines = (mirror / "ecg5000" / "ECG5000_TEST.tsv").read_text().splitlines()
    (tmp_path / "beats.tsv").write_text("\n".join(line.split("\t", 1)[1] for line in lines))
    code, rows, err = answer(capsys, str(folder), "--input", str(tmp_path / "beats.tsv"))
    assert code == 0 and len(rows) == 4500 and "of 4500 sequences flagged" in err and "no score" not in err
    labels = np.array([line.split("\t")[0] != "1" for line in lines])
    record = record_of(folder)
    assert record["baselines"]["mean_sequence"]["test"]["auroc"] == pytest.approx(0.978, abs=2e-3)
    (seed,) = record["seeds"]
    wanted = detection.auroc(np.array([float(row["score"]) for row in rows]), labels)
    assert seed["scores"]["test"]["auroc"] == pytest.approx(wanted, abs=1e-4)
    assert seed["decision"]["rule"] == "best F1 on validation"
    assert seed["scores"]["test"].keys() == {"mse", "auroc", "auprc", "f1"}
