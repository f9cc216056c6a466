"""A real Ray of one node, started and stopped by the launcher itself, with stand-ins for the training."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest
from stub_jobs import stand_in, whole_record

from grux.cli import main

ray = pytest.importorskip("ray")

pytestmark = pytest.mark.filterwarnings(
    "ignore::FutureWarning", "ignore::ResourceWarning", "ignore::DeprecationWarning"
)
SAVE = "status('interrupted', 'Interrupted', 'Stopped at step 3.'); sys.exit(75)"


def test_every_end_in_one_sweep(capsys, monkeypatch, tmp_path: Path):
    """One start of Ray costs seconds: done, failed, killed, saved and gone on, all from plain command lines."""
    monkeypatch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    started = stand_in(
        monkeypatch,
        tmp_path,
        whole_record(),
        gru="os.kill(os.getpid(), signal.SIGKILL)",
        lstm="print('grux: no such file.', file=sys.stderr); sys.exit(3)",
        mgu=f"if not Path('saved').exists(): Path('saved').touch(); {SAVE}\ndone()",
    )
    words = ["train", "-m", "hydra/launcher=grux_ray", "arch=gru,lstm,mgu,elman", "launcher.jobs=2"]
    assert main(words) == 137
    out, err = capsys.readouterr()
    assert "killed by signal 9 (SIGKILL)" in out and "lstm on first_token: failed: no such file." in out
    assert "mgu on first_token: interrupted, started again" in out and "of 4 jobs 2 done, 1 killed, 1 failed" in err
    assert len(started()) == 5 and all(" hydra.mode=RUN" in line for line in started())
    assert not ray.is_initialized()


def test_ctrl_c_has_jobs_save(capsys, monkeypatch, tmp_path: Path):
    saves = f"signal.signal(signal.SIGTERM, lambda *_: ({SAVE.replace('; ', ', ')}))"
    stand_in(monkeypatch, tmp_path, whole_record(), gru=f"{saves}; Path('ready').touch(); time.sleep(300)")
    threading.Thread(target=interrupt_when_there, args=(Path("ready").absolute(),), daemon=True).start()
    assert main(["train", "-m", "hydra/launcher=grux_ray", "arch=gru"]) == 75
    assert "1 interrupted" in capsys.readouterr().err
    (status,) = Path("runs/default").glob("gru-*/status.json")
    assert "Stopped at step 3." in status.read_text()


def interrupt_when_there(path: Path) -> None:
    limit = time.monotonic() + 300
    while not path.exists() and time.monotonic() < limit:
        time.sleep(0.1)
    os.kill(os.getpid(), signal.SIGINT)
