"""`grux tune`: equal searches, fresh seeds, nothing done twice, and no test score that a search could see."""

import copy
import math
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from small_runs import SMALL
from stub_search import BEST, WORDS, Runner

import grux.launch.jobs as jobs_module
import grux.tuning.search as search_module
from grux.cli import main
from grux.config import compose as composed_by_hydra
from grux.errors import Diverged, Interrupted
from grux.launch.fence import DEPTH
from grux.launch.jobs import Job
from grux.results.trials import read_studies
from grux.tuning.plan import FRESH, Contestant


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def composed() -> dict:
    return {}


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch, composed: dict) -> Runner:
    made = Runner()
    monkeypatch.setattr(search_module, "run_jobs", made)

    def compose(overrides, *, config_dir=None):
        """Hydra's answer, asked for once by all tests here: it is most of their time."""
        key = (tuple(overrides), config_dir)
        if key not in composed or config_dir:
            composed[key] = composed_by_hydra(overrides, config_dir=config_dir)
        return copy.deepcopy(composed[key])

    monkeypatch.setattr(jobs_module, "compose", compose)
    return made


def tune(*words: str, no_dropout: bool = True) -> int:
    return main(["tune", *WORDS, *["search.model.dropout=null"] * no_dropout, *words])


def rates(jobs: Sequence[Job], arch: str) -> list[float]:
    return [job.config["learning_rate"] for job in jobs if job.choices["arch"] == arch]


def test_equal_searches_then_fresh_seeds(runner: Runner, capsys, place: Path):
    assert tune("arch=gru,lstm", "trials=4", "seeds=3", "search_seeds=2", no_dropout=False) == 0
    out = " ".join(capsys.readouterr().out.split())
    trials, results = runner.trials(), runner.results()
    assert [job.choices["arch"] for job in trials].count("gru") == 4 and len(trials) == 8 and len(results) == 2
    draws = {
        arch: [(j.config["learning_rate"], j.config["model"]["dropout"]) for j in trials if j.choices["arch"] == arch]
        for arch in ("gru", "lstm")
    }
    assert draws["gru"] == draws["lstm"] and len(set(draws["gru"])) == 4
    assert {job.folder.parent for job in trials} == {Path("runs/tuned-search")}
    assert {job.folder.parent for job in results} == {Path("runs/tuned")}
    for job in trials:
        assert (job.config["seeds"], job.config["first_seed"], job.config["clip"]) == (2, FRESH, 1.0)
    for job in results:
        assert (job.config["seeds"], job.config["first_seed"]) == (3, 0)
        arch = job.choices["arch"]
        best = min(rates(trials, arch), key=lambda rate: abs(math.log(rate / BEST[arch])))
        assert job.config["learning_rate"] == best
    assert "best of 4" in out and "accuracy % 50.0" in out and "trained again on seeds that no trial had" in out
    assert {"expected_best.csv", "trials.csv"} <= {path.name for path in Path("runs/tuned-search").iterdir()}
    assert main(["table", "experiment=tuned", "--format", "csv"]) == 0


def test_the_same_command_again_starts_nothing(runner: Runner, capsys):
    assert tune("arch=gru,lstm", "trials=3") == 0
    first = capsys.readouterr().out
    runner.started.clear()
    assert tune("arch=gru,lstm", "trials=3") == 0
    assert not runner.started and capsys.readouterr().out == first


def test_it_goes_on_where_it_was_stopped(runner: Runner, capsys):
    runner.end = lambda job: Interrupted("stopped; the same command goes on.") if len(runner.started) == 4 else None
    assert tune("arch=gru,lstm", "trials=3") == 75
    assert "the same command goes on" in capsys.readouterr().err and len(runner.started) == 4
    runner.end = lambda job: None
    assert tune("arch=gru,lstm", "trials=3") == 0
    folders = [job.folder for job in runner.started]
    assert len(folders) == len(set(folders)) == 3 * 2 + 2
    assert rates(runner.trials(), "gru") == rates(runner.trials(), "lstm")


