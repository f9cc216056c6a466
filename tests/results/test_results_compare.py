"""`grux compare` names what differs, and nothing else; `grux ls` sorts, and speaks JSON."""

import json
from pathlib import Path

import pytest
from fake_runs import make_config, make_record, write_run, write_unfinished

from grux.cli import main
from grux.errors import UsageError
from grux.results.compare import compare_runs, show_difference
from grux.results.listing import as_rows, sort_runs
from grux.results.overview import list_runs
from grux.results.record import find_runs, read_run


def difference(tmp_path: Path, left: dict, right: dict):
    runs = [read_run(write_run(tmp_path / name, record)) for name, record in (("a", left), ("b", right))]
    return compare_runs(*runs)


def test_the_same_twice_is_said(tmp_path):
    found = difference(tmp_path, make_record(), make_record())
    assert (found.parts, found.same_input, found.same_scores) == ({}, True, True)
    assert "These two runs are the same" in show_difference(found)


def test_same_input_with_other_scores_is_a_finding(tmp_path):
    found = difference(tmp_path, make_record(scores=[0.8, 0.9]), make_record(scores=[0.8, 0.91]))
    assert found.same_input and not found.same_scores
    text = show_difference(found)
    assert "agree, but the scores differ" in text
    test = found.scores[0]
    assert (test.unit.split, test.unit.metric) == ("test", "accuracy")
    assert test.versus.difference == pytest.approx(-0.005)
    assert next(line.split()[1:4] for line in text.splitlines() if line.strip().startswith("seed 1")) == [
        "1",
        "90.0",
        "91.0",
    ]


def test_every_kind_of_difference_is_named(tmp_path):
    config = make_config(arch="gru", data="sst2", seeds=2, optimizer__learning_rate=0.01)
    left = make_record(scores=[0.8, 0.9])
    right = make_record(scores=[0.7, 0.8, 0.9], config=config)
    right |= {"commit": "def5678", "diff": "77" * 32, "data": {"sst2.csv": "cd" * 32}}
    right |= {"versions": left["versions"] | {"jax": "0.12.0"}, "device": left["device"] | {"platform": "gpu"}}
    right |= {"parameters": {"total": 5}}
    found = difference(tmp_path, left, right)
    assert found.parts["config"]["optimizer.learning_rate"] == ("0.001", "0.01")
    assert found.parts["versions"] == {"jax": ("0.10.2", "0.12.0")}
    assert found.parts["device"] == {"platform": ("cpu", "gpu")}
    assert found.parts["data"] == {"sst2.csv": ("ab" * 32, "cd" * 32)}
    assert found.parts["commit"]["commit"] == ("abc1234", "def5678")
    assert found.parts["cost"]["parameters"] == ("812,345", "5")
    assert found.scores[0].versus.n == 2  # the seeds that both have
    text = show_difference(found)
    assert "They differ in config, data, commit, versions and device." in text
    assert "mean of 2" in text and "+10.0 ± 0.0" in text


def test_what_has_no_effect_makes_no_difference(tmp_path):
    changes = {
        "a": {"tensorboard": True, "group": "a", "run_dir": "runs/a/x"},
        "b": {"tensorboard": False, "group": "b"},
    }
    records = [make_record(config=make_config(arch="gru", data="sst2", **own)) for own in changes.values()]
    records[1]["choices"] = records[1]["choices"] | {"experiment": "quickstart"}
    found = difference(tmp_path, *records)
    assert list(found.parts) == ["without effect"]
    assert set(found.parts["without effect"]) == {"tensorboard", "group", "run_dir", "experiment"}
    assert found.same_input and "These two runs are the same" in show_difference(found)


def test_whether_kernels_ran_is_no_part_of_the_machine(tmp_path):
    left, right = make_record(), make_record()
    right["device"] = right["device"] | {"kernels": "at hand", "environment": {"OMP_NUM_THREADS": "1"}}
    left["device"] = left["device"] | {"kernels": "not asked for", "environment": {"OMP_NUM_THREADS": "2"}}
    found = difference(tmp_path, left, right)
    assert "device" not in found.parts and not found.same_input
    assert found.parts["environment"] == {
        "OMP_NUM_THREADS": ("2", "1"),
        "compiled kernels": ("not asked for", "at hand"),
    }


