"""Whole runs: everything that the record promises, and what a run refuses."""

import hashlib
import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from small_runs import SMALL, leaves, lines, train

from grux import folder as folder_module
from grux.cli import main
from grux.config import run_id
from grux.errors import CheckpointError, Diverged, Interrupted, StorageError, UsageError
from grux.folder import RunFolder
from grux.launch.jobs import prepare
from grux.results.record import read_run

SHORT = ("seeds=2", "first_seed=4", "epochs=2")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    folder = tmp_path_factory.mktemp("finished") / "run"
    return folder, train(*SHORT, "tensorboard=true", folder=folder)


def test_the_record_is_whole(finished):
    folder, record = finished
    assert json.loads((folder / "result.json").read_text()) == record
    assert read_run(folder).state == "done"
    assert record["format"] == 1 and record["task"] == "classification" and record["experiment"] == "default"
    assert record["choices"]["arch"] == "gru" and record["choices"]["data"] == "first_token"
    assert (record["metric"]["primary"], record["metric"]["higher_is_better"]) == ("accuracy", True)
    selection = record["selection"]
    assert selection["split"] == "validation" and selection["mode"] == "max"
    assert selection["rule"] == f"best validation {selection['metric']} of each seed"
    assert [(row["seed"], row["status"]) for row in record["seeds"]] == [(4, "done"), (5, "done")]
    for row in record["seeds"]:
        assert row["steps"] == json.loads((folder / "status.json").read_text())["steps"]
        assert 0 < row["best_step"] <= row["steps"]
        assert set(row["scores"]) == {"validation", "test"}
        assert all(set(scores) == {"accuracy", "macro_f1", "ece", "loss"} for scores in row["scores"].values())
    assert record["baselines"] == {} and record["signatures"] == {}
    assert [len(norms) for norms in record["gradient_by_lag"]["norms"]] == [len(record["gradient_by_lag"]["lags"])] * 2
    lengths = record["score_by_length"]
    assert sum(part["examples"] for part in lengths["bins"]) == 24
    assert [set(row) for row in lengths["scores"]] == [{"accuracy", "macro_f1", "ece", "loss"}] * 2
    # 8 tokens x 6, then 3 gates of (6 + 8) x 8 weights and biases (one of its own for U_n), head 8 x 4 + 4
    recurrent = 3 * 8 * (6 + 8) + 3 * 8 + 8
    assert record["parameters"]["recurrent"] == recurrent and "tied" in record["parameters"]["rule"]
    assert record["parameters"]["total"] == 8 * 6 + recurrent + 8 * 4 + 4
    assert record["flops"]["forward_per_example"] > 2 * 3 * 8 * 14 * 3 and "multiply-add" in record["flops"]["rule"]
    assert record["flops"]["training_per_example"] == pytest.approx(3 * record["flops"]["forward_per_example"])
    assert record["parameters"]["by_rule"]["chung"] == recurrent - 8
    assert (record["recurrence"]["state"], record["recurrence"]["step_flops"]) == (8, 2 * 3 * 8 * (6 + 8))
    seconds = record["seconds"]
    assert all(seconds[name] > 0 for name in ("compile", "train", "evaluate"))
    assert seconds["total"] == pytest.approx(sum(v for name, v in seconds.items() if name != "total"), abs=0.01)
    assert record["examples_per_second"] > 0
    assert record["versions"]["jax"] and record["versions"]["python"] and "grux" in record["versions"]
    assert record["commit"] is None or len(record["commit"]) == 40
    assert record["data"] == {} and record["artifacts"] == {} and record["data_notes"] == []
    device = record["device"]
    assert device["kernels"]
    assert device["platform"] == "cpu" and device["count"] >= 1 and device["cores"] >= 1 and device["kind"]
    assert record["seed_strategy"] == "shard" and record["created"].endswith("Z")


def test_the_config_gives_the_same_run_again(finished):
    folder, record = finished
    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert config == record["config"] and run_id(config, record["choices"]) == record["run_id"]


