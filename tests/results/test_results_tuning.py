"""The report of a search, from files alone: which trials count, what they say, and no test score of the search."""

import csv
import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fake_runs import write_run
from fake_search import write_search, write_study, write_trial

from grux.cli import main
from grux.errors import UsageError
from grux.results.importance import importance
from grux.results.record import write_json
from grux.results.space import parse_space
from grux.results.trials import STUDY, read_studies, read_study, worst_score
from grux.results.tuning import make_report, render_report, write_csv

ROOT = Path(__file__).resolve().parents[2]
GRU, LSTM = [0.70, 0.60, 0.72, 0.65], [0.50, 0.80, "diverged", 0.78]


@pytest.fixture
def searched(tmp_path: Path) -> Path:
    write_search(tmp_path, {"gru": GRU, "lstm": LSTM})
    return tmp_path


def report_of(root: Path):
    return make_report(root / "tuned-search", root / "tuned")


def test_scores_are_of_validation_and_a_diverged_trial_is_the_worst(searched: Path):
    gru, lstm = read_studies(searched / "tuned-search")
    assert [trial.score for trial in gru.trials] == GRU and gru.metric == "accuracy" and gru.higher_is_better
    assert [trial.state for trial in lstm.trials] == ["done", "done", "diverged", "done"]
    assert worst_score([gru, lstm]) == 0.5
    report = report_of(searched)
    assert report.curves["lstm"].expected[0] == pytest.approx((0.5 + 0.8 + 0.5 + 0.78) / 4)
    assert report.curves["gru"].expected[-1] == 0.72 and report.curves["lstm"].expected[-1] == 0.8
    assert gru.best is not None and gru.best.number == 2 and lstm.best is not None and lstm.best.number == 1


def test_of_equal_trials_the_first_is_the_best(tmp_path: Path):
    write_search(tmp_path, {"gru": [0.6, 0.7, 0.7]})
    best = read_study(tmp_path / "tuned-search", "gru").best
    assert best is not None and best.number == 1


def test_a_trial_in_which_one_seed_diverged_is_diverged(tmp_path: Path):
    write_study(tmp_path, "gru")
    folder = write_trial(tmp_path, "gru", 0, {"learning_rate": 0.1, "model.dropout": 0}, 0.7)
    record = json.loads((folder / "result.json").read_text())
    record["seeds"] += [{"seed": 1, "status": "diverged", "steps": 3, "best_step": None, "scores": {}}]
    write_json(folder / "result.json", record)
    (trial,) = read_study(tmp_path / "tuned-search", "gru").trials
    assert (trial.state, trial.score) == ("diverged", None) and trial.counts


def test_what_failed_is_shown_and_does_not_count(tmp_path: Path):
    write_search(tmp_path, {"gru": [0.7, "failed", 0.6, "running"], "lstm": [0.5, 0.8, 0.4, 0.3]})
    report = report_of(tmp_path)
    assert len(report.curves["gru"].expected) == 2
    text = render_report(report)
    line = next(line for line in text.splitlines() if line.strip().startswith("gru"))
    assert line.split()[1:6] == ["2", "of", "4", "0", "1"] and "failed" in text


def test_the_page(searched: Path):
    write_run(searched, arch="lstm", run_id="lstm-sst2-final", experiment="tuned")
    study = read_study(searched / "tuned-search", "lstm").settings
    write_json(searched / "tuned-search" / STUDY / "lstm.json", {**study, "final": {"run": "lstm-sst2-final"}})
    text = " ".join(render_report(report_of(searched)).split())
    assert "From 2 trials on lstm is expected to find more than gru." in text
    assert "learning_rate ~ log(0.0001, 0.1)" in text and "A diverged trial counts as the worst" in text
    assert "without replacement (Tang et al. 2020)" in text and "Search: random, seed 0" in text
    assert "80.0" in text and "0.0002" in text  # the best of lstm: trial 1
    results = text[text.index("result") :]
    assert "lstm" in results and "accuracy % 78.8" in results and "trained again on seeds that no trial had" in text


