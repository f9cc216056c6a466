"""Jobs without training: small scripts that do with a run folder what runs do, in a fraction of a second."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from grux.launch.jobs import Job

BEGIN = """
import json, os, signal, sys, time
from pathlib import Path
folder, me = Path({folder!r}), {{"pid": os.getpid(), "host": os.uname().nodename}}
def status(state, **more):
    (folder / "status.json").write_text(json.dumps({{"state": state, **me, "choices": {{"arch": "gru"}}, **more}}))
def done():
    (folder / "result.json").write_text({record!r}); status("done")
with open(folder / "starts", "a") as file: print(os.environ["GRUX_LAUNCH_DEPTH"], file=file)
starts = len((folder / "starts").read_text().splitlines())
status("running", step=1, steps=4)
"""


def job(name: str, **config: object) -> Job:
    """A job whose folder is runs/stubs/<name>."""
    values = {"group": "stubs", "progress": "none", "mesh": {"data": 1, "hosts": 1}, **config}
    return Job(values, {"arch": name, "data": "none"}, name, Path("runs/stubs") / name, False)


def script(programs: dict[str, str]):
    """A command for `launch`: runs the program of the job's name after the stub's beginning."""

    def command(job: Job) -> list[str]:
        begin = BEGIN.format(folder=str(job.folder), record=json.dumps(record(job.run_id)))
        return [sys.executable, "-S", "-c", begin + programs[job.run_id]]

    return command


def record(run_id: str) -> dict:
    """The smallest record that tables accept."""
    return {
        "format": 1,
        "run_id": run_id,
        "experiment": "stubs",
        "choices": {"arch": run_id, "data": "none"},
        "config": {},
        "metric": {"primary": "accuracy", "higher_is_better": True},
        "seeds": [],
    }


def starts(name: str) -> int:
    """How often the stub has been started."""
    file = Path("runs/stubs") / name / "starts"
    return len(file.read_text().splitlines()) if file.exists() else 0


STAND_IN = """
import json, os, signal, sys, time
from pathlib import Path
words = dict(word.split("=", 1) for word in sys.argv[1:] if "=" in word)
folder = Path(words["run_dir"].strip("'"))
with open("started.txt", "a") as file: print(*sys.argv[3:], file=file)
def status(state, kind=None, message=""):
    values = {"state": state, "kind": kind, "message": message, "pid": os.getpid(), "host": os.uname().nodename}
    (folder / "status.json").write_text(json.dumps(values))
def done(score=0.5):
    record = json.loads(os.environ["STUB_RECORD"])
    record["config"]["group"] = record["experiment"] = folder.parent.name
    record["run_id"], record["choices"]["arch"] = folder.name, words["arch"]
    record["seeds"][0]["scores"]["validation"] = {"accuracy": score}
    (folder / "result.json").write_text(json.dumps(record))
    status("done")
exec(json.loads(os.environ["STUB_ENDS"]).get(words["arch"], "done()"))
"""
"""In the place of `python -m grux`: ends by what STUB_ENDS has for its arch."""


def stand_in(monkeypatch: Any, folder: Path, whole_record: dict[str, Any], **ends: str) -> Callable[[], list[str]]:
    """Jobs of a sweep become stand-ins for the training; gives a function that tells what was started.

    `ends` are programs by arch, which may call done() and status(), and read `words`.
    """
    file = folder / "stand_in.py"
    file.write_text(STAND_IN)
    monkeypatch.setattr("grux.launch.command.python", lambda: [sys.executable, "-S", str(file)])
    monkeypatch.setenv("STUB_RECORD", json.dumps(whole_record))
    monkeypatch.setenv("STUB_ENDS", json.dumps(ends))
    started = Path("started.txt")
    return lambda: started.read_text().splitlines() if started.exists() else []


def whole_record() -> dict[str, Any]:
    """A record of one finished seed, as `grux train` writes it where it matters to a launcher."""
    seed = {"seed": 0, "status": "done", "steps": 9, "best_step": 8, "scores": {"test": {"accuracy": 0.5}}}
    return {
        **record("stub"),
        "task": "classification",
        "choices": {"arch": "", "data": "first_token"},
        "selection": {"metric": "accuracy", "split": "validation", "mode": "max", "rule": "best validation accuracy"},
        "seeds": [seed],
        "seconds": {"total": 1.0},
    }
