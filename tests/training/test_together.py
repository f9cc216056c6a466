"""Runs trained as one program are the runs alone, on disk too, and go on as they were begun whatever happens."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
import yaml
from small_runs import SMALL, leaves, lines

import grux.run
from grux.assembly import assemble
from grux.cli import main
from grux.config.compose import expand
from grux.data.batching import epoch_plan
from grux.errors import Diverged, Interrupted
from grux.launch.jobs import LOG, prepare
from grux.launch.together import train_all
from grux.results.record import read_run
from grux.together import Program, programs
from grux.training.interrupts import StopFlag
from grux.training.state import TrainState

ONE_BUCKET = ("data.shortest=6", "data.train=40")


def jobs(runs: Path, *sweep: str) -> list:
    return [prepare(overrides) for overrides in expand([*SMALL, f"runs={runs}", *sweep], sweep={})]


def together(runs: Path, *sweep: str) -> list[Program]:
    return programs([job for job in jobs(runs, *sweep) if not job.done])


def state_after(config: dict[str, Any], values: dict[str, Sequence[float | None]] | None, steps: int) -> TrainState:
    """The state of every member of a config after some steps of its first epoch."""
    parts = assemble(config, values)
    seeds = list(range(config["seeds"])) * (len(next(iter(values.values()))) if values else 1)
    split, axis = parts.dataset.splits["train"], parts.axis
    (chunk, *_) = epoch_plan(split, batch_size=config["batch_size"], seeds=seeds, epoch=0, steps_per_chunk=steps)
    arrays = axis.place(split.buckets[0].arrays, seeded=False)
    state, _ = parts.programs.train(parts.programs.initial(seeds), split.buckets[0], arrays, chunk, 0, steps)
    return axis.real(state)


CASES = {
    "variational dropout, adamw, cosine": (
        ("arch=gru_variational", "optimizer=adamw", "schedule=cosine", "seeds=2"),
        {
            "learning_rate": (0.01, 0.05),
            "optimizer.weight_decay": (0.0, 0.3),
            "clip": (None, 0.05),
            "arch.cell.rate": (0.1, 0.55),
            "model.dropout": (0.0, 0.4),
        },
    ),
    "recurrent dropout, sgd, plateau": (
        ("arch=lstm_recurrent_dropout", "optimizer=sgd", "schedule=plateau", "schedule.window=1", "seed_strategy=vmap"),
        {
            "learning_rate": (0.1, 0.5),
            "initial_scale": (0.5, 1.0),
            "optimizer.momentum": (0.9, 0.5),
            "arch.cell.rate": (0.25, 0.7),
        },
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_members_are_the_runs_alone(case: str, tmp_path: Path):
    """Every way in which a number enters: as a factor of a schedule, in optax, as a rate, at the start."""
    settings, values = CASES[case]
    words = [[f"{key}={'null' if each[n] is None else each[n]}" for key, each in values.items()] for n in (0, 1)]
    alone = [prepare([*SMALL, *ONE_BUCKET, f"runs={tmp_path}", *settings, *own]).config for own in words]
    state = state_after(alone[1], values, 4)
    seeds = alone[0]["seeds"]
    for number, config in enumerate(alone):
        single = state_after(config, None, 4)
        mine = jax.tree.map(lambda x, n=number: x[n * seeds : (n + 1) * seeds], (state.params, state.step))
        for got, expected in zip(jax.tree.leaves(mine), jax.tree.leaves((single.params, single.step)), strict=True):
            np.testing.assert_allclose(got, expected, rtol=2e-4, atol=2e-5)
    first, second = (np.concatenate([x[n * seeds].ravel() for x in jax.tree.leaves(state.params)]) for n in (0, 1))
    assert np.abs(first - second).max() > 1e-2, "values that make no difference test nothing"


PACE = ("seeds=2", "epochs=4", "eval_every=2", "patience=2")
SWEEP = (*ONE_BUCKET, *PACE, "learning_rate=0.01,0.2", "model.dropout=0.1")
JOINED = "together=[learning_rate]"


@pytest.fixture(scope="module")
def separate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs = tmp_path_factory.mktemp("separate")
    assert main(["train", "-m", *SMALL, *SWEEP, f"runs={runs}"]) == 0
    return runs / "default"


@pytest.fixture(scope="module")
def joint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs = tmp_path_factory.mktemp("joint")
    assert main(["train", "-m", *SMALL, *SWEEP, JOINED, f"runs={runs}"]) == 0
    return runs / "default"


def folders(group: Path) -> list[Path]:
    return sorted(path for path in group.iterdir() if not path.name.startswith("together-"))


def common(group: Path) -> Path:
    (found,) = group.glob("together-*")
    return found


def record(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "result.json").read_text())


def test_each_run_is_written_as_if_alone(separate: Path, joint: Path):
    assert [path.name for path in folders(joint)] == [path.name for path in folders(separate)]
    stops = set()
    for mine, lone in zip(folders(joint), folders(separate), strict=True):
        files = {path.name for path in lone.iterdir()}
        assert {path.name for path in mine.iterdir()} == files - {"checkpoints", LOG}
        own, other = (yaml.safe_load((folder / "config.yaml").read_text()) for folder in (mine, lone))
        assert (own.pop("together"), other.pop("together")) == (["learning_rate"], [])
        assert own | {"runs": "", "run_dir": ""} == other | {"runs": "", "run_dir": ""}
        own, other = record(mine), record(lone)
        assert set(own) - set(other) == {"together"} and own["run_id"] == other["run_id"]
        for got, expected in zip(own["seeds"], other["seeds"], strict=True):
            stops.add(expected["steps"])
            scores = [[row.pop("scores"), row.pop("last_scores")] for row in (got, expected)]
            assert got == expected
            for one, lone_one in zip(*scores, strict=True):
                for split, values in lone_one.items():
                    assert one[split] == pytest.approx(values, rel=1e-3)
        assert np.shape(own["gradient_by_lag"]["norms"]) == np.shape(other["gradient_by_lag"]["norms"])
        np.testing.assert_allclose(own["gradient_by_lag"]["norms"], other["gradient_by_lag"]["norms"], rtol=1e-2)
        rows = [lines(folder) for folder in (mine, lone)]
        assert len(rows[0]) == len(rows[1])
        for got, expected in zip(*rows, strict=True):
            assert got == pytest.approx(expected, rel=1e-2) if "loss" not in expected else near(got, expected)
        state = read_run(mine)
        assert (state.state, state.problem) == ("done", None)
    assert len(stops) > 1, "choose values with which members stop at different steps"


def near(got: dict[str, Any], expected: dict[str, Any]) -> bool:
    numbers = {name for name, value in expected.items() if isinstance(value, float)}
    plain = set(expected) - numbers
    return {name: got[name] for name in plain} == {name: expected[name] for name in plain} and all(
        got[name] == pytest.approx(expected[name], rel=1e-2, abs=1e-4) for name in numbers
    )


def test_the_record_says_with_whom_and_whose_seconds(joint: Path):
    places = folders(joint)
    records = [record(folder) for folder in places]
    for one in records:
        shared = one["together"]
        assert sorted(shared["runs"]) == [folder.name for folder in places] and shared["folder"] == common(joint).name
        assert shared["values"] == {"learning_rate": [0.01, 0.2]} and "add up to the whole" in shared["rule"]
        assert shared["whole"] == records[0]["together"]["whole"]
    for name, whole in records[0]["together"]["whole"].items():
        assert sum(one["seconds"][name] for one in records) == pytest.approx(whole, abs=2e-3)
    steps = [sum(row["steps"] for row in one["seeds"]) for one in records]
    trained = [one["seconds"]["train"] for one in records]
    assert trained[0] / trained[1] == pytest.approx(steps[0] / steps[1], rel=0.05)
    assert [path.name for path in common(joint).iterdir() if path.is_dir()] == ["checkpoints"]


def test_what_is_done_is_left_alone(joint: Path):
    before = {path: path.stat().st_mtime_ns for path in joint.rglob("*")}
    assert main(["train", "-m", *SMALL, *SWEEP, JOINED, f"runs={joint.parent}"]) == 0
    assert {path: path.stat().st_mtime_ns for path in joint.rglob("*")} == before


class StopsAfter(StopFlag):
    """True from the fourth question on; the loop asks once per dispatch."""

    asked = 0

    def __bool__(self) -> bool:
        StopsAfter.asked += 1
        return StopsAfter.asked >= 4


def test_interrupted_and_resumed_bit_for_bit(joint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """With one value more the second time, of a run that was not begun: it is trained beside the others."""
    command = ["train", "-m", *SMALL, *SWEEP, JOINED, f"runs={tmp_path}"]
    monkeypatch.setattr(StopsAfter, "asked", 0)
    monkeypatch.setattr(grux.run, "StopFlag", StopsAfter)
    assert main(command) == Interrupted.exit_code
    monkeypatch.undo()
    group = tmp_path / "default"
    statuses = [json.loads((folder / "status.json").read_text()) for folder in folders(group)]
    assert {(status["state"], status["together"]) for status in statuses} == {("interrupted", common(group).name)}
    assert not any((folder / "result.json").exists() for folder in folders(group))
    assert main(command) == 0
    expected, got = leaves(common(joint)), leaves(common(group))
    assert len(expected) > 20 and set(got) == set(expected)
    for name, value in expected.items():
        assert np.asarray(got[name]).tobytes() == np.asarray(value).tobytes(), name
    for mine, straight in zip(folders(group), folders(joint), strict=True):
        assert lines(mine) == lines(straight) and record(mine)["seeds"] == record(straight)["seeds"]


def test_killed_while_the_results_are_written(joint: Path, tmp_path: Path):
    shutil.copytree(joint, tmp_path / "default")
    kept, lost = folders(tmp_path / "default")
    (lost / "result.json").unlink()
    status = json.loads((lost / "status.json").read_text())
    (lost / "status.json").write_text(json.dumps({**status, "state": "running"}))
    before = {path: path.stat().st_mtime_ns for path in kept.rglob("*")}
    assert main(["train", "-m", *SMALL, *SWEEP, JOINED, f"runs={tmp_path}"]) == 0
    assert {path: path.stat().st_mtime_ns for path in kept.rglob("*")} == before
    other = joint / lost.name
    assert record(lost)["seeds"] == record(other)["seeds"] and lines(lost) == lines(other)


def test_one_that_diverges_costs_the_others_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    sweep = ("learning_rate=0.01,3e38", "optimizer=sgd", "clip=null", "steps=4", "eval_every=2", *ONE_BUCKET)
    for _ in range(2):
        assert main(["train", "-m", *SMALL, *sweep, JOINED, f"runs={tmp_path}"]) == Diverged.exit_code
        error = capsys.readouterr().err
        assert "lower learning_rate" in error and "Traceback" not in error
        states = {read_run(folder).state: folder for folder in folders(tmp_path / "default")}
        assert set(states) == {"done", "failed"}
        assert not (states["failed"] / "result.json").exists()
        assert json.loads((states["failed"] / "status.json").read_text())["kind"] == "Diverged"


@pytest.mark.parametrize("word", ["seconds=5", "match=step_time"])
def test_a_time_of_a_run_alone_is_refused(word: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    budget = ["budget=3"] if "match" in word else []
    words = [w for w in SMALL if not (budget and w.startswith("model.features"))]
    assert main(["train", "-m", *words, *budget, word, "learning_rate=0.1,0.2", JOINED, f"runs={tmp_path}"]) == 2
    assert "runs that are one program share theirs; leave out together=[learning_rate]" in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.yaml"))


def test_another_launcher_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    words = [*SMALL, "learning_rate=0.1,0.2", JOINED, f"runs={tmp_path}", "hydra/launcher=grux_slurm"]
    assert main(["train", "-m", *words]) == 2
    assert "leave out hydra/launcher" in capsys.readouterr().err


def test_what_was_begun_together_names_no_way_that_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    words = [*SMALL, f"runs={tmp_path}", "hydra/launcher=grux_slurm"]
    (program,) = together(tmp_path, "learning_rate=0.1,0.2", JOINED)
    begin(program)
    assert main(["train", "-m", *words, "learning_rate=0.1,0.2"]) == 2
    error = capsys.readouterr().err
    assert "leave out hydra/launcher: they were begun so." in error and "together=[]" not in error


def test_one_that_somebody_else_has_finished_costs_the_others_nothing(joint: Path, tmp_path: Path, monkeypatch):
    """It was free when the sweep was read."""
    monkeypatch.setattr("grux.launch.together.train_together", trained := Trained())
    own = jobs(tmp_path, "learning_rate=0.1,0.2,0.3", JOINED)
    planned = programs(own)
    done = next(joint.rglob("result.json"))
    record = json.loads(done.read_text())
    own[1].folder.mkdir(parents=True)
    (own[1].folder / "result.json").write_text(json.dumps(record | {"run_id": own[1].run_id}))
    train_all(planned, own)
    assert [plan.folder for plan in trained.program.waiting] == [own[0].folder, own[2].folder]


class Trained:
    """Stands for the training of a program; keeps the last one."""

    program: Program

    def __call__(self, program: Program, *, title: str) -> list:
        self.program = program
        return []


# Which runs are one program, without training any


def begin(program: Program, *, checkpoint: bool = True) -> None:
    """Leave on disk what a program leaves that is killed after its first checkpoint."""
    for plan in program.waiting:
        plan.folder.mkdir(parents=True)
        name = {"together": program.folder.name} if program.values else {}
        (plan.folder / "status.json").write_text(json.dumps({"state": "running", **name}))
    if program.values:
        program.write_manifest()
    if checkpoint:
        (program.folder / "checkpoints" / "3").mkdir(parents=True)


def rates(program: Program) -> list[float | None]:
    return [plan and plan.config["learning_rate"] for plan in program.plans]


def test_runs_that_differ_in_nothing_else_are_one_program(tmp_path: Path):
    found = together(tmp_path, "arch=gru,lstm", "learning_rate=0.1,0.2", "clip=1.0,null", "seeds=2,3", JOINED)
    assert len(found) == 8 and all(rates(program) == [0.1, 0.2] for program in found)
    assert all(program.values == {"learning_rate": (0.1, 0.2)} for program in found)
    found = together(
        tmp_path, "arch=gru,lstm", "learning_rate=0.1,0.2", "clip=1.0,null", "together=[learning_rate,clip]"
    )
    assert [len(program.plans) for program in found] == [4, 4]
    assert found[0].values == {"learning_rate": (0.1, 0.1, 0.2, 0.2), "clip": (1.0, None, 1.0, None)}
    assert len({program.folder for program in found}) == 2
    alone = together(tmp_path, "arch=gru,lstm", JOINED)
    assert [program.values for program in alone] == [{}, {}]


def test_what_was_begun_together_goes_on_together(tmp_path: Path):
    (first,) = together(tmp_path, "learning_rate=0.1,0.2,0.3", JOINED)
    begin(first)
    one, new = together(tmp_path, "learning_rate=0.4,0.3,0.1,0.5", JOINED)[::-1]
    assert rates(one) == [0.1, 0.2, 0.3] and one.folder == first.folder and one.values == first.values
    assert [plan.run_id for plan in one.waiting] == [plan.run_id for plan in first.waiting]  # 0.2 was not asked for
    assert rates(new) == [0.4, 0.5] and new.folder != first.folder
    (again,) = together(tmp_path, "learning_rate=0.2")  # also where the command line does not say together
    assert rates(again) == [0.1, 0.2, 0.3]


def test_finished_runs_stand_still(joint: Path, tmp_path: Path):
    (first,) = together(tmp_path, "learning_rate=0.1,0.2,0.3", JOINED)
    begin(first)
    done = first.waiting[0]
    written = {**record(folders(joint)[0]), "run_id": done.run_id}
    (done.folder / "result.json").write_text(json.dumps(written))
    (rest,) = together(tmp_path, "learning_rate=0.1,0.2,0.3", JOINED)
    assert rates(rest) == [None, 0.2, 0.3] and len(rest.names) == 3 and rest.folder == first.folder


def test_what_was_begun_alone_goes_on_alone(tmp_path: Path):
    (lone,) = together(tmp_path, "learning_rate=0.1")
    begin(lone)
    one, rest = together(tmp_path, "learning_rate=0.1,0.2,0.3", JOINED)
    assert rates(one) == [0.1] and not one.values and rates(rest) == [0.2, 0.3]


def test_without_a_checkpoint_nothing_was_begun(tmp_path: Path):
    (first,) = together(tmp_path, "learning_rate=0.1,0.2", JOINED)
    begin(first, checkpoint=False)
    (again,) = together(tmp_path, "learning_rate=0.1,0.2,0.3", JOINED)
    assert rates(again) == [0.1, 0.2, 0.3]


def test_checkpoints_of_runs_that_are_gone_are_not_taken(tmp_path: Path):
    (first,) = together(tmp_path, "learning_rate=0.1,0.2", JOINED)
    begin(first)
    for plan in first.waiting:
        shutil.rmtree(plan.folder)
    (again,) = together(tmp_path, "learning_rate=0.1,0.2", JOINED)
    assert again.names == first.names and again.folder.name == f"{first.folder.name}-2"


@pytest.mark.parametrize("text", ["", "7", '{"names": 3}', '{"names": ["x"], "values": {}}'])
def test_a_damaged_manifest_is_no_beginning(tmp_path: Path, text: str):
    (first,) = together(tmp_path, "learning_rate=0.1,0.2", JOINED)
    begin(first)
    (first.folder / "members.json").write_text(text)
    (again,) = together(tmp_path, "learning_rate=0.1,0.2", JOINED)
    assert again.folder != first.folder and rates(again) == [0.1, 0.2]
