"""Runs of one size: what a matched run writes down, and that its width stands once it has begun."""

from pathlib import Path

import pytest
import yaml
from small_runs import SMALL as WITH_WIDTH
from small_runs import leaves, lines, same_bits

import grux.run
from grux.cli import main
from grux.config import run_id
from grux.errors import Interrupted
from grux.launch.jobs import prepare
from grux.matching import FILE, kept
from grux.results.record import read_run
from grux.training.interrupts import StopFlag

SMALL = [word for word in WITH_WIDTH if not word.startswith("model.features")]
MATCHED = ("match=parameters", "budget=2000", "steps=12", "eval_every=4", "steps_per_dispatch=3")


def train(*overrides: str, folder: Path) -> dict:
    """One whole run in `folder`, in this process: the record."""
    job = prepare([*SMALL, f"run_dir={folder}", *overrides])
    return grux.run.run(job.config, choices=job.choices, folder=job.folder, run_id=job.run_id)


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(arguments)
    return code, *capsys.readouterr()


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    folder = tmp_path_factory.mktemp("matched") / "run"
    return folder, train("arch=lstm", *MATCHED, folder=folder)


def test_the_record_says_target_reached_rule_and_width(straight):
    folder, record = straight
    matching = record["matching"]
    assert (matching["by"], matching["rule"], matching["target"]) == ("parameters", "all", 2000)
    assert matching["reached"] == record["parameters"]["total"] and abs(matching["reached"] / 2000 - 1) < 0.05
    assert matching["features"] == record["config"]["model"]["features"] != 128
    assert record["recurrence"]["layers"][0]["features"] == matching["features"]
    assert "every trained number once" in matching["meaning"] and read_run(folder).state == "done"


def test_the_id_is_that_of_what_was_asked_for(straight):
    """Known before the width, and the same when asked of the config that came out."""
    folder, record = straight
    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert config == record["config"] and run_id(config, record["choices"]) == record["run_id"]
    job = prepare([*SMALL, "arch=lstm", *MATCHED, f"run_dir={folder}"])
    assert job.run_id == record["run_id"] and job.done and job.config["model"]["features"] == 128
    assert prepare([*SMALL, "arch=lstm", *MATCHED, "budget=2001"]).run_id != record["run_id"]
    assert prepare([*SMALL, "arch=lstm", *MATCHED, "match_rule=chung"]).run_id != record["run_id"]


class StopsSoon(StopFlag):
    def __bool__(self) -> bool:
        return True


def test_a_run_that_goes_on_keeps_the_width_that_it_began_with(straight, tmp_path, monkeypatch: pytest.MonkeyPatch):
    """It is not solved a second time: a time measured again would give another one, and foreign checkpoints."""
    folder = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(grux.run, "StopFlag", StopsSoon)
        with pytest.raises(Interrupted):
            train("arch=lstm", *MATCHED, folder=folder)

    def again(*_, **__):
        raise AssertionError("the width was solved again")

    monkeypatch.setattr("grux.matching.width.match_width", again)
    record = train("arch=lstm", *MATCHED, folder=folder)
    assert record["matching"] == straight[1]["matching"] and record["seeds"] == straight[1]["seeds"]
    assert lines(folder) == lines(straight[0]) and same_bits(leaves(folder), leaves(straight[0]))


@pytest.mark.parametrize("content", ["", "{", "[]", '{"by": 3}', '{"features": 7}'])
def test_what_is_damaged_is_solved_again(content: str, tmp_path: Path):
    config = prepare([*SMALL, *MATCHED]).config
    (tmp_path / FILE).write_text(content)
    assert kept(tmp_path, config) is None


def test_what_was_kept_for_another_budget_is_not_used(straight):
    for word in ("budget=2001", "match=state", "match_rule=chung", "match_tolerance=0.5"):
        assert kept(straight[0], prepare([*SMALL, *MATCHED, word]).config) is None
    assert kept(straight[0], prepare([*SMALL, *MATCHED]).config) is not None
    assert kept(straight[0], prepare([*SMALL, *MATCHED, "match_rule=all"]).config) is not None


def test_a_run_without_matching_says_so(tmp_path: Path):
    record = train("steps=2", folder=tmp_path / "run")
    assert record["matching"] is None and not (tmp_path / "run" / FILE).exists()
    assert record["budget"]["by"] == "steps" and record["budget"]["limit"] == record["budget"]["used"] == 2


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["budget=100"], "budget=100 is for match; add match=NAME, one of parameters, state, flops, step_time"),
        (["match_rule=chung"], "match_rule=chung is for match"),
        (["match=parameters"], "match=parameters needs to know how much; add a number, like budget=100000."),
        (["match=params", "budget=1"], "match='params' must be one of parameters"),
        (["match=flops", "budget=1", "match_rule=chung"], "is no rule for match=flops; choose one of training,"),
        (
            ["match=step_time", "budget=9", "mesh.data=2", "mesh.hosts=2"],
            "match=step_time is measured in one process, and mesh.hosts=2 are asked for",
        ),
        (["match=state", "budget=9", "match_rule=all"], "is no rule for match=state; leave match_rule out"),
        (["match=state", "budget=-3"], "budget=-3 must be a number > 0"),
        (["match=state", "budget=3", "model.features=4"], "model.features=4 is what match=state solves"),
        (["steps=3", "flops=1e9"], "steps=3 and flops=1000000000.0 both say when training ends"),
        (["flops=1e9", "seconds=3"], "both say when training ends; give one of steps, flops, seconds"),
        (["epochs=3", "seconds=3"], "epochs=3 and seconds=3 both say when training ends"),
    ],
)
def test_wrong_words_are_one_sentence(capsys, tmp_path, monkeypatch, words: list[str], sentence: str):
    monkeypatch.chdir(tmp_path)
    for command in ("train", "count"):
        code, out, err = answer(capsys, command, *words)
        assert code == 2 and sentence in err and not out
        assert err.startswith("grux: ") and err.count("\n") == 1 and not list(Path().iterdir())


def test_a_budget_out_of_reach_leaves_nothing_behind(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, err = answer(capsys, "train", *SMALL, "match=parameters", "budget=20")
    assert code == 2 and "the narrowest possible model has" in err and err.count("\n") == 1
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_table_of_widths_before_anything_is_trained(capsys):
    words = [word for word in SMALL if not word.startswith(("tensorboard", "progress"))]
    code, out, _ = answer(capsys, "count", *words, "arch=gru,lstm", "match=parameters", "budget=5000", "rule=all")
    assert code == 0 and "Matched: parameters by rule all (every trained number once" in out
    gru, lstm = (next(line.split() for line in out.splitlines() if line.strip().startswith(a)) for a in ("gru", "lstm"))
    assert gru[3] > lstm[3] and gru[4] == lstm[4] == "5,000"
    code, _, err = answer(capsys, "count", *words, "arch=gru,lstm", "match=parameters", "budget=20")
    assert code == 2 and "gru on first_token" in err
