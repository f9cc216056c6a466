"""The search with Optuna: its space, its stored study, and what it makes of trials that fail or diverge."""

import json
import math
from pathlib import Path

import pytest
from stub_jobs import job, stand_in, whole_record

from grux.cli import main
from grux.config.compose import parsed
from grux.errors import UsageError

optuna = pytest.importorskip("optuna")

from grux.launch.search import Search, open_study, space_of, summary  # noqa: E402
from grux.launch.sweep import Task  # noqa: E402


def space(*words: str):
    return space_of(parsed(words, sweep={}))


def test_the_space_is_what_is_swept():
    found, fixed = space(
        "learning_rate=tag(log,interval(1e-4,1e-1))",
        "model.features=range(16,65,16)",
        "model.depth=int(interval(1,4))",
        "arch=gru,lstm",
        "seeds=3",
        "schedule=glob(c*)",
    )
    d = optuna.distributions
    assert found == {
        "learning_rate": d.FloatDistribution(1e-4, 1e-1, log=True),
        "model.features": d.IntDistribution(16, 64, step=16),
        "model.depth": d.IntDistribution(1, 4),
        "arch": d.CategoricalDistribution(["gru", "lstm"]),
        "schedule": d.CategoricalDistribution(["constant", "cosine"]),
    }
    assert fixed == ["seeds=3"]


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("seeds=3", "needs something to choose"),
        ("learning_rate=interval(2,1)", "needs low <= high"),
        ("learning_rate=tag(log,interval(0,1))", "needs 0 < low"),
        ("model.features=range(9,3)", "range is empty"),
        ("arch=glob(zz*)", "matches nothing"),
    ],
)
def test_a_space_without_values_is_refused(word: str, sentence: str):
    with pytest.raises(UsageError, match=sentence):
        space(word)


def search(trials: int, score, **settings):
    """A search for x with this objective; gives the study and the values that were tried."""
    tried: list[float] = []

    def run(batch: list[list[str]]) -> list[float | None]:
        values = [float(words[-1].removeprefix("x=")) for words in batch]
        tried.extend(values)
        return [score(x) for x in values]

    one = job("one", runs="runs", launcher={"jobs": 2})
    found = Search(trials=trials, **settings).run(
        parsed(["seeds=3", "x=interval(-2.0,2.0)"], sweep={}), first=lambda words: (one, False), run=run
    )
    return found, tried


def test_a_stored_study_is_finished_and_not_begun_again():
    study, first = search(4, lambda x: x * x)
    assert len(first) == 4 and study.best_value == min(x * x for x in first)
    study, more = search(6, lambda x: x * x)
    assert len(more) == 2 and not set(more) & set(first) and len(study.trials) == 6
    assert search(6, lambda x: x * x)[1] == []


def test_failed_and_diverged_trials_do_not_stop_it():
    outcomes = iter([None, math.inf, math.nan, 3.0])
    study, tried = search(4, lambda x: next(outcomes), batch=1, sampler="random")
    assert [trial.state.name for trial in study.trials] == ["FAIL", "COMPLETE", "FAIL", "COMPLETE"]
    assert f"4 trials, 2 failed, 1 diverged; best validation score 3 with x={tried[-1]!r}" in summary(study)


def test_an_interrupted_search_runs_the_same_trials_again():
    def stop(x: float) -> float:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search(4, stop)
    (study,) = optuna.get_all_study_summaries(open_storage())
    begun = [t.params["x"] for t in optuna.load_study(study_name=study.study_name, storage=open_storage()).trials]
    study, tried = search(4, lambda x: x)
    assert tried[:2] == begun and len(tried) == 4 and all(t.state.name == "COMPLETE" for t in study.trials)


def open_storage():
    backend = optuna.storages.journal.JournalFileBackend("runs/stubs/study.jsonl")
    return optuna.storages.JournalStorage(backend)


def test_another_question_is_another_study():
    found, fixed = space("x=interval(0,1)", "seeds=3")
    one = job("one", runs="runs")
    names = {open_study(one, words, found, "minimize").study_name for words in (fixed, ["seeds=4"])}
    same = open_study(one, [*fixed, "launcher.jobs=2"], found, "minimize").study_name
    assert len(names) == 2 and same in names


