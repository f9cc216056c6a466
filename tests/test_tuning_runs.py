"""Searches that train: what a trial may see, the processes of a search, and trials that are one program."""

import json
from pathlib import Path

import pytest
from small_runs import train
from stub_search import WORDS, Runner

import grux.tuning.search as search_module
from grux.cli import main
from grux.errors import Interrupted
from grux.launch.jobs import Job
from grux.results.record import read_run
from grux.results.trials import read_studies
from grux.training.interrupts import StopFlag
from grux.training.programs import Programs
from grux.tuning.plan import FRESH


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("weights", ["last", "every"])
def test_a_run_of_a_search_never_sees_a_test_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weights: str):
    seen, sums = [], Programs.sums

    def watched(self, params, split, batch_size):
        seen.append(split)
        return sums(self, params, split, batch_size)

    monkeypatch.setattr(Programs, "sums", watched)
    record = train("role=search", "steps=4", f"test_weights={weights}", folder=tmp_path / "run")
    assert len({id(split) for split in seen}) == 1
    assert [set(row["scores"]) for row in record["seeds"]] == [{"validation"}]
    assert read_run(tmp_path / "run").state == "done"
    assert record["run_id"] != train("steps=4", folder=tmp_path / "other")["run_id"]


def test_a_whole_search_with_processes(place: Path, capsys):
    """As a user starts it: two trials and the result, each a process of its own."""
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


def test_trials_together_are_one_program(place: Path, capsys, monkeypatch: pytest.MonkeyPatch):
    """Stopped and gone on with; contestants stay apart, and so do the results."""
    launched: list[Job] = []

    def stand_in(jobs, *_, **__):
        launched.extend(jobs)
        return Runner()(jobs)

    monkeypatch.setattr(search_module, "launch", stand_in)
    words = ["arch=elman,gru", "trials=2", "steps=2", "seeds=1", "tensorboard=false", "progress=none"]
    words = [*WORDS, *words, "search.model.dropout=null", "together=[learning_rate]"]
    with monkeypatch.context() as patch:
        patch.setattr(StopFlag, "__bool__", lambda self: True)
        assert main(["tune", *words]) == Interrupted.exit_code
    assert "the same command goes on with the search" in capsys.readouterr().err
    folder = Path("runs/tuned-search")
    assert len(list(folder.glob("together-*"))) == 1 and not list(folder.glob("*/result.json")) and not launched
    assert main(["tune", *words]) == 0
    for study in read_studies(folder):
        (common,) = {trial.run.record["together"]["folder"] for trial in study.trials if trial.run.record}
        assert (folder / common).is_dir() and [trial.state for trial in study.trials] == ["done", "done"]
        assert all(
            set(trial.run.record["seeds"][0]["scores"]) == {"validation"} for trial in study.trials if trial.run.record
        )
    assert len(list(folder.glob("together-*"))) == 2
    assert [job.config["role"] for job in launched] == ["result", "result"]