def test_every_evaluation_of_every_seed_has_a_line(finished):
    folder, record = finished
    rows = lines(folder)
    for seed in (4, 5):
        mine = [row for row in rows if row["seed"] == seed]
        assert {row["split"] for row in mine} == {"train", "validation"}
        validation = [row for row in mine if row["split"] == "validation"]
        assert [row["epoch"] for row in validation] == [1.0, 2.0]
        (best,) = [row for row in record["seeds"] if row["seed"] == seed]
        metric = record["selection"]["metric"]
        assert max(row[metric] for row in validation) == pytest.approx(best["scores"]["validation"][metric])
        assert {"loss", "grad_norm"} <= set(next(row for row in mine if row["split"] == "train"))
    places = [(row["step"], row["seed"], row["split"]) for row in rows]
    assert len(places) == len(set(places))
    seconds = [json.loads(line)["seconds"] for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert seconds == sorted(seconds) and seconds[-1] <= record["seconds"]["train"] + 0.01


def test_tensorboard_has_events_and_nothing_is_left_open(finished):
    folder, _ = finished
    assert list((folder / "events").rglob("events.out.tfevents*"))
    assert not (folder / "lock").exists() and not list(folder.glob("**/*.tmp"))


def test_each_seed_is_the_run_of_that_seed_alone(tmp_path: Path):
    """Also when one stops early and the others go on: best step, steps and scores."""
    options = ("learning_rate=0.05", "epochs=6", "eval_every=3", "patience=2")
    together = train(*options, "seeds=3", folder=tmp_path / "together")["seeds"]
    assert len({row["steps"] for row in together}) > 1, "choose options with which the seeds stop at different steps"
    for row in together:
        (alone,) = train(*options, f"first_seed={row['seed']}", folder=tmp_path / f"{row['seed']}")["seeds"]
        assert (alone["steps"], alone["best_step"]) == (row["steps"], row["best_step"])
        for split, scores in alone["scores"].items():
            assert row["scores"][split] == pytest.approx(scores, rel=1e-3)
    rows = lines(tmp_path / "together")
    for row in together:  # a seed that has stopped writes no more lines
        assert max(line["step"] for line in rows if line["seed"] == row["seed"]) == row["steps"]


def test_translation_has_scores_signatures_and_artifacts(tmp_path: Path):
    pytest.importorskip("jupyterlab_language_pack_fr_FR")
    small = ("data=jupyterlab_fr", "data.tokens=characters", "data.vocabulary_size=null", "data.buckets=1")
    sizes = ("data.max_length=16", "model.embedding=4", "model.features=4", "batch_size=64", "steps=2", "eval_every=2")
    plain = ("tensorboard=false", "progress=none")
    from grux.launch.jobs import prepare
    from grux.run import run

    job = prepare([*small, *sizes, *plain, f"run_dir={tmp_path / 'run'}"])
    record = run(job.config, choices=job.choices, folder=job.folder, run_id=job.run_id)
    test = record["seeds"][0]["scores"]["test"]
    assert 0 <= test["bleu"] <= 100 and 0 <= test["chrf"] <= 100
    assert set(record["signatures"]) >= {"bleu", "chrf"} and "version:" in record["signatures"]["bleu"]
    assert record["artifacts"] and record["data"]
    for name, sha256 in record["artifacts"].items():
        content = (tmp_path / "run" / "artifacts" / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == sha256
    assert len((tmp_path / "run" / "test_output.txt").read_text().splitlines()) > 100


def test_forecasting_has_baselines(tmp_path: Path):
    pytest.importorskip("vega_datasets")
    from grux.launch.jobs import prepare
    from grux.run import run

    options = ("data=seattle_weather", "model.features=4", "batch_size=64", "steps=2", "eval_every=2")
    job = prepare([*options, "tensorboard=false", "progress=none", f"run_dir={tmp_path / 'run'}"])
    record = run(job.config, choices=job.choices, folder=job.folder, run_id=job.run_id)
    assert set(record["baselines"]) == {"last_value", "seasonal_naive", "linear"}
    assert all(set(scores["test"]) == {"mse", "mae", "mase", "rse", "corr"} for scores in record["baselines"].values())
    assert record["metric"]["primary"] == "mse" and record["selection"]["mode"] == "min"


def test_the_line_of_progress_has_the_unit_of_the_table(tmp_path: Path, capsys):
    record = train("steps=2", "progress=plain", folder=tmp_path / "run")
    best = record["seeds"][0]["scores"]["validation"]["accuracy"]
    *_, last = [line for line in capsys.readouterr().out.splitlines() if "step 2/2" in line]
    assert re.search(rf"validation accuracy \d+\.\d % \(best {100 * best:.1f} %\)$", last), last


# What goes wrong


def test_a_run_that_diverges_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    # At the end of float32, so that it overflows whatever the order of the sums in this version of XLA.
    options = [*SMALL, "learning_rate=3e38", "clip=null", "optimizer=sgd", "epochs=2", f"run_dir={tmp_path / 'run'}"]
    for _ in range(2):  # the same again: its checkpoint knows
        assert main(["train", *options]) == Diverged.exit_code
        error = capsys.readouterr().err
        assert "lower learning_rate or set clip=1.0" in error and "Traceback" not in error
        status = json.loads((tmp_path / "run" / "status.json").read_text())
        assert (status["state"], status["kind"]) == ("failed", "Diverged") and "learning_rate" in status["message"]
        assert not (tmp_path / "run" / "result.json").exists()
    for value in leaves(tmp_path / "run").values():  # what a checkpoint holds of parameters is finite
        assert not np.isnan(np.asarray(value, np.float64)).any()


def test_a_finished_run_is_left_alone(finished, capsys, tmp_path: Path, monkeypatch):
    folder, _ = finished
    command = ["train", *SMALL, *SHORT, "tensorboard=true", f"run_dir={folder}"]
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert main(command) == 0
    out = capsys.readouterr().out
    assert "done already" in out and "edited since" not in out
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    with monkeypatch.context() as patch:  # as if the file of the cell had been edited
        read = Path.read_bytes
        patch.setattr(Path, "read_bytes", lambda self: read(self) + b"#" * (self.name == "gru.py"))
        assert main(command) == 0
    assert "; edited since: grux.cells.gru (force=true runs it again)" in capsys.readouterr().out
    assert main([*command, "force=true"]) == 0
    beside = folder.with_name("run-2")
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    first, second = (json.loads((place / "result.json").read_text()) for place in (folder, beside))
    assert first["seeds"] == second["seeds"] and lines(folder) == lines(beside)


def test_an_interrupted_run_goes_on_also_where_it_was_forced(tmp_path: Path):
    words = [*SMALL, f"run_dir={tmp_path / 'run'}", "force=true"]
    folder, beside = tmp_path / "run", tmp_path / "run-2"
    for place in (folder, beside):
        place.mkdir()
        (place / "status.json").write_text(json.dumps({"run_id": prepare(words).run_id, "state": "interrupted"}))
    assert prepare(words).folder == folder
    train(*SHORT, folder=tmp_path / "done")
    done = json.loads((tmp_path / "done" / "result.json").read_text()) | {"run_id": prepare(words).run_id}
    (folder / "result.json").write_text(json.dumps(done))
    assert prepare(words).folder == beside


def test_a_folder_of_another_run_is_refused(finished):
    folder, _ = finished
    with pytest.raises(UsageError, match="holds the run gru-first_token-"):
        train(*SHORT, "learning_rate=0.5", folder=folder)


def test_checkpoints_of_another_run_are_refused(finished, tmp_path: Path):
    import shutil

    shutil.copytree(finished[0] / "checkpoints", tmp_path / "run" / "checkpoints")
    with pytest.raises(CheckpointError, match="was written by run"):
        train(*SHORT, "learning_rate=0.5", folder=tmp_path / "run")
    assert json.loads((tmp_path / "run" / "status.json").read_text())["kind"] == "CheckpointError"


def test_a_config_that_is_refused_leaves_nothing(tmp_path: Path):
    with pytest.raises(UsageError):
        train("data.shortest=9", "data.longest=4", folder=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_more_seeds_than_devices_can_be_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import jax

    (device, *_) = jax.local_devices()
    monkeypatch.setattr(jax, "local_devices", lambda: [device])
    with pytest.raises(UsageError, match="choose seed_strategy=map"):
        train(*SHORT, "seed_strategy=shard", folder=tmp_path / "run")


# The folder


def held(path: Path) -> RunFolder:
    return RunFolder(path, run_id="run-1", choices={"arch": "gru"})


def status(path: Path) -> dict:
    return json.loads((path / "status.json").read_text())


def test_two_processes_do_not_share_a_folder(tmp_path: Path):
    program = "import sys, time\nfrom pathlib import Path\nfrom grux.folder import RunFolder\n"
    program += (
        "with RunFolder(Path(sys.argv[1]), run_id='run-1', choices={}):\n    print('in', flush=True)\n    input()\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])}
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "in\n"
    with pytest.raises(UsageError, match=f"is being written by process {process.pid} on ") as caught, held(tmp_path):
        pass
    assert "wait for it, or remove" in str(caught.value)
    assert status(tmp_path)["pid"] == process.pid and status(tmp_path)["state"] == "running"
    process.kill()
    process.communicate()
    with held(tmp_path):  # the dead leave their lock behind
        assert json.loads((tmp_path / "lock").read_text())["pid"] == os.getpid()
    assert status(tmp_path)["state"] == "done" and not (tmp_path / "lock").exists()


def test_a_lock_of_another_machine_is_respected(tmp_path: Path):
    (tmp_path / "lock").write_text('{"pid": 1, "host": "elsewhere"}')
    with pytest.raises(UsageError, match="process 1 on elsewhere"), held(tmp_path):
        pass
    assert (tmp_path / "lock").exists()


def test_a_lock_of_the_same_scheduled_job_is_taken_by_a_later_start_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Two processes of one allocation have the same job too."""
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    (tmp_path / "lock").write_text('{"pid": 1, "host": "elsewhere", "job": "7", "start": 0}')
    with pytest.raises(UsageError, match="process 1 on elsewhere"), held(tmp_path):
        pass
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    with held(tmp_path):
        assert json.loads((tmp_path / "lock").read_text())["start"] == 1


def test_a_lock_is_never_seen_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Whoever finds an empty lock takes it for the leftover of a dead process: it must not be a living one's."""
    seen, appear = [], os.link

    def watched(source, target, **options):
        seen.append(json.loads(Path(source).read_text())["pid"])
        return appear(source, target, **options)

    monkeypatch.setattr(folder_module.os, "link", watched)
    with held(tmp_path):
        assert sorted(path.name for path in tmp_path.iterdir()) == ["lock", "status.json"]
    assert seen == [os.getpid()]


@pytest.mark.parametrize("torn", ["", "{", "7", '{"pid": "x"}'])
def test_a_torn_lock_is_taken_over(tmp_path: Path, torn: str):
    (tmp_path / "lock").write_text(torn)
    with held(tmp_path):
        assert json.loads((tmp_path / "lock").read_text())["pid"] == os.getpid()


@pytest.mark.parametrize(
    ("error", "state", "kind"),
    [
        (Interrupted("saved"), "interrupted", "Interrupted"),
        (KeyboardInterrupt(), "interrupted", "KeyboardInterrupt"),
        (Diverged("NaN"), "failed", "Diverged"),
        (RuntimeError("first line\nsecond"), "failed", "RuntimeError"),
        (ZeroDivisionError(), "failed", "ZeroDivisionError"),
    ],
)
def test_the_status_says_how_it_ended(tmp_path: Path, error: BaseException, state: str, kind: str):
    with pytest.raises(type(error)), held(tmp_path) as place:
        assert status(tmp_path)["state"] == "running"
        place.reached(3, 9)
        assert (status(tmp_path)["step"], status(tmp_path)["steps"]) == (3, 9)
        raise error
    end = status(tmp_path)
    assert (end["state"], end["kind"], end["step"], end["run_id"]) == (state, kind, 3, "run-1")
    assert "second" not in end["message"] and not (tmp_path / "lock").exists()


def test_a_folder_that_cannot_be_made(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="choose another with runs=FOLDER"), held(tmp_path / "file" / "run"):
        pass


def test_artifacts_stay_in_their_folder(tmp_path: Path):
    with held(tmp_path) as place:
        place.write_artifacts({"../../outside.txt": b"x", "words.txt": b"y"})
    assert sorted(path.name for path in (tmp_path / "artifacts").iterdir()) == ["outside.txt", "words.txt"]


def test_scores_are_numbers(finished):
    for row in finished[1]["seeds"]:
        assert all(math.isfinite(value) for scores in row["scores"].values() for value in scores.values())
