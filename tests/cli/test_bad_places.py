"""Bad folders, disks, checkpoints and records, a platform that is not there, Ctrl-C; and what a good run looks like."""

import errno
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from test_bad_inputs import TINY, files, refused
from test_cli import answer, finish

from grux.commands.jobs import prepare

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder but for one finished run of somebody else."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GRUX_DEBUG", raising=False)
    config = {"group": "other", "arch": {}, "data": {}, "model": {"features": 8}, "seeds": 1}
    finish(Path("runs/other/gru-sst2-00000000"), "gru-sst2-00000000", config, {"arch": "gru", "data": "sst2"})
    return tmp_path


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "grux.cli", *arguments]


def environment(**changes: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), **changes}


@pytest.fixture(scope="module")
def lstm(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A normal run in a process of its own: its folder and what it printed."""
    place = tmp_path_factory.mktemp("normal")
    arguments = command("train", "arch=lstm", "seeds=2", *TINY)
    done = subprocess.run(arguments, cwd=place, env=environment(), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return place / next(place.glob("runs/default/*")).relative_to(place), done


def test_a_normal_run_says_what_came_out_and_nothing_else(lstm):
    folder, done = lstm
    assert done.stderr == ""
    first, *_, last = done.stdout.splitlines()
    assert first == "lstm on first_token: 4 steps to go"
    assert last.startswith("lstm on first_token: test accuracy ") and " ± " in last and " % over 2 seeds in " in last
    assert last.endswith(f"; runs/default/{folder.name}")


# Folders and disks


@pytest.mark.parametrize("words", ["runs=file", "run_dir=file", "run_dir=file/x"])
def test_a_file_in_the_way_is_named(capsys, words: str):
    Path("file").write_text("precious")
    refused(capsys, 6, "file is a file", "train", words)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc")
@pytest.mark.parametrize("words", ["runs=/proc/x", "run_dir=/proc/x"])
def test_a_folder_that_cannot_be_written_is_named(capsys, words: str):
    refused(capsys, 6, "'/proc' could not be used", "train", words)


def full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_at_the_start(capsys, monkeypatch):
    monkeypatch.setattr(os, "fsync", full)
    refused(capsys, 6, "the disk is full; free some space", "train")


def test_a_full_disk_in_the_middle_of_a_run(capsys, monkeypatch):
    """Where the log of metrics is opened: anywhere below the run, the answer is the same."""
    import grux.run

    monkeypatch.setattr(grux.run, "MetricsLog", full)
    neighbour = files(Path("runs/other"))
    code, _, err = answer(capsys, "train", *TINY)
    assert code == 6 and "the disk is full" in err and err.count("\n") == 1, err
    (status,) = Path("runs/default").glob("*/status.json")
    assert json.loads(status.read_text())["kind"] == "StorageError" and files(Path("runs/other")) == neighbour


def test_a_run_folder_of_another_config(capsys, lstm):
    shutil.copytree(lstm[0], "there")
    refused(capsys, 2, [lstm[0].name, "choose another run_dir"], "train", "run_dir=there", "arch=lstm", "seeds=3")
    Path("thesis").mkdir()
    Path("thesis/thesis.txt").write_text("precious")
    refused(capsys, 2, "holds other files and no run", "train", "run_dir=thesis")


def test_a_checkpoint_of_another_architecture(capsys, lstm):
    job = prepare(["arch=gru", "seeds=2", *TINY])
    shutil.copytree(lstm[0] / "checkpoints", job.folder / "checkpoints")
    before = files(job.folder)
    code, _, err = answer(capsys, "train", "arch=gru", "seeds=2", *TINY)
    assert code == 7 and "belongs to another architecture" in err and err.count("\n") == 1, err
    after = files(job.folder)
    assert {name: after[name] for name in before} == before  # nothing is taken away or put aside


def test_the_folder_of_a_running_run(capsys):
    job = prepare(list(TINY))
    job.folder.mkdir(parents=True)
    (job.folder / "lock").write_text(json.dumps({"pid": os.getppid(), "host": socket.gethostname()}))
    refused(capsys, 2, f"is being written by process {os.getppid()}", "train", *TINY)


def test_ctrl_c_saves_and_says_how_to_go_on(place: Path):
    arguments = command("train", "steps=200000", "eval_every=20", *TINY[2:])
    process = subprocess.Popen(
        arguments, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=place
    )
    deadline = time.monotonic() + 200
    while not list(place.glob("runs/default/*/checkpoints/*/commit_success.txt")):
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 75, err
    lines = [line for line in err.splitlines() if "CPU kernels are compiled" not in line]  # said once per machine
    assert len(lines) == 1 and lines[0].startswith("grux: Stopped at step ") and "start the same command again" in err
    (folder,) = place.glob("runs/default/*")
    status = json.loads((folder / "status.json").read_text())
    step = int(err.split("step ")[1].split()[0])
    assert status["state"] == "interrupted" and status["step"] == step and (folder / "checkpoints" / str(step)).is_dir()
    assert not (folder / "lock").exists()


@pytest.mark.parametrize("platform", ["cuda", "nonsense"])
def test_a_platform_that_is_not_there_is_never_replaced(place: Path, platform: str):
    import jax

    if any(device.platform == "gpu" for device in jax.devices()):
        pytest.skip("there is such a device")
    arguments = command("train", *TINY)
    done = subprocess.run(
        arguments, env=environment(JAX_PLATFORMS=platform), capture_output=True, text=True, cwd=place, timeout=200
    )
    assert done.returncode == 2, done.stderr
    assert f"grux: JAX cannot start on JAX_PLATFORMS={platform}" in done.stderr and "Traceback" not in done.stderr
    assert not (place / "runs" / "default").exists()


# Records


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("table --runs nope", "there is no folder 'nope'"),
        ("ls --runs nope", "there is no folder 'nope'"),
        ("plot --runs nope", "there is no folder 'nope'"),
        ("show", "grux show needs a run"),
        ("show nope", "there is no run 'nope'"),
        ("table --runs empty", "there are no runs to show"),
        ("plot --runs empty", "no run has validation values"),
        ("show empty", "there is no run at empty"),
        ("table experiment=nope", "there is no experiment 'nope'"),
        ("table arch=nope", "none of the 1 runs has arch=nope"),
        ("table arhc=gru", "did you mean arch"),
        ("table =x", "is not of the form key=value"),
        ("table --rows nope", "no run has the key of --rows nope"),
        ("table --columns model.featurs", "did you mean model.features"),
        ("table --metric acuracy", "did you mean accuracy?"),
        ("table --split tset", "choose one of test"),
        ("table --format pdf", "invalid choice: 'pdf'"),
        ("table --bogus", "unrecognized arguments: --bogus"),
        ("plot --metric nope", "no run has validation values"),
        ("data", "the following arguments are required"),
        ("data get", "name a data set, or --all"),
        ("data get unknown", "There is no data set 'unknown'"),
        ("data frob", "invalid choice: 'frob'"),
        ("doctor --x", "unrecognized arguments: --x"),
    ],
)
def test_a_wrong_question_about_runs(capsys, words: str, sentence: str):
    Path("empty").mkdir()
    refused(capsys, 2, sentence, *words.split())


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{"format": 1, ', "result.json is damaged"),
        (b"\xff\xfe\x00", "result.json is damaged"),
        (b"", "result.json is damaged"),
        (b"[]", "result.json is not a mapping"),
        (b'{"format": 99}', "its format 99 is newer than this grux reads"),
    ],
)
def test_a_damaged_record_shows_as_such_and_hides_no_other(capsys, content: bytes, reason: str):
    good = Path("runs/other/gru-sst2-00000000")
    shutil.copytree(good, "runs/other/lstm-sst2-00000001")
    Path("runs/other/lstm-sst2-00000001/result.json").write_bytes(content)
    before = files(Path())
    for name in ("table", "ls"):
        code, out, err = answer(capsys, name)
        assert code == 0 and not err and "gru" in out and "lstm-sst2-00000001" in out
        assert reason in " ".join(out.split())
    code, out, err = answer(capsys, "show", "lstm-sst2-00000001")
    assert code == 0 and not err and reason in " ".join(out.split())
    assert files(Path()) == before