def test_a_trial_that_failed_is_tried_again_and_holds_up_the_result(runner: Runner, capsys):
    runner.end = lambda job: OSError("disk on fire") if len(runner.started) == 1 else None
    assert tune("arch=gru,lstm", "trials=3") == 1
    error = capsys.readouterr().err
    assert "trials failed: 1 of lstm, each out of 3 (first: lstm on first_token: disk on fire;" in error
    assert error.count("\n") == 1 and not runner.results()
    runner.end = lambda job: None
    runner.started.clear()
    assert tune("arch=gru,lstm", "trials=3") == 0
    assert len(runner.trials()) == 1 and len(runner.results()) == 2


def test_a_trial_that_diverged_has_its_answer(runner: Runner, capsys):
    runner.end = lambda job: Diverged("NaN") if job.config["learning_rate"] > 3e-3 else None
    assert tune("arch=gru", "trials=6") == 0
    (study,) = read_studies(Path("runs/tuned-search"))
    diverged = [trial for trial in study.trials if trial.state == "diverged"]
    assert diverged and all(trial.values["learning_rate"] > 3e-3 for trial in diverged)
    assert runner.results()[0].config["learning_rate"] <= 3e-3
    runner.started.clear()
    assert tune("arch=gru", "trials=6") == 0 and not runner.started
    runner.end = lambda job: Diverged("NaN")
    assert tune("arch=gru", "trials=2", "group=other") == Diverged.exit_code
    assert "all 2 trials of gru diverged" in capsys.readouterr().err


def test_more_trials_go_on_and_a_better_result_takes_the_place_of_the_old(runner: Runner, capsys):
    assert tune("arch=elman", "trials=1") == 0
    (before,) = runner.results()
    runner.started.clear()
    assert tune("arch=elman", "trials=8") == 0
    assert len(runner.trials()) == 7 and len(runner.results()) == 1
    (kept,) = Path("runs/tuned").iterdir()
    assert kept == runner.results()[0].folder != before.folder
    assert "better values were found" in capsys.readouterr().out
    assert (Path("runs/tuned-search/study/elman/superseded") / before.folder.name / "result.json").exists()
    assert main(["table", "--format", "csv"]) == 0
    assert tune("arch=elman", "trials=4") == 2
    assert "has 8 trials; ask for as many or more" in capsys.readouterr().err


def results_of(group: str = "tuned") -> set[str]:
    return {path.name for path in Path("runs", group).iterdir()}


def test_results_on_other_seeds_stay_until_better_values_are_found(runner: Runner, capsys):
    for seeds in ("seeds=1", "seeds=2", "seeds=1", "seeds=2"):
        assert tune("arch=elman", "trials=1", seeds) == 0
    one, two = (job.folder for job in runner.results())  # each was trained once
    assert results_of() == {one.name, two.name} and "better values" not in capsys.readouterr().out
    assert tune("arch=elman", "trials=8", "seeds=2") == 0
    assert capsys.readouterr().out.count("better values were found") == 1
    aside = Path("runs/tuned-search/study/elman/superseded")
    assert {path.name for path in aside.iterdir()} == {one.name, two.name}
    assert results_of() == {runner.results()[-1].folder.name}


def test_a_result_that_was_set_aside_is_wanted_again(runner: Runner):
    """The run of the better values is lost, so those of before are the best again, and then are not."""
    assert tune("arch=elman", "trials=1") == 0
    (first,) = runner.results()
    assert tune("arch=elman", "trials=8") == 0
    better = runner.trials()
    runner.end = lambda job: Diverged("NaN")
    for job in better[1:]:
        shutil.rmtree(job.folder)
    runner.started.clear()
    assert tune("arch=elman", "trials=8") == 0
    assert not runner.results() and results_of() == {first.folder.name}
    runner.end = lambda job: None
    for job in better[1:]:
        shutil.rmtree(job.folder)
    shutil.copytree(first.folder, f"runs/tuned-search/study/elman/superseded/{first.folder.name}")
    assert tune("arch=elman", "trials=8") == 0 and not runner.results()
    aside = {path.name for path in Path("runs/tuned-search/study/elman/superseded").iterdir()}
    assert aside == {first.folder.name, f"{first.folder.name}-2"}


