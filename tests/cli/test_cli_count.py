"""`grux count`: the words of `grux train`, a table of what each model costs, and nothing left behind."""

from pathlib import Path

import pytest
from small_runs import SMALL
from test_cli import answer

from grux.counting.parameters import RULES

WORDS = [word for word in SMALL if not word.startswith(("tensorboard", "progress"))]


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GRUX_DEBUG", raising=False)


def rows(out: str) -> dict[str, list[str]]:
    """The lines of the tables by their first cell."""
    cells = [[cell for cell in line.strip().split("  ") if cell] for line in out.splitlines()]
    return {line[0].strip(): [cell.strip() for cell in line[1:]] for line in cells if len(line) > 1}


def test_one_model_under_every_rule_and_its_layers(capsys):
    code, out, err = answer(capsys, "count", *WORDS, "arch=lstm")
    assert code == 0 and not err and not list(Path().iterdir())
    found, cell = rows(out), 4 * 8 * (6 + 8)
    readout = 8 * 6 + 8 * 4 + 4  # table and head
    expected = [cell + 32 + readout, cell + 32, cell + 64, cell + 64 + readout, cell + 32 + readout]
    assert found["lstm on first_token"][:5] == [str(count) for count in expected]
    assert found["lstm on first_token"][5:7] == ["16", str(2 * cell)]
    assert found["layers.layers.0"] == ["LSTMCell", "6", "8", str(cell + 32), "16", str(2 * cell), f"{6 * cell:,}"]
    assert all(f"  {name}" in out for name in RULES) and "multiply-add" in out


def test_a_sweep_has_a_line_for_each_model(capsys):
    words = ("arch=gru,lstm", "model.features=8,16", "rule=chung")
    code, out, _ = answer(capsys, "count", *WORDS, *words)
    assert code == 0
    found = rows(out)
    assert found["gru on first_token model.features=16"][0] == f"{3 * 16 * (6 + 16 + 1):,}"
    assert found["lstm on first_token model.features=8"][0] == str(4 * 8 * (6 + 8 + 1))
    assert sum(" on first_token" in title for title in found) == 4
    assert "Chung" in out and "Tai" not in out and "layers.layers.0" not in out
    assert answer(capsys, "count", "-m", *WORDS, *words)[1] == out


def test_rules_in_the_order_that_was_asked_for(capsys):
    _, out, _ = answer(capsys, "count", *WORDS, "rule=tai,all")
    head = next(line for line in out.splitlines() if "FLOPs/step" in line)
    assert head.split()[:3] == ["tai", "all", "state"]


def test_a_table_that_is_too_wide_is_turned(capsys):
    """A job for each column where the quantities side by side would be cut."""
    rates = ("learning_rate=0.0012345678901,0.0012345678902", "model.features=2000")
    code, out, _ = answer(capsys, "count", *WORDS, *rates)
    assert code == 0 and "…" not in out
    assert rows(out)["state"] == ["2,000"] * 2
    assert rows(out)["FLOPs/step"] == [f"{2 * 3 * 2000 * (6 + 2000):,}"] * 2


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["rule=chng"], "rule=chng is unknown: did you mean chung?"),
        (["rule=all,xyz"], "rule=xyz is unknown: there is all, bai,"),
        (["rule="], "rule= is unknown"),
        (["arch=gruu"], "arch=gruu is unknown: did you mean gru?"),
        (["arch=gru,lstn"], "in the job arch=lstn: arch=lstn is unknown"),
        (["model.featurs=3"], "did you mean model.features?"),
        (["model.features=0"], "model.features=0 must be"),
        (["model=forecaster"], "model=forecaster needs channels"),
        (["task=forecasting"], "is made for classification"),
        (["hydra.run.dir=x"], "hydra.run.dir=x"),
        (["--rule", "chung"], "unrecognized arguments: --rule"),
        (["--config-dir", "none"], "is not a folder"),
    ],
)
def test_wrong_words_are_one_sentence(capsys, words: list[str], sentence: str):
    code, out, err = answer(capsys, "count", *words)
    assert code == 2 and sentence in err and not out
    assert err.startswith("grux: ") and err.count("\n") == 1 and not list(Path().iterdir())
