"""Which weights are scored on test data, and that scoring them decides nothing."""

from pathlib import Path

import pytest
from small_runs import lines, train

from grux.results.record import read_run
from grux.results.selection import RULES
from grux.results.table import make_table

# A step size this large makes scores go up and down, so that the best step is not the last one, and seeds stop early.
ROUGH = ("seeds=2", "epochs=5", "eval_every=6", "patience=3", "learning_rate=1.0")


@pytest.fixture(scope="module")
def every(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    folder = tmp_path_factory.mktemp("every") / "run"
    return folder, train(*ROUGH, "test_weights=every", folder=folder)


def test_the_record_has_the_scores_of_the_last_weights(every):
    folder, record = every
    tests = [row for row in lines(folder) if row["split"] == "test"]
    validations = [row for row in lines(folder) if row["split"] == "validation"]
    assert [(row["seed"], row["step"]) for row in tests] == [(row["seed"], row["step"]) for row in validations]
    assert any(seed["best_step"] < seed["steps"] for seed in record["seeds"])  # else the two could be confused
    for seed in record["seeds"]:
        own = [row for row in tests if row["seed"] == seed["seed"]]
        assert own[-1]["step"] == seed["steps"]
        best = next(row for row in own if row["step"] == seed["best_step"])
        for name, row in (("last_scores", own[-1]), ("scores", best)):
            for metric, value in seed[name]["test"].items():
                assert value == pytest.approx(row[metric], rel=1e-6), (name, metric)


def test_scoring_more_weights_changes_nothing_else(every, tmp_path: Path):
    folder, record = every
    plain = train(*ROUGH, "test_weights=best", folder=tmp_path / "run")
    assert lines(tmp_path / "run") == [row for row in lines(folder) if row["split"] != "test"]
    assert all("last_scores" not in seed for seed in plain["seeds"])
    assert plain["seeds"] == [{k: v for k, v in seed.items() if k != "last_scores"} for seed in record["seeds"]]


def test_the_same_run_under_each_rule(every):
    folder, record = every
    means = {rule: make_table([read_run(folder)], select=rule, last=2).rows[0].cells[0].summary.mean for rule in RULES}
    best, last = ([s[n]["test"]["accuracy"] for s in record["seeds"]] for n in ("scores", "last_scores"))
    assert means["best_val"] == pytest.approx(sum(best) / 2)
    assert means["last"] == pytest.approx(sum(last) / 2)
    assert means["max_over_seeds"] == max(best)
    assert min(means.values()) <= means["mean_last_k"] <= 1.0