def test_another_contestant_joins_with_the_same_draws(runner: Runner):
    assert tune("arch=gru", "trials=3") == 0
    assert tune("arch=gru,lstm", "trials=3") == 0
    assert rates(runner.trials(), "gru") == rates(runner.trials(), "lstm") and len(runner.started) == 8


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["search_seed=1"], "holds a search with another seed (0, asked for is 1); choose another group=NAME"),
        (["search.learning_rate=log(1e-3,1)"], "holds a search with another space"),
        (["search_seeds=2"], "holds a search with another seeds"),
        (["arch=elman", "data.symbols=3"], "holds a search with another data; choose another group=NAME"),
        (["arch=elman", "trials=3"], "the search of gru in runs/tuned-search has 2 trials and this one would have 3"),
        (["epochs=3"], "was made with other settings; choose another group=NAME"),
    ],
)
def test_two_searches_do_not_share_a_group(runner: Runner, capsys, words: list[str], sentence: str):
    assert tune("arch=gru", "trials=2") == 0
    runner.started.clear()
    assert tune("arch=gru", "trials=2", *words) == 2
    error = capsys.readouterr().err
    assert sentence in error and error.count("\n") == 1 and not runner.started


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["trials=0"], "trials=0 must be a whole number >= 1"),
        (["trials=many"], "trials='many' must be a whole number"),
        (["sampler=tpee"], "sampler='tpee' must be one of random, tpe; did you mean tpe"),
        (["search=nope"], "search=nope is unknown: there is default."),
        (["search.learning_rate=log(1,0)"], "needs two numbers, the lower first"),
        (["search.learning_rate=log(1e-3,1e-1)", "learning_rate=1e-2"], "gives a value to what is searched"),
        (["search.learning_rat=log(1e-3,1e-1)"], "did you mean learning_rate?"),
        (["search.model.droput=choice(0,0.5)"], "did you mean model.dropout?"),
        (["search.model.dropout=choice(0,1.5)"], "model.dropout=1.5 must be a number"),
        (["search.optimizer=choice(adam,sgdd)"], "optimizer=sgdd is unknown: did you mean sgd?"),
        (["search.seeds=choice(1,2)"], "seeds is no hyperparameter"),
        (["search.arch=choice(gru,lstm)"], "arch is no hyperparameter"),
        (["search.data.train=choice(10,20)"], "data.train is no hyperparameter"),
        (["search.learning_rate=null"], "nothing is searched"),
        (["match=parameters", "budget=3000", "search.model.features=int(4,8)"], "is what match=parameters solves"),
        (["arch=gru,gru"], "a contestant is named twice"),
        (["seeds=2,3"], "seeds differs between the contestants"),
        (["data.train=60,61"], "data differs between the contestants (data.train=60, data.train=61), whose scores"),
        (["task.selection=loss,accuracy"], "tune one task at a time, each under a group=NAME of its own"),
        (["mesh.data=2", "mesh.hosts=2"], "mesh.hosts=2 processes are each started with the command of one run"),
        (["sampler=tpe", "together=[learning_rate]"], "learn from those before are no one program; leave it out, or"),
        (["together=[batch_size]"], "runs that differ in batch_size cannot be one program"),
        (["launcher.jobs=2", "match=step_time", "budget=3", "arch=gru,lstm"], "launcher.jobs=2 shares the machine out"),
        (["match=step_time", "budget=3", "search.clip=choice(1,2)"], "trials differ in clip; add search.clip=null, or"),
        (["match=step_time", "budget=3", "seeds=2"], "times of one number of seeds, but trials have 1 and results 2"),
        (["role=result"], "role=result is not for grux tune"),
        (["run_dir=here"], "run_dir=here is not for grux tune"),
        (["hydra/launcher=basic"], "starts its trials on this machine"),
        (["arch=gruu"], "did you mean gru?"),
        (["first_seed=2147483000"], "would meet those of the search"),
    ],
)
def test_wrong_words_are_one_sentence(runner: Runner, capsys, place: Path, words: list[str], sentence: str):
    bare = [word for word in SMALL if not word.startswith(("tensorboard", "model.features"))]
    assert main(["tune", *bare, "search.clip=null", "search.model.dropout=null", *words]) == 2
    error = capsys.readouterr().err
    assert sentence in error and error.startswith("grux: ") and error.count("\n") == 1, error
    assert not runner.started and not list(place.iterdir())