def test_nothing_of_a_search_is_a_result(searched: Path, capsys, monkeypatch):
    """Tables and plots know results alone, whatever they are asked for; a report names no test score of a trial."""
    monkeypatch.chdir(searched.parent)
    runs = ["--runs", str(searched)]
    for words in (["table"], ["table", "experiment=tuned-search"], ["plot"], ["table", "arch=gru"]):
        assert main([*words, *runs]) == 2
        assert "are trials of a search" in capsys.readouterr().err
    write_run(searched, arch="gru", run_id="gru-sst2-final", experiment="tuned")
    assert main(["table", *runs, "--format", "csv"]) == 0
    out = capsys.readouterr().out
    assert "gru" in out and "lstm" not in out
    assert main(["ls", *runs]) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if "lstm-sst2-00000001" in line)
    assert "accuracy % 80.0 (validation)" in line


def test_two_files_for_programs(searched: Path, tmp_path: Path):
    curves, trials = write_csv(report_of(searched), tmp_path)
    rows = list(csv.DictReader(curves.read_text().splitlines()))
    assert [(row["contestant"], row["trials"]) for row in rows] == [
        (a, str(n)) for a in ("gru", "lstm") for n in (1, 2, 3, 4)
    ]
    assert float(rows[3]["expected_best"]) == 0.72 and float(rows[3]["low_5"]) == 0.72
    rows = list(csv.DictReader(trials.read_text().splitlines()))
    assert [row["validation_accuracy"] for row in rows] == ["0.7", "0.6", "0.72", "0.65", "0.5", "0.8", "", "0.78"]
    assert rows[6]["state"] == "diverged" and rows[5]["learning_rate"] == "0.0002"


def test_the_picture(searched: Path, tmp_path: Path):
    pytest.importorskip("matplotlib")
    from grux.results.figure import save
    from grux.results.tuning_plot import search_figure

    report = report_of(searched)
    png, svg = save(search_figure(report), tmp_path)
    first = svg.read_bytes()
    assert png.read_bytes().startswith(b"\x89PNG") and b"expected best validation" in first
    save(search_figure(report), tmp_path)
    assert svg.read_bytes() == first


