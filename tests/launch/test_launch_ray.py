"""A real Ray of one node, started and stopped by the launcher itself, with stand-ins for the training.

Each sweep is a process of its own, as a user starts it: Ray forks, and the process of the tests has threads of JAX.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from stub_jobs import stand_in, whole_record

from grux.launch import command
from grux.launch import ray as launch_ray

pytest.importorskip("ray")

ROOT = Path(__file__).resolve().parents[2]
SAVE = "status('interrupted', 'Interrupted', 'Stopped at step 3.'); sys.exit(75)"
MAIN = "import sys; from grux.launch import command; command.python = lambda: {python!r}\n" + (
    "from grux.cli import main; code = main(sys.argv[1:])\n"
    "import ray; print('Ray is left running' if ray.is_initialized() else 'Ray is stopped'); sys.exit(code)"
)


def start(*words: str) -> "subprocess.Popen[str]":
    program = [sys.executable, "-c", MAIN.format(python=command.python()), "train", "-m", "hydra/launcher=grux_ray"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([*program, *words], env=environment, text=True, **pipes)


def test_every_end_in_one_sweep(monkeypatch, tmp_path: Path):
    """One start of Ray costs seconds: done, failed, killed, saved and gone on, all from plain command lines."""
    started = stand_in(
        monkeypatch,
        tmp_path,
        whole_record(),
        gru="os.kill(os.getpid(), signal.SIGKILL)",
        lstm="print('grux: no such file.', file=sys.stderr); sys.exit(3)",
        mgu=f"if not Path('saved').exists(): Path('saved').touch(); {SAVE}\ndone()",
    )
    process = start("arch=gru,lstm,mgu,elman", "launcher.jobs=2")
    out, err = process.communicate(timeout=300)
    assert process.returncode == 137, err
    assert "killed by signal 9 (SIGKILL)" in out and "lstm on first_token: failed: no such file." in out
    assert "mgu on first_token: interrupted, started again" in out and "of 4 jobs 2 done, 1 killed, 1 failed" in err
    assert len(started()) == 5 and all(" hydra.mode=RUN" in line for line in started())
    assert "Ray is stopped" in out


def test_ctrl_c_has_jobs_save(monkeypatch, tmp_path: Path):
    saves = f"signal.signal(signal.SIGTERM, lambda *_: ({SAVE.replace('; ', ', ')}))"
    stand_in(monkeypatch, tmp_path, whole_record(), gru=f"{saves}; Path('ready').touch(); time.sleep(300)")
    process = start("arch=gru")
    limit = time.monotonic() + 240
    while not Path("ready").exists() and process.poll() is None:
        assert time.monotonic() < limit, "the job was not started"
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 75 and "1 interrupted" in err, err
    (status,) = Path("runs/default").glob("gru-*/status.json")
    assert "Stopped at step 3." in status.read_text()


def test_a_job_that_does_not_stop_in_time_is_killed_with_what_it_started(monkeypatch, tmp_path: Path):
    monkeypatch.setattr(launch_ray, "GRACE", 0.5)
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(300)"
    program = (
        f"import subprocess, sys; p = subprocess.Popen([sys.executable, '-S', '-c', {deaf!r}]); print(p.pid); {deaf}"
    )
    words = [sys.executable, "-S", "-u", "-c", program]
    code, asked, detail = launch_ray.run_command(words, str(tmp_path), "job", {}, 0.03, None)
    assert (code, asked) == (-signal.SIGKILL, "time") and "launcher.time_limit=0.03" in detail
    child = int((tmp_path / "job" / "log.txt").read_text().splitlines()[-1])
    limit = time.monotonic() + 60
    while Path(f"/proc/{child}").exists() and " Z " not in Path(f"/proc/{child}/stat").read_text():
        assert time.monotonic() < limit, "what the job started is still there"
        time.sleep(0.1)
