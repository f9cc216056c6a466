"""A run that was stopped, however and whenever, ends as the run that was not: every array and every line."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from small_runs import SMALL, leaves, lines, train

import grux.run
from grux.errors import Interrupted
from grux.training.interrupts import StopFlag

ROOT = Path(__file__).resolve().parents[1]
# Two seeds with dropout, a momentum and evaluations inside epochs and chunks: all that a position has to hold.
RUN = ("seeds=2", "epochs=5", "eval_every=5", "steps_per_dispatch=3", "model.dropout=0.1", "patience=6")
DEADLINE = 120.0


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("straight") / "run"
    train(*RUN, folder=folder)
    return folder


def assert_the_same(folder: Path, straight: Path) -> None:
    expected, got = leaves(straight), leaves(folder)
    assert len(expected) > 20 and set(got) == set(expected)
    for name, value in expected.items():
        assert got[name].dtype == value.dtype
        assert np.asarray(got[name]).tobytes() == np.asarray(value).tobytes(), name
    assert lines(folder) == lines(straight)
    records = [json.loads((place / "result.json").read_text()) for place in (straight, folder)]
    assert records[0]["seeds"] == records[1]["seeds"] and records[0]["run_id"] == records[1]["run_id"]
    assert json.loads((folder / "status.json").read_text())["state"] == "done"
    assert not (folder / "lock").exists() and not list((folder / "checkpoints").glob("*damaged*"))


class StopsAfter(StopFlag):
    """True from the n-th question on; the loop asks once per dispatch."""

    dispatches = 1

    def __init__(self) -> None:
        super().__init__()
        self._asked = 0

    def __bool__(self) -> bool:
        self._asked += 1
        return self._asked >= self.dispatches


@pytest.mark.parametrize("dispatches", [1, 2, 5])
def test_stopped_again_and_again(straight: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dispatches: int):
    """After every, every second and every fifth dispatch: inside an epoch, inside a chunk, on an evaluation."""
    monkeypatch.setattr(StopsAfter, "dispatches", dispatches)
    monkeypatch.setattr(grux.run, "StopFlag", StopsAfter)
    stops = []
    for _ in range(100):
        try:
            train(*RUN, folder=tmp_path / "run")
        except Interrupted as error:
            assert "start the same command again" in str(error)
            status = json.loads((tmp_path / "run" / "status.json").read_text())
            assert status["state"] == "interrupted" and status["message"] == str(error)
            stops.append(status["step"])
            if "scores were complete" in str(error) or "was finished" in str(error):
                break
        else:
            break
    monkeypatch.undo()
    if not (tmp_path / "run" / "result.json").exists() or dispatches == 1:
        train(*RUN, folder=tmp_path / "run")
    total = json.loads((tmp_path / "run" / "status.json").read_text())["steps"]
    trained = sorted(set(stops) - {total})
    assert len(trained) >= {1: 12, 2: 6, 5: 2}[dispatches] and any(step % 5 for step in trained)
    assert_the_same(tmp_path / "run", straight)


def start(folder: Path) -> subprocess.Popen:
    command = [sys.executable, "-m", "grux.cli", "train", *SMALL, *RUN, f"run_dir={folder}", "progress=plain"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command, env=environment, cwd=folder.parent, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finish(folder: Path) -> None:
    process = start(folder)
    _, errors = process.communicate(timeout=DEADLINE)
    assert process.returncode == 0, errors


def wait_for_checkpoints(process: subprocess.Popen, folder: Path, count: int) -> None:
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline and process.poll() is None:
        checkpoints = folder / "checkpoints"
        if checkpoints.is_dir() and sum(path.name.isdigit() for path in checkpoints.iterdir()) >= count:
            return
        time.sleep(0.005)
    pytest.fail(f"no {count} checkpoints: {process.poll()} {process.communicate(timeout=5) if process.poll() else ''}")


def test_killed_without_a_word(straight: Path, tmp_path: Path):
    """SIGKILL after the first checkpoint, then at moments that a seed chose; the same command ends the run."""
    folder, draw = tmp_path / "run", random.Random(1)
    kills = 0
    for number in range(3):
        process = start(folder)
        wait_for_checkpoints(process, folder, 1 + (number > 0))
        time.sleep(draw.uniform(0, 0.3))
        process.kill()
        process.communicate(timeout=DEADLINE)
        kills += process.returncode == -signal.SIGKILL
        if (folder / "result.json").exists():
            break
        assert (folder / "lock").exists() and json.loads((folder / "status.json").read_text())["state"] == "running"
    assert kills
    finish(folder)
    assert_the_same(folder, straight)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_asked_to_stop(straight: Path, tmp_path: Path, number: signal.Signals):
    folder = tmp_path / "run"
    process = start(folder)
    wait_for_checkpoints(process, folder, 1)
    process.send_signal(number)
    _, errors = process.communicate(timeout=DEADLINE)
    assert process.returncode == 75, errors
    assert "Traceback" not in errors and "start the same command again" in errors
    status = json.loads((folder / "status.json").read_text())
    assert (status["state"], status["kind"]) == ("interrupted", "Interrupted") and not (folder / "lock").exists()
    if number == signal.SIGINT:
        finish(folder)
        assert_the_same(folder, straight)