def test_a_failed_trial_is_tried_again_with_its_values():
    study, tried = search(3, lambda x: None if len(study_trials()) == 2 else 1.0, batch=1, sampler="random")
    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "FAIL", "COMPLETE"]
    study, again = search(3, lambda x: None, batch=1, sampler="random")
    assert again == [tried[1]] and ": 3 trials, 1 failed, 0 diverged" in summary(study)
    study, again = search(4, lambda x: 2.0, batch=1, sampler="random")
    assert again[0] == tried[1] and len(again) == 2 and again[1] not in tried
    assert ": 4 trials, 0 failed, 0 diverged; best validation score 1" in summary(study)
    assert search(4, lambda x: 2.0)[1] == []


def study_trials() -> list:
    (found,) = optuna.get_all_study_summaries(open_storage())
    return optuna.load_study(study_name=found.study_name, storage=open_storage()).trials


def test_from_the_command_line(capsys, monkeypatch, tmp_path):
    """TPE on the jobs' validation scores; the same command again starts nothing but what failed."""
    started = stand_in(
        monkeypatch,
        tmp_path,
        whole_record(),
        gru="done(float(words['learning_rate']))",
        elman="status('failed', 'Diverged', 'lower it.'); sys.exit(4)",
        lstm="os._exit(3)",
    )
    words = [
        "train",
        "-m",
        "hydra/sweeper=grux_optuna",
        "hydra.sweeper.trials=5",
        "hydra.sweeper.seed=1",
        "launcher.jobs=2",
    ]
    words += ["arch=gru,elman,lstm", "learning_rate=interval(0.1,0.9)"]
    code = main(words)
    out, err = capsys.readouterr()
    ends = [line.split("arch=")[1].split()[0] for line in started()]
    assert ": 5 trials, " in out.splitlines()[-1] and len(ends) == 5
    records = [json.loads(path.read_text()) for path in Path("runs/default").glob("*/result.json")]
    scores = [record["seeds"][0]["scores"]["validation"]["accuracy"] for record in records]
    assert not scores or f"best validation score {max(scores):.6g}" in out
    failed = ends.count("lstm")
    assert failed and code == 3
    assert f"grux: {failed} of 5 trials that were started failed (first: lstm on first_token learning_rate=" in err
    monkeypatch.setenv("STUB_ENDS", "{}")
    assert main(words) == 0 and f": 5 trials, 0 failed, {ends.count('elman')} diverged" in capsys.readouterr().out
    assert [line.split("arch=")[1].split()[0] for line in started()[5:]] == ["lstm"] * failed
    assert main(words) == 0 and len(started()) == 5 + failed


def test_a_search_of_which_nothing_has_a_score(capsys, monkeypatch, tmp_path):
    stand_in(monkeypatch, tmp_path, whole_record(), gru="sys.exit(1)")
    words = ["hydra/sweeper=grux_optuna", "hydra.sweeper.trials=1", "arch=gru", "learning_rate=interval(0.1,0.9)"]
    assert main(["train", "-m", *words]) == 1
    out, err = capsys.readouterr()
    assert ": 1 trial, 1 failed, 0 diverged; none has a score" in out and err.count("\n") == 1


def test_a_search_of_which_everything_diverged_has_found_nothing(capsys, monkeypatch, tmp_path):
    stand_in(monkeypatch, tmp_path, whole_record(), gru="status('failed', 'Diverged', 'lower it.'); sys.exit(4)")
    words = ["hydra/sweeper=grux_optuna", "hydra.sweeper.trials=2", "arch=gru", "learning_rate=interval(0.1,0.9)"]
    for _ in range(2):  # the second call starts nothing and says the same
        assert main(["train", "-m", *words]) == 4
        out, err = capsys.readouterr()
        assert ": 2 trials, 0 failed, 2 diverged; none has a score" in out
        assert (
            err == "grux: every trial of the search diverged; search lower learning rates, or clip gradients lower.\n"
        )


def test_trials_of_optuna_are_no_one_program(capsys):
    words = ["hydra/sweeper=grux_optuna", "arch=gru", "learning_rate=interval(0.1,0.9)", "together=[learning_rate]"]
    assert main(["train", "-m", *words]) == 2
    assert "together=[learning_rate]: the trials of grux_optuna are trained each by itself" in capsys.readouterr().err


def test_runs_of_several_processes_are_no_sweep():
    with pytest.raises(UsageError, match=r"mesh\.hosts=2 processes are each started with the command of one run"):
        Task(None, ()).jobs([["mesh.data=2", "mesh.hosts=2"]])