def test_the_command_reads_files_and_writes_where_it_is_told(searched: Path, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = sorted(searched.rglob("*"))
    assert main(["tune", "--report", "tuned", "--runs", str(searched)]) == 0
    assert "best of 4" in capsys.readouterr().out and sorted(searched.rglob("*")) == before
    assert main(["tune", "--report", "tuned", "--runs", str(searched), "--to", "figures"]) == 0
    assert {"expected_best.csv", "trials.csv"} <= {path.name for path in Path("figures").iterdir()}
    for words, sentence in (
        (["--report", "other"], "there is no search in"),
        (["--report", "a/b"], "is the name of a group"),
        (["--report", "tuned", "arch=gru"], "leave out arch=gru"),
    ):
        assert main(["tune", *words, "--runs", str(searched)]) == 2
        error = capsys.readouterr().err
        assert sentence in error and error.count("\n") == 1


def test_a_report_needs_no_jax(searched: Path):
    program = (
        "import sys, grux.cli\n"
        f"assert grux.cli.main(['tune', '--report', 'tuned', '--runs', {str(searched)!r}]) == 0\n"
        "assert not {'jax', 'flax', 'hydra'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("key", "value"),
    [("space", {"clip": "choice(1, 2)"}), ("sampler", "tpe"), ("seed", 3), ("seeds", 2), ("trials", 9)],
)
def test_searches_of_different_kinds_are_not_compared(searched: Path, key: str, value):
    write_study(searched, "lstm", **{key: value})
    with pytest.raises(UsageError, match=f"differ in their {key}"):
        report_of(searched)


@pytest.mark.parametrize("content", ["", "[1]", '{"number": 1}', '{"number": "x", "values": {}, "run": "r"}'])
def test_damaged_files_are_named(searched: Path, content: str):
    file = searched / "tuned-search" / STUDY / "gru" / "0001.json"
    file.write_text(content)
    with pytest.raises(UsageError, match=r"0001\.json' is damaged"):
        report_of(searched)


def test_trials_that_learn_have_no_expectation(searched: Path):
    for name in ("gru", "lstm"):
        write_study(searched, name, sampler="tpe")
    report = report_of(searched)
    assert report.curves["lstm"].expected == (0.5, 0.8, 0.8, 0.8)
    text = " ".join(render_report(report).split())
    assert "Best validation accuracy % ↑ of the first n trials" in text and "xpected" not in text
    assert "From 2 trials on lstm had found more than gru." in text


def test_a_hostile_name_stays_text(tmp_path: Path):
    write_study(tmp_path, "x", contestant="[red]x[/red]\x1b[31m")
    for number, score in enumerate((0.5, 0.6)):
        write_trial(tmp_path, "x", number, {"learning_rate": 0.1, "model.dropout": 0}, score)
    text = render_report(report_of(tmp_path))
    assert "[red]x[/red]" in text and "\x1b" not in text


@pytest.mark.parametrize("content", ["{}", '{"space": {"x": 3}, "sampler": "random", "seed": 0, "trials": 3}'])
def test_a_damaged_study_is_named(searched: Path, content: str):
    (searched / "tuned-search" / STUDY / "gru.json").write_text(content)
    with pytest.raises(UsageError, match=r"gru\.json' is damaged"):
        report_of(searched)


def test_no_score_yet(tmp_path: Path):
    write_search(tmp_path, {"gru": ["diverged", "failed"]})
    with pytest.raises(UsageError, match="has a score yet"):
        report_of(tmp_path)


# Importance

SPACE = parse_space({"learning_rate": "log(0.0001, 0.1)", "clip": "choice(1, 5, null)", "depth": "int(1, 4)"})


def trials(score, count: int = 60):
    generator = np.random.default_rng(0)
    values = [{key: one.at(generator.random()) for key, one in SPACE.items()} for _ in range(count)]
    return [(each, score(math.log10(each["learning_rate"]), each["clip"], each["depth"])) for each in values]


def test_what_makes_the_score_has_the_importance():
    pytest.importorskip("optuna")
    pytest.importorskip("sklearn")
    shares = importance(SPACE, trials(lambda rate, clip, depth: -((rate + 2.5) ** 2)))
    assert next(iter(shares)) == "learning_rate" and shares["learning_rate"] > 0.9
    assert sum(shares.values()) == pytest.approx(1.0)
    shares = importance(SPACE, trials(lambda rate, clip, depth: float(clip is None) + 0.01 * rate))
    assert shares["clip"] > 0.9
    assert importance(SPACE, trials(lambda rate, clip, depth: depth)) == importance(
        SPACE, trials(lambda rate, clip, depth: depth)
    )


def test_a_log_uniform_setting_counts_on_its_own_scale():
    """Half of all draws lie below 0.003: on a linear scale what happens there would hardly count."""
    pytest.importorskip("optuna")
    pytest.importorskip("sklearn")
    shares = importance(SPACE, trials(lambda rate, clip, depth: float(rate < -2.5) + 0.25 * depth))
    assert shares["learning_rate"] > 0.6


def test_too_little_to_tell():
    assert importance(SPACE, trials(lambda *_: 1.0)) == {} and importance(SPACE, trials(lambda r, c, d: r, 3)) == {}


def test_without_optuna_there_is_a_sentence(searched: Path, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    report = report_of(searched)
    assert report.importance == {} and 'pip install "grux[tune]"' in report.remark
    assert "needs optuna and scikit-learn" in render_report(report)
