"""Sweeps from the command line to the run folders, with a stand-in for the training of each job."""

import contextlib
import io
import json
import os
import re
import subprocess
import sys
import time
import types
from pathlib import Path

import pytest
from rich.console import Console
from small_runs import SMALL
from stub_jobs import job, stand_in, whole_record

from grux.cli import main
from grux.launch import command
from grux.launch.outcome import Outcome
from grux.launch.overview import Live

# It sets up logging anew, and absl's handler then closes a stream that is not the standard error of that moment: inside
# a test whose output is caught that would be the one of pytest.
with contextlib.suppress(ImportError):
    import submitit  # noqa: F401

ROOT = Path(__file__).resolve().parents[2]
KILL = "os.kill(os.getpid(), signal.SIGKILL)"


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """launched(arch="program", ...) puts the stand-in; gives what tells what was started."""
    return lambda **ends: stand_in(monkeypatch, tmp_path, whole_record(), **ends)


def answer(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(["train", "-m", *words])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_a_sweep_says_what_became_of_each_job_and_goes_on(capsys, launched):
    """A kill costs one job, a failure says its reason, and the same command starts these two alone."""
    started = launched(gru=KILL, lstm="print('grux: no such file.', file=sys.stderr); sys.exit(3)")
    code, out, err = answer(capsys, "arch=gru,lstm,elman,mgu", "launcher.jobs=2")
    assert code == 137 and "of 4 jobs 2 done, 1 killed, 1 failed" in err and "the same command goes on" in err
    assert re.search(r"gru on first_token: killed: killed by signal 9 \(SIGKILL\); runs/default/gru-", out)
    assert "lstm on first_token: failed: no such file.; runs/default/lstm-" in out
    assert "elman on first_token: test accuracy 50.0 %" in out and len(started()) == 4
    launched()
    code, out, err = answer(capsys, "arch=gru,lstm,elman,mgu")
    assert code == 0 and not err and len(started()) == 6 and out.count("done already: ") == 2


def test_a_job_gets_a_line_that_a_user_could_type(capsys, launched):
    started = launched()
    runs = "runs='here and, there=1'"
    assert answer(capsys, "arch=gru,lstm", "force=true", "group=g", runs)[0] == 0
    (line,) = [line for line in started() if "arch=gru" in line]
    folder = next(Path("here and, there=1/g").glob("gru-*"))
    assert line.startswith(f"train arch=gru force=True group=g {runs} ")
    assert line.endswith(f" run_dir='{folder}' force=false progress=plain hydra.mode=RUN")
    # Beside the finished one, and the job itself does not look for another place.
    assert answer(capsys, "arch=gru", "force=true", "group=g", runs)[0] == 0
    assert f"run_dir='{folder}-2' force=false" in started()[-1]


def test_a_job_that_waits_for_nothing_shows_its_log(capsys, launched):
    launched(gru="print('hello from the job'); done()")
    assert answer(capsys, "arch=gru")[0] == 0
    (log,) = Path("runs/default").glob("gru-*/log.txt")
    assert "attempt 1: " in log.read_text() and "hello from the job" in log.read_text()


@pytest.mark.parametrize("launcher", ["basic", "joblib", "submitit_local"])
def test_launchers_of_others_run_the_same_jobs(capsys, launched, monkeypatch, tmp_path, launcher: str):
    """Their jobs are processes of their own too, so one that is killed costs them nothing."""
    started = launched(gru=KILL)
    words = ["arch=gru,elman,lstm", f"hydra/launcher={launcher}"]
    if launcher != "basic":
        pytest.importorskip(f"hydra_plugins.hydra_{launcher.removesuffix('_local')}_launcher")
        # Its workers are interpreters of their own, and need the stand-in too.
        put = f"import sys; from grux.launch import command; command.python = lambda: {command.python()!r}"
        (tmp_path / "sitecustomize.py").write_text(put)
        monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{ROOT}")
    code, _, err = answer(capsys, *words)
    assert code != 0 and "of 3 jobs 2 done, 1 failed (first: gru on first_token: Killed: killed by signal 9" in err
    assert len(started()) == 3 and all("hydra.mode=RUN" in line for line in started())
    assert {path.name for path in Path().iterdir()} == {"runs", "started.txt"}


def test_hydras_basic_sweeper_works_with_our_launcher(capsys, launched):
    started = launched()
    assert answer(capsys, "arch=gru,elman", "hydra/sweeper=basic")[0] == 0 and len(started()) == 2
    assert Path("runs/.hydra/multirun.yaml").is_file()


@pytest.mark.parametrize(
    "content",
    [
        "hydra:\n  launcher:\n    _target_: os.system\n",
        "hydra:\n  sweeper:\n    _target_: mylab.Sweeper\n",
        "hydra:\n  sweeper:\n    params: {hydra/launcher: 'basic'}\n  mode: MULTIRUN\n",
    ],
)
def test_a_file_cannot_say_how_jobs_are_started(capsys, launched, content: str):
    started = launched()
    Path("mine/experiment").mkdir(parents=True)
    Path("mine/experiment/x.yaml").write_text(f"# @package _global_\n{content}")
    code, _, err = answer(capsys, "--config-dir", "mine", "experiment=x", "arch=gru,lstm")
    assert code == 2 and "command line" in err and err.count("\n") == 1 and not started()


def test_a_file_cannot_lift_the_bound_of_jobs(capsys, launched):
    started = launched()
    Path("mine/experiment").mkdir(parents=True)
    Path("mine/experiment/x.yaml").write_text("# @package _global_\nlauncher: {max_jobs: 1000}\n")
    code, _, err = answer(capsys, "--config-dir", "mine", "experiment=x", "first_seed=range(0,201)")
    assert code == 2 and "201 jobs, more than launcher.max_jobs=200" in err and not started()
    Path("mine/experiment/x.yaml").write_text("# @package _global_\nlauncher: {max_jobs: 3}\n")
    assert answer(capsys, "--config-dir", "mine", "experiment=x", "first_seed=range(0,4)")[0] == 2


def test_settings_of_a_launcher_are_named_by_their_launcher(capsys):
    code, _, err = answer(capsys, "arch=gru,lstm", "hydra/launcher=grux_slurm", "hydra.launcher.gpu=1")
    assert code == 2 and "unknown key hydra.launcher.gpu: did you mean hydra.launcher.gpus?" in err


def test_a_ray_that_cannot_be_had_is_one_sentence(capsys, launched, monkeypatch):
    def init(*_: object, **__: object) -> None:
        raise ConnectionError("nobody there\nat all")

    started = launched()
    ray = types.SimpleNamespace(is_initialized=lambda: False, init=init)
    monkeypatch.setitem(sys.modules, "ray", ray)
    monkeypatch.setitem(sys.modules, "ray.exceptions", types.ModuleType("ray.exceptions"))
    words = ["arch=gru,lstm", "hydra/launcher=grux_ray", "hydra.launcher.address=nowhere:1"]
    code, _, err = answer(capsys, *words)
    assert code == 2 and "a Ray at nowhere:1 could not be had (ConnectionError: nobody there at all)" in err
    assert err.count("\n") == 1 and not started()


def test_a_file_of_the_users_does_not_take_a_launchers_name(capsys, launched):
    started = launched()
    Path("mine/hydra/launcher").mkdir(parents=True)
    Path("mine/hydra/launcher/grux.yaml").write_text("_target_: hydra_plugins.nowhere.Launcher\n")
    assert answer(capsys, "--config-dir", "mine", "arch=gru,lstm")[0] == 0 and len(started()) == 2


def test_a_sweep_below_a_launcher_is_refused(capsys, launched, monkeypatch):
    started = launched()
    monkeypatch.setenv("GRUX_LAUNCH_DEPTH", "1")
    code, _, err = answer(capsys, "arch=gru,lstm")
    assert code == 2 and "starts no jobs itself" in err and not started()


def test_two_sweeps_at_once_run_nothing_twice(capsys, launched, tmp_path: Path):
    """The second one leaves alone what the first is at, runs what is free, and says who is at the rest."""
    locks = "(folder / 'lock').write_text(json.dumps({'pid': os.getpid(), 'host': os.uname().nodename})); "
    waits = f"{locks}Path('begun').touch()\nwhile not Path('go').exists(): time.sleep(0.02)\n"
    waits += "done(); (folder / 'lock').unlink()"
    started = launched(gru=waits)
    code = (
        "import sys; from grux.launch import command; "
        f"command.python = lambda: [sys.executable, '-S', {str(tmp_path / 'stand_in.py')!r}]; "
        "from grux.cli import main; sys.exit(main(['train', '-m', 'arch=gru,elman', 'launcher.jobs=1']))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    first = subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True)
    wait_for(Path("begun"))
    exit_code, out, err = answer(capsys, "arch=gru,elman", "launcher.jobs=1")
    assert exit_code == 75 and "of 2 jobs 1 done, 1 busy; process " in err and "elman on first_token: test" in out
    Path("go").touch()
    out, _ = first.communicate(timeout=120)
    assert first.returncode == 0 and "done already" in out and len(started()) == 2
    records = [json.loads(path.read_text()) for path in Path("runs/default").glob("*/result.json")]
    assert len(records) == 2


def wait_for(path: Path) -> None:
    limit = time.monotonic() + 120
    while not path.exists():
        assert time.monotonic() < limit, f"{path} did not come"
        time.sleep(0.05)


def test_real_jobs(capsys):
    """Two small trainings, each a process of its own, and the table that is made of them."""
    words = [word for word in SMALL if not word.startswith("progress")]
    code, out, err = answer(capsys, *words, "arch=gru,elman", "epochs=1", "launcher.jobs=2")
    assert code == 0 and not err and out.count(": test accuracy ") == 2
    assert main(["table", "--format", "csv"]) == 0
    assert {"gru", "elman"} <= set(re.findall(r"\w+", capsys.readouterr().out))


def test_the_picture_of_a_terminal(monkeypatch):
    """What runs and how far it is, how much is done, the time left."""
    monkeypatch.setattr(time, "monotonic", lambda: 1000.0)
    live = Live(lambda outcome: "done")
    jobs = [job(name) for name in ("a", "b", "c", "d")]
    jobs[1].folder.mkdir(parents=True)
    (jobs[1].folder / "status.json").write_text('{"state": "running", "step": 3, "steps": 12}')
    live.start(jobs, 2)
    live.ended(Outcome(jobs[0], "failed", 3, "no file", 50.0, 1))
    live.tick([(jobs[1], 970.0), (jobs[2], 990.0)], 1)
    console = Console(file=io.StringIO(), width=100)
    console.print(live._picture([(jobs[1], 970.0), (jobs[2], 990.0)], 1))
    live.stop()
    # b takes 120 s in all and has 90 left, c is taken to need 110 more, d 120: 320 on two at a time.
    assert [" ".join(line.split()) for line in console.file.getvalue().splitlines()] == [
        "b on none step 3 of 12 30 s",
        "c on none starting 10 s",
        "2 running, 1 waiting, 1 failed; about 2 min 40 s left",
    ]