def test_scores_on_different_data_are_not_compared(tmp_path):
    found = difference(tmp_path, make_record(data="sst2"), make_record(data="multi30k"))
    assert found.scores == ()
    assert "Scores on different data are not compared" in " ".join(show_difference(found).split())


def test_a_run_without_a_record_is_compared_by_what_it_has(tmp_path):
    done = read_run(write_run(tmp_path, arch="gru"))
    failed = read_run(write_unfinished(tmp_path, "failed", arch="lstm", kind="DataError", message="bad line"))
    text = " ".join(show_difference(compare_runs(done, failed)).split())
    for words in ("DataError: bad line", "arch", "lstm", "Not known of both: data, commit, versions and device"):
        assert words in text


def test_compare_on_the_command_line(tmp_path, capsys):
    for arch in ("gru", "lstm"):
        write_run(tmp_path, arch=arch)
    runs = ["--runs", str(tmp_path)]
    assert main(["compare", "gru-sst2", "lstm-sst2", "--json", *runs]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["differences"]["config"]["arch"] == ["gru", "lstm"]
    assert found["scores"][0]["difference"] == pytest.approx(0.0078)
    assert main(["compare", "gru-sst2", "gru-sst2", *runs]) == 0
    assert "the same" in capsys.readouterr().out
    assert main(["compare", "gru-sst2", *runs]) == 2
    assert "needs two runs and was given 1" in capsys.readouterr().err
    assert main(["compare", "gru-sst2", str(tmp_path), *runs]) == 2
    assert "is 2 runs (gru-sst2-1a2b3c4d, lstm-sst2-1a2b3c4d)" in capsys.readouterr().err


# grux ls


@pytest.fixture
def several(tmp_path):
    for number, (score, width) in enumerate([(0.7, 128), (0.9, 32), (0.8, 64)]):
        config = make_config(arch="gru", data="sst2", model__features=width)
        created = f"2026-11-2{number}T10:00:00Z"
        write_run(tmp_path, make_record(scores=[score], config=config, run_id=f"r{number}", created=created))
    write_unfinished(tmp_path, "interrupted", message="Stopped at step 400 of 1000 and saved")
    return find_runs([tmp_path])


@pytest.mark.parametrize(
    ("key", "order"),
    [
        ("score", ["r0", "r2", "r1", "gru-sst2-interrupted"]),
        ("-score", ["r1", "r2", "r0", "gru-sst2-interrupted"]),
        ("-created", ["r2", "r1", "gru-sst2-interrupted", "r0"]),
        ("state", ["r0", "r1", "r2", "gru-sst2-interrupted"]),
    ],
)
def test_sorted_by_key_and_turned_round(several, key, order):
    assert [run.run_id for run in sort_runs(several, key)] == order


def test_config_keys_sort_as_numbers_and_have_a_column(several):
    done = [run for run in several if run.record]
    ordered = sort_runs(done, "model.features")
    assert [run.run_id for run in ordered] == ["r1", "r2", "r0"]
    text = list_runs(ordered, ["model.features"])
    assert "model.features" in text
    assert [line.split()[0] for line in text.splitlines() if line.strip().startswith("r") and "quick" in line] == [
        "r1",
        "r2",
        "r0",
    ]


def test_an_unknown_key_is_refused_with_the_nearest(several):
    with pytest.raises(UsageError, match="did you mean score"):
        sort_runs(several, "-scoer")
    assert sort_runs([], "anything") == []


def test_json_has_the_same_keys_for_every_run(several, tmp_path, capsys):
    rows = as_rows(several)
    assert len({tuple(row) for row in rows}) == 1
    assert main(["ls", "--runs", str(tmp_path), "--sort", "-score", "--json", "state=done"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(row["run_id"], row["score"], row["parameters"]) for row in found[:1]] == [("r1", 0.9, 812_345)]
    assert main(["ls", "--runs", str(tmp_path), "state=failed", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_an_interrupted_run_says_how_to_go_on(several):
    text = " ".join(list_runs(several).split())
    assert "it goes on from step 400 of 1000" in text and "`grux show RUN` says it" in text
    assert "go on" not in list_runs([run for run in several if run.record])
