"""Files of one's own from the command line: trained on, told apart by their content, refused in a sentence."""

import json
import shlex
from pathlib import Path

import pytest
from own_files import hours, pairs, reviews, write
from test_cli import answer

from grux.config import build
from grux.launch.jobs import prepare

SHORT = (
    "arch.strategy=gated",
    "steps=2",
    "eval_every=2",
    "batch_size=8",
    "model.features=8",
    "tensorboard=false",
    "progress=none",
)
LINES = {
    "csv_series": (
        hours(),
        ["data.time=time", "data.target=[load,temp]", "data.window=8", "data.horizon=4"],
        "forecasting",
        "mse",
    ),
    "csv_text": (reviews(), ["data.text=review", "data.label=mood", "data.buckets=1"], "classification", "accuracy"),
    "tsv_pairs": (pairs(), ["data.buckets=1"], "translation", "bleu"),
}


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GRUX_DEBUG", raising=False)


@pytest.mark.parametrize("data", LINES)
def test_a_run_on_a_file_of_ones_own(capsys, data: str):
    rows, settings, task, metric = LINES[data]
    if task == "translation":
        pytest.importorskip("sacrebleu")
    write(Path("my.csv"), rows)
    words = ("train", f"data={data}", "data.path=my.csv", *settings, *SHORT)
    code, out, err = answer(capsys, *words)
    assert code == 0, err
    (file,) = Path("runs/default").glob("*/result.json")
    record = json.loads(file.read_text())
    assert record["task"] == task and record["choices"]["data"] == data
    assert metric in record["seeds"][0]["scores"]["test"]
    assert list(record["data"]) == ["my.csv"]

    # The same file is not trained on again; another content is said.
    code, out, err = answer(capsys, *words)
    assert code == 0 and out == f"done already: {file.parent}\n"
    write(Path("my.csv"), rows[:-1])
    code, out, err = answer(capsys, *words)
    assert code == 0 and out == f"done already: {file.parent}; edited since: my.csv (force=true runs it again)\n"


@pytest.mark.parametrize(
    ("words", "exit_code", "sentence"),
    [
        ("data=csv_series", 2, "data=csv_series reads a file of your own: name it, like data.path=my.csv."),
        ("data=csv_series data.path=mi.csv", 3, "there is no such file; did you mean my.csv?"),
        ("data=csv_series data.path=my.csv data.target=laod", 3, "did you mean 'load'?"),
        (
            "data=csv_series data.path=my.csv data.target=load,temp",
            2,
            "add -m to run them all, or write 'data.target=[load,temp]' for a list and \"data.target='load,temp'\" for",
        ),
        ("data=csv_series data.path=my.csv data.impute=median", 2, "must be one of previous, linear, mean or null"),
        ("data=csv_series data.pth=my.csv", 2, "did you mean data.path?"),
        ("data=csv_text data.path=my.csv", 2, "data.text=COLUMN, one of time, load, temp in my.csv."),
        ("data=tsv_pairs data.path=my.csv", 3, "my.csv, line 1: one cell where 2 are needed"),
        ("data=csv_text task=forecasting", 2, "data=csv_text is made for classification"),
    ],
)
def test_what_is_refused(capsys, words: str, exit_code: int, sentence: str):
    write(Path("my.csv"), hours())
    code, _, err = answer(capsys, "train", *words.split(), *SHORT)
    assert code == exit_code and sentence in err and err.startswith("grux: ") and err.count("\n") == 1, err


def test_the_profile_ends_with_the_line_that_trains(capsys):
    rows = [*hours()[:6], "2020-01-01 05:00:00,,3", *hours()[7:]]
    write(Path("my own.csv"), [rows[0].replace("load", "load (%)"), *rows[1:]], encoding="utf-8-sig", end="\r\n")
    code, out, _ = answer(capsys, "data", "profile", "my own.csv")
    assert code == 0
    lines = out.splitlines()
    assert lines[:2] == [
        "my own.csv: a series in the order of time, 240 rows of 3 columns.",
        "Written as utf-8 with a byte order mark, lines end in CRLF, comma between cells.",
    ]
    (row,) = [line.split() for line in lines if line.startswith(" load (%)")]
    assert row == ["load", "(%)", "number", "1", "40", "0", "to", "39"]
    assert "- Times: 2020-01-01 00:00:00 to 2020-01-10 23:00:00, a step of 1 hour, a season of 24 rows." in lines
    assert "Of 480 values 1 is missing (first in line 7, column 'load (%)'): data.impute=previous" in out
    assert lines[-4:] == [
        "Train on it:",
        "  grux train data=csv_series 'data.path=\"my own.csv\"' data.time=time data.impute=previous "
        "'data.target=[\"load (%)\",temp]' data.window=78 data.horizon=12",
        "Or find what is unusual in it:",
        "  grux train data=csv_anomaly 'data.path=\"my own.csv\"' data.time=time data.impute=previous "
        "'data.target=[\"load (%)\",temp]' data.window=84 data.stride=42",
    ]
    for line in (lines[-3], lines[-1]):
        job = prepare(shlex.split(line)[2:])
        assert build(job.config["data"]).info.features == 2


@pytest.mark.parametrize(
    ("files", "exit_code", "sentence"),
    [
        (["mi.csv"], 3, "mi.csv: there is no such file; did you mean my.csv?"),
        (["."], 3, ". is a folder; name one file in it."),
        (["void.csv"], 3, "void.csv is empty; there is nothing to look at."),
        (["my.csv", "./my.csv"], 2, "a file is named twice"),
        (["a", "b", "c", "d"], 2, "4 files were given; name one, or those of train, validation and test."),
        ([], 2, "the following arguments are required: FILE"),
    ],
)
def test_what_a_profile_refuses(capsys, files: list[str], exit_code: int, sentence: str):
    write(Path("my.csv"), hours())
    Path("void.csv").write_bytes(b"\xef\xbb\xbf\r\n")
    code, _, err = answer(capsys, "data", "profile", *files)
    assert code == exit_code and sentence in err and err.startswith("grux: ") and err.count("\n") == 1, err


def test_a_profile_of_what_no_line_trains_on(capsys):
    write(Path("a.csv"), hours()[1:])
    assert answer(capsys, "data", "profile", "a.csv")[1].endswith(
        "takes it as it is; repair first what is said above.\n"
    )
    write(Path("a.csv"), reviews()[:80])
    write(Path("b.csv"), [reviews()[0], *reviews()[70:]])
    code, out, _ = answer(capsys, "data", "profile", "a.csv", "b.csv")
    assert code == 0 and "- Leak: of 51 inputs of b.csv 10 stand in a.csv too (line 2, there 71)." in out
    assert out.endswith("For a line that trains, give one file, or those of train, validation and test.\n")


def test_the_list_says_what_they_are(capsys):
    code, out, _ = answer(capsys, "data", "list")
    assert code == 0
    for data in LINES:
        (line,) = [line for line in out.splitlines() if line.startswith(data)]
        assert "  your file  " in line and "data.path=FILE" in line
