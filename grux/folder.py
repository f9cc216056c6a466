"""The folder of one run: who may write it, and what is in it before and after the training."""

import contextlib
import datetime
import os
import secrets
import shutil
import socket
from pathlib import Path
from typing import Any

from grux.errors import GruxError, StorageError, UsageError
from grux.results.record import is_gone, read_json, read_run, write_atomic, write_json


class RunFolder:
    """Owner of a run folder while the run goes on: a context manager that holds the lock and keeps `status.json`.

    Leaving it by an exception writes what happened: `interrupted` (can go on) or `failed`.
    """

    def __init__(self, path: Path, *, run_id: str, choices: dict[str, str], together: str | None = None):
        """`together`: the folder, beside this one, of the runs that this one is trained with."""
        self.path = path
        self.failure: GruxError | None = None
        """What went wrong with this run alone, where several are held at once and the others went well."""
        self._base = {"run_id": run_id, "choices": choices, **_identity()}
        if together is not None:
            self._base["together"] = together
        self._lock = path / "lock"
        self._step = 0
        self._steps: int | None = 0
        self._was_empty = False
        self._started = now()

    def __enter__(self) -> "RunFolder":
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._was_empty = not os.listdir(self.path)
            self._take_lock()
        except OSError as error:
            raise StorageError(
                f"The run folder {self.path} cannot be written ({error.strerror}); choose another with runs=FOLDER."
            ) from error
        self.status("running")
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, _: object) -> None:
        error = error or self.failure
        if isinstance(error, UsageError) and self._remove_if_nothing_was_done():
            return
        if error is None:
            self.status("done")
        elif isinstance(error, KeyboardInterrupt) or (isinstance(error, GruxError) and error.exit_code == 75):
            self.status("interrupted", kind=type(error).__name__, message=str(error))
        else:
            name = type(error).__name__
            self.status("failed", kind=name, message=(str(error) or name).splitlines()[0][:500])
        self._lock.unlink(missing_ok=True)

    def _remove_if_nothing_was_done(self) -> bool:
        """A config that is refused leaves nothing behind, but for a folder in which a run has once begun."""
        made = {path.name for path in self.path.iterdir()}
        if not self._was_empty or not made <= {"lock", "status.json", "config.yaml", "matching.json", "artifacts"}:
            return False
        shutil.rmtree(self.path, ignore_errors=True)
        return True

    def status(self, state: str, *, kind: str | None = None, message: str = "") -> None:
        """Write `status.json`; the state is running, done, failed or interrupted."""
        values = {"state": state, "kind": kind, "message": message, "step": self._step, "steps": self._steps}
        try:
            write_json(self.path / "status.json", {**self._base, **values, "started": self._started, "updated": now()})
        except StorageError:
            if state == "running":
                raise  # at the end the first error matters more than this one

    def reached(self, step: int, steps: int | None) -> None:
        """A checkpoint of `step` out of `steps` (None: nobody knows) is on disk."""
        self._step, self._steps = step, steps
        self.status("running")

    def write_artifacts(self, artifacts: dict[str, bytes]) -> None:
        """Vocabularies and tokenisers, so that the run can be used without its data."""
        folder = self.path / "artifacts"
        for name, content in artifacts.items():
            folder.mkdir(exist_ok=True)
            write_atomic(folder / Path(name).name, content)

    def _take_lock(self) -> None:
        # Written first and linked then: whoever sees the lock sees its owner too.
        mine = self.path / f"lock-{os.getpid()}-{secrets.token_hex(4)}"
        write_json(mine, _identity())
        try:
            for _ in range(3):
                try:
                    os.link(mine, self._lock)
                    return
                except FileExistsError:
                    self._clear_dead_lock()
        finally:
            mine.unlink(missing_ok=True)
        raise UsageError(f"{self.path} is being started by another process at this moment; try again.")

    def _clear_dead_lock(self) -> None:
        """Remove a lock whose process died without a word; raise UsageError where the process may be alive."""
        owner = _owner(self._lock)
        # A process of this number that is not this one: after a reboot or in a container this one may have got it.
        mine = _identity()
        if owner is not None and owner != mine and not _is_former_start(owner, mine) and not is_gone(owner):
            raise UsageError(
                f"{self.path} is being written by process {owner['pid']} on {owner['host']}; wait for it, or remove "
                f"{self._lock} if that process is no longer there."
            )
        # Of several that find a dead lock one gets to move it; what it moved is looked at again before it is dropped,
        # since a fresh lock may have taken the place in between.
        aside = self._lock.with_name(f"{self._lock.name}-dead-{os.getpid()}-{secrets.token_hex(4)}")
        try:
            os.rename(self._lock, aside)
        except FileNotFoundError:
            return
        if _owner(aside) != owner:
            with contextlib.suppress(FileExistsError):
                os.link(aside, self._lock)
        aside.unlink(missing_ok=True)


def _is_former_start(owner: dict[str, Any], mine: dict[str, Any]) -> bool:
    """Whether a scheduler has started the owner's job again as this process, perhaps on another machine.

    Two processes of one start are two writers.
    """
    return "job" in mine and owner.get("job") == mine["job"] and owner.get("start", 0) < mine["start"]


def living_owner(folder: Path, *, ended: str | None = None) -> dict[str, Any] | None:
    """{pid, host} of the process that is at work on the run in this folder, as far as one can know; else None.

    `ended` is a scheduler's job that is known to be over, wherever it ran.
    """
    owner = _owner(folder / "lock")
    gone = owner is None or is_gone(owner) or (ended is not None and owner.get("job") == ended)
    return None if gone else owner


def note_end(folder: Path, *, run_id: str, choices: dict[str, str], state: str, kind: str | None, message: str) -> None:
    """Write the `status.json` of a run whose process could not, because it was killed; how far it got is kept."""
    former = read_run(folder).status or {}
    kept = {key: former[key] for key in ("pid", "host", "together", "step", "steps", "started") if key in former}
    values = {"run_id": run_id, "choices": choices, "state": state, "kind": kind, "message": message, "updated": now()}
    write_json(folder / "status.json", {**kept, **values})


def _identity() -> dict[str, Any]:
    """Who writes a run folder: a process on a host and, where Slurm runs it, its job, which outlives the process."""
    array, number, job = (os.environ.get(f"SLURM_{key}") for key in ("ARRAY_JOB_ID", "ARRAY_TASK_ID", "JOB_ID"))
    name = f"{array}_{number}" if array else job
    restarts = os.environ.get("SLURM_RESTART_COUNT", "")
    job_of = {"job": name, "start": int(restarts) if restarts.isdecimal() else 0} if name else {}
    return {"pid": os.getpid(), "host": socket.gethostname(), **job_of}


def _owner(lock: Path) -> dict[str, Any] | None:
    try:
        content = read_json(lock)
        job = {"job": str(content["job"]), "start": int(content.get("start", 0))} if "job" in content else {}
        return {"pid": int(content["pid"]), "host": str(content["host"]), **job}
    except (GruxError, OSError, ValueError, KeyError, TypeError):
        return None


def now() -> str:
    """UTC time in ISO format, to the second."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
