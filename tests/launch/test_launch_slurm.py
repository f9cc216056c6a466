"""Slurm: submitit's local executor with real processes, and a small Slurm of our own on PATH for arrays and queues."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from stub_jobs import stand_in, whole_record

from grux.cli import main
from grux.errors import Interrupted
from grux.folder import RunFolder, living_owner
from grux.launch.slurm import REQUEUES, queue_again

pytest.importorskip("submitit")

SAVE = "status('interrupted', 'Interrupted', 'Stopped at step 3.'); sys.exit(75)"
PREEMPTED = f"first = len(open('started.txt').readlines()) == 1\nif first: {SAVE}\ndone()"

SLURM = """#!{python} -S
import json, os, subprocess, sys
from pathlib import Path
here, name, words = Path(__file__).parent, Path(sys.argv[0]).name, sys.argv[1:]
def elements():
    return sorted((path.name.removeprefix("state_"), path.read_text()) for path in here.glob("state_*"))
def run(script, array, number):
    state, job = here / f"state_{{array}}_{{number}}", str(1000 * array + number)
    restarts = 0
    while True:
        state.write_text("RUNNING")
        variables = {{"SLURM_ARRAY_JOB_ID": str(array), "SLURM_ARRAY_TASK_ID": str(number), "SLURM_JOB_ID": job}}
        variables["SLURM_RESTART_COUNT"] = str(restarts)
        code = subprocess.run(["bash", script], env={{**os.environ, **variables}}).returncode
        if (here / f"requeue_{{job}}").exists():
            (here / f"requeue_{{job}}").unlink()
            restarts += 1
            continue
        state.write_text("COMPLETED" if code == 0 else "OUT_OF_MEMORY" if code == 137 else "FAILED")
        return
if name == "sbatch" and "BELOW_SLURM" in os.environ:
    sys.exit("a job must not submit jobs")
