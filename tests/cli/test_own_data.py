"""Files of one's own from the command line: trained on, told apart by their content, refused in a sentence."""

import json
from pathlib import Path

import pytest
from own_files import hours, pairs, reviews, write
from test_cli import answer

SHORT = ("steps=2", "eval_every=2", "batch_size=8", "model.features=8", "tensorboard=false", "progress=none")
LINES = {
    "csv_series": (
        hours(),
        ["data.time=time", "data.target=[load,temp]", "data.window=8", "data.horizon=4"],
        "forecasting",
        "mse",
    ),
    "csv_text": (reviews(), ["data.text=review", "data.label=mood"], "classification", "accuracy"),
    "tsv_pairs": (pairs(), [], "translation", "bleu"),
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
        ("data=csv_series data.path=my.csv data.target=load,temp", 2, "add -m to run them all, or quote it"),
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


def test_the_list_says_what_they_are(capsys):
    code, out, _ = answer(capsys, "data", "list")
    assert code == 0
    for data in LINES:
        (line,) = [line for line in out.splitlines() if line.startswith(data)]
        assert "  your file  " in line and "data.path=FILE" in line
