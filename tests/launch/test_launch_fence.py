"""The fence: a job never launches, whatever its experiment file says, and stops when its launcher is gone."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from grux.errors import UsageError
from grux.launch import fence

ROOT = Path(__file__).resolve().parents[2]
GRID = "# @package _global_\nhydra:\n  mode: MULTIRUN\n  sweeper:\n    params: {arch: 'gru,lstm'}\n"


@pytest.fixture
def grid(tmp_path: Path) -> Path:
    """A folder of configs whose experiment `grid` is a sweep by itself."""
    (tmp_path / "mine" / "experiment").mkdir(parents=True)
    (tmp_path / "mine" / "experiment" / "grid.yaml").write_text(GRID)
    return tmp_path / "mine"


def grux(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    command = [sys.executable, "-m", "grux", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize("depth", ["1", "7", "x"])
def test_below_a_launcher_nothing_launches(monkeypatch, depth: str):
    monkeypatch.setenv(fence.DEPTH, depth)
    with pytest.raises(UsageError, match="starts no jobs itself"):
        fence.refuse_below_a_launcher()


def test_a_job_is_one_deeper(monkeypatch):
    monkeypatch.delenv(fence.DEPTH, raising=False)
    fence.refuse_below_a_launcher()
    environment = fence.below({"A": "b"})
    assert environment == {"A": "b", fence.DEPTH: "1", fence.LAUNCHER: str(os.getpid())}
    monkeypatch.setenv(fence.DEPTH, "1")
    assert fence.below({})[fence.DEPTH] == "2"


def test_an_experiment_that_is_a_sweep_does_not_launch_in_a_job(grid: Path):
    done = grux("train", "--config-dir", str(grid), "experiment=grid", **{fence.DEPTH: "1"})
    assert done.returncode == 2 and "starts no jobs itself" in done.stderr and not list(Path().iterdir())


def test_a_job_is_stopped_when_its_launcher_dies(tmp_path: Path):
    if not sys.platform.startswith("linux"):
        pytest.skip("PR_SET_PDEATHSIG is Linux's")
    job = (
        "import signal, sys, time; from pathlib import Path; from grux.launch import fence\n"
        "signal.signal(signal.SIGTERM, lambda *_: (Path('stopped').touch(), sys.exit(75)))\n"
        "fence.follow_the_launcher(); Path('started').touch(); time.sleep(300)"
    )
    launcher = (
        "import subprocess, sys, time, os; from grux.launch import fence\n"
        f"subprocess.Popen([sys.executable, '-c', {job!r}], env=fence.below(os.environ), start_new_session=True)\n"
        "time.sleep(300)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, "-c", launcher], env=environment, cwd=tmp_path)
    wait_for(tmp_path / "started")
    process.send_signal(signal.SIGKILL)
    process.wait()
    wait_for(tmp_path / "stopped")


def wait_for(path: Path) -> None:
    limit = time.monotonic() + 300
    while not path.exists():
        assert time.monotonic() < limit, f"{path} did not come"
        time.sleep(0.02)