def test_a_space_of_ones_own(runner: Runner, capsys, place: Path):
    (place / "mine" / "search").mkdir(parents=True)
    file = place / "mine" / "search" / "small.yaml"
    file.write_text("trials: 2\nsampler: random\nseed: 5\nseeds: 1\nspace: {model.features: 'logint(2, 64)'}\n")
    words = [word for word in WORDS if not word.startswith(("search.", "model.features"))]
    assert main(["tune", "--config-dir", "mine", *words, "search=small", "arch=gru"]) == 0
    widths = [job.config["model"]["features"] for job in runner.trials()]
    assert len(widths) == 2 and all(2 <= width <= 64 for width in widths)
    for content, sentence in (
        ("trials: 2\n", "has no mapping `space`"),
        ("trials: 2\nspace: {}\n", "sampler is missing"),
        ("trails: 2\nspace: {}\n", "unknown key trails: did you mean trials?"),
        ("space: {\n", "repair the file"),
    ):
        file.write_text(content)
        assert main(["tune", "--config-dir", "mine", *words, "search=small", "arch=gru"]) == 2
        assert sentence in capsys.readouterr().err


def test_contestants_that_differ_in_more_than_one_key(runner: Runner):
    assert tune("arch=gru,elman", "optimizer=adam,sgd", "trials=1") == 0
    names = [study.contestant for study in read_studies(Path("runs/tuned-search"))]
    assert sorted(names) == sorted(f"arch={a} optimizer={o}" for a in ("gru", "elman") for o in ("adam", "sgd"))
    assert len(runner.results()) == 4


@pytest.mark.parametrize(
    ("word", "names"), [("epochs=1,3", ["epochs=1", "epochs=3"]), ("optimizer=adam,sgd", ["adam", "sgd"])]
)
def test_contestants_are_named_by_what_tells_them_apart(runner: Runner, word: str, names: list[str]):
    assert tune(word, "trials=1") == 0
    assert [study.contestant for study in read_studies(Path("runs/tuned-search"))] == names


def test_files_of_contestants_are_told_apart():
    names = ["gru", "a=1 b=2", "a=1,b=2", "A", "a", "../x", "x" * 200, "x" * 201]
    files = [Contestant(name, ()).file for name in names]
    assert len(set(files)) == len(files) and files[0] == "gru" and all("/" not in file for file in files)


def test_a_search_inside_a_job_is_refused(runner: Runner, capsys, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(DEPTH, "1")
    assert tune("arch=gru", "trials=1") == 2 and not runner.started
    assert "started as a job of a sweep" in capsys.readouterr().err


# Samplers


def test_a_search_by_tpe_goes_on_as_it_would_have(runner: Runner, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("optuna")
    monkeypatch.setattr("grux.tuning.samplers.STARTUP", 2)
    assert tune("arch=gru", "trials=5", "sampler=tpe", "group=straight") == 0
    straight = rates(runner.trials(), "gru")
    runner.started.clear()
    runner.end = lambda job: Interrupted("stopped.") if len(runner.started) == 3 else None
    assert tune("arch=gru", "trials=5", "sampler=tpe") == 75
    runner.end = lambda job: None
    assert tune("arch=gru", "trials=5", "sampler=tpe") == 0
    assert rates(runner.trials(), "gru") == straight and len(set(straight)) == 5


def test_tpe_without_optuna_is_a_sentence(runner: Runner, capsys, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert tune("arch=gru", "trials=2", "sampler=tpe") == 2
    assert 'pip install "grux[tune]"' in capsys.readouterr().err and not runner.started