elif name == "sbatch":
    text = Path(words[0]).read_text()
    (here / "submitted.sh").write_text(text)
    array = 1 + max([int(key.split("_")[0]) for key, _ in elements()], default=6)
    last = int(text.split("--array=0-")[1].split("%")[0])
    for number in range(last + 1):
        (here / f"state_{{array}}_{{number}}").write_text("PENDING")
    if not (here / "held").exists():
        quiet = {{"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}}
        # Not by this name, which would submit again; and what runs below this can submit nothing at all.
        runner = [sys.executable, "-S", str(here / "slurm.py"), words[0], str(array), str(last)]
        subprocess.Popen(runner, start_new_session=True, env={{**os.environ, "BELOW_SLURM": "1"}}, **quiet)
    print("Submitted batch job", array)
elif name == "srun":
    while words[0].startswith("--"):
        words = words[2:] if words[0] == "--output" else words[1:]
    os.execvp(words[0], words)
elif name == "sacct":
    print("JobID|State|NodeList")
    for key, state in elements():
        print(f"{{key}}|{{state}}|node1")
elif name == "scontrol":
    (here / f"requeue_{{words[1]}}").touch()
else:
    for number in range(int(words[2]) + 1):
        run(words[0], int(words[1]), number)
"""


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with sbatch, srun, sacct and scontrol that run arrays on this machine; it comes first on PATH."""
    folder = tmp_path / "slurm"
    folder.mkdir()
    (folder / "slurm.py").write_text(SLURM.format(python=sys.executable))
    (folder / "slurm.py").chmod(0o755)
    for name in ("sbatch", "srun", "sacct", "scontrol"):
        (folder / name).symlink_to("slurm.py")
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    return lambda **ends: stand_in(monkeypatch, tmp_path, whole_record(), **ends)


def answer(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(["train", "-m", "hydra/launcher=grux_slurm", *words])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


LOCAL = ("hydra.launcher.cluster=local", "hydra.launcher.cpus=1", "launcher.jobs=2")


def test_on_submitits_local_executor(capsys, launched):
    """A plain command line for each job, its end read from its folder, the failed one started again."""
    started = launched(gru="sys.exit(0)", lstm="status('failed', 'DataError', 'no file.'); sys.exit(3)")
    code, out, err = answer(capsys, "arch=gru,lstm,elman", *LOCAL, "launcher.retries=1")
    assert code == 1 and "of 3 jobs 2 failed, 1 done" in err.replace("1 done, 2 failed", "2 failed, 1 done")
    assert "lstm on first_token: failed: DataError: no file." in out and len(started()) == 5
    assert all(" hydra.mode=RUN" in line for line in started())
    (script, *_) = sorted(Path("runs/default/.slurm").glob("*.sh"))
    assert "exec " in script.read_text() and "export GRUX_LAUNCH_DEPTH=1" in script.read_text()
    assert not list(Path("runs").rglob("*.pkl"))


def test_a_preempted_job_goes_on(capsys, launched):
    started = launched(gru=PREEMPTED)
    code, out, _ = answer(capsys, "arch=gru", *LOCAL)
    assert code == 0 and len(started()) == 2 and "interrupted, started again" in out


def test_an_array_of_slurm(capsys, launched, slurm):
    """One array; resources as asked; what saved is queued again by the job itself; accounting names what was silent."""
    started = launched(lstm="os.kill(os.getpid(), signal.SIGKILL)")
    words = ("hydra.launcher.partition=gpu", "hydra.launcher.gpus=1", "hydra.launcher.cpus=2", "launcher.memory=1.5")
    words = (*words, "launcher.time_limit=30", "launcher.jobs=2", "+hydra.launcher.extra.nice=5")
    code, out, err = answer(capsys, "arch=gru,lstm", *words)
    assert code == 5 and "of 2 jobs 1 done, 1 out of memory" in err and "Slurm says OUT_OF_MEMORY of job 7_1" in out
    assert len(started()) == 2
    text = (slurm / "submitted.sh").read_text()
    options = dict(re.findall(r"^#SBATCH --([\w-]+)=?(.*)$", text, re.MULTILINE))
    expected = {"array": "0-1%2", "partition": "gpu", "gpus-per-node": "1", "cpus-per-task": "2", "mem": "1536MB"}
    expected |= {"time": "30", "signal": "USR2@120", "requeue": "", "nice": "5"}
    assert expected.items() <= options.items() and "srun " in text and "$SLURM_ARRAY_TASK_ID" in text


def test_what_is_queued_is_not_submitted_again(capsys, launched, slurm, monkeypatch):
    """Ctrl-C leaves a cluster's jobs to it; the same command waits for them again."""
    started = launched()
    (slurm / "held").touch()
    with monkeypatch.context() as patch:
        patch.setattr("grux.launch.slurm.SlurmScheduler.end", lambda self, handle: os.kill(os.getpid(), signal.SIGINT))
        code, _, err = answer(capsys, "arch=gru,elman")
    assert code == 75 and "left to Slurm as job 7: scancel stops it" in err and not started()
    process = subprocess.Popen([sys.executable, "-S", str(slurm / "slurm.py"), str(slurm / "submitted.sh"), "7", "1"])
    assert answer(capsys, "arch=gru,elman")[0] == 0 and process.wait() == 0
    assert len(started()) == 2 and len(list(Path("runs/default/.slurm").glob("[0-9]*T*.sh"))) == 1


def test_a_job_asks_to_be_queued_again_when_told_to_save(slurm, monkeypatch):
    asked = slurm / "requeue_1234"
    error = Interrupted("saved.")
    monkeypatch.setenv("SLURM_JOB_ID", "1234")
    monkeypatch.setenv(REQUEUES, "2")
    for name, restarts, expected in [("SIGTERM", "0", False), ("SIGUSR2", "2", False), ("SIGUSR2", "1", True)]:
        error.by = name
        monkeypatch.setenv("SLURM_RESTART_COUNT", restarts)
        queue_again(error)
        assert asked.exists() == expected
    asked.unlink()
    monkeypatch.delenv(REQUEUES)
    queue_again(error)  # a run that somebody has put into a job by hand
    assert not asked.exists()


def test_a_job_that_is_started_elsewhere_takes_its_folder_back(tmp_path: Path, monkeypatch):
    """After the loss of a machine its lock cannot be asked; the same job of Slurm is the owner nevertheless."""
    folder = tmp_path / "run"
    folder.mkdir()
    lock = {"pid": 1, "host": "lost-node", "job": "7_1", "start": 0}
    (folder / "lock").write_text(json.dumps(lock))
    assert living_owner(folder) == lock and living_owner(folder, ended="7_1") is None
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "7")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "1")
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    with RunFolder(folder, run_id="x", choices={}):
        assert json.loads((folder / "lock").read_text())["job"] == "7_1"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("hydra.launcher.cpus=0",), "hydra.launcher.cpus=0 must be a whole number >= 1"),
        (("+hydra.launcher.cpu=1",), "did you mean hydra.launcher.cpus?"),
        (("hydra.launcher.cluster=pbs",), "must be one of slurm, local"),
        ((), "finds no sbatch and srun here"),
        (("hydra.launcher.cluster=local", "launcher.memory=1"), "bounds no memory"),
    ],
)
def test_wrong_settings_are_one_sentence(capsys, launched, monkeypatch, words, sentence: str):
    monkeypatch.setenv("PATH", "/nowhere")
    started = launched()
    code, _, err = answer(capsys, "arch=gru,lstm", *words)
    assert code == 2 and sentence in err and err.count("\n") == 1 and not started()


def test_the_little_slurm_is_well_formed(slurm):
    assert subprocess.run(["sacct"], capture_output=True, text=True, check=True).stdout == "JobID|State|NodeList\n"
