"""Jobs without training: small scripts that do with a run folder what runs do, in a fraction of a second."""

import json
import sys
from pathlib import Path

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
    values = {"group": "stubs", "progress": "none", **config}
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
