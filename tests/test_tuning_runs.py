"""Searches that train: no test score that one could see, and a whole one as a user starts it."""

import json
from pathlib import Path

import pytest
from small_runs import SMALL, train

from grux.cli import main
from grux.results.record import read_run
from grux.results.trials import read_studies
from grux.training.programs import Programs
from grux.tuning.plan import FRESH

WORDS = (*[word for word in SMALL if not word.startswith("tensorboard")], "group=tuned", "search.clip=null")


@pytest.mark.parametrize("weights", ["last", "every"])
def test_a_run_of_a_search_never_sees_a_test_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weights: str):
    seen, evaluate = [], Programs.evaluate

    def watched(self, params, split, batch_size):
        seen.append(split)
        return evaluate(self, params, split, batch_size)

    monkeypatch.setattr(Programs, "evaluate", watched)
    record = train("role=search", "steps=4", f"test_weights={weights}", folder=tmp_path / "run")
    assert len({id(split) for split in seen}) == 1
    assert [set(row["scores"]) for row in record["seeds"]] == [{"validation"}]
    assert read_run(tmp_path / "run").state == "done"
    assert record["run_id"] != train("steps=4", folder=tmp_path / "other")["run_id"]


def test_a_whole_search_with_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    """As a user starts it: two trials and the result, each a process of its own."""
    monkeypatch.chdir(tmp_path)
    words = ["arch=elman", "trials=1", "seeds=2", "epochs=2", "tensorboard=false", "progress=none", "launcher.jobs=1"]
    assert main(["tune", *WORDS, "search.model.dropout=null", *words]) == 0
    out = capsys.readouterr().out
    (study,) = read_studies(Path("runs/tuned-search"))
    (trial,) = study.trials
    assert trial.state == "done" and trial.run.record is not None
    assert [row["seed"] for row in trial.run.record["seeds"]] == [FRESH]
    assert set(trial.run.record["seeds"][0]["scores"]) == {"validation"}
    (final,) = Path("runs/tuned").iterdir()
    record = json.loads((final / "result.json").read_text())
    assert [row["seed"] for row in record["seeds"]] == [0, 1] and "test" in record["seeds"][0]["scores"]
    assert record["config"]["learning_rate"] == trial.values["learning_rate"] and "result" in out
