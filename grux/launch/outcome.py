"""What became of one job: from its exit code or signal, its status file and its log."""

import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from grux.errors import GruxError, Interrupted, OutOfMemory
from grux.folder import living_owner, note_end
from grux.launch.jobs import LOG, Job
from grux.results.record import read_run

State = Literal["done", "failed", "killed", "out of memory", "interrupted", "timed out", "busy"]
TIMED_OUT = 124  # what timeout(1) exits with


@dataclass(frozen=True)
class Outcome:
    """How one job ended.

    `busy` means that another process holds its folder. `exit_code` is grux's (see `grux.errors`), 128 + N where signal
    N killed it, 124 where its time was over; `first_line` says why it is not done, "" where it is.
    """

    job: Job
    state: State
    exit_code: int
    first_line: str
    seconds: float
    attempts: int

    @property
    def folder(self) -> Path:
        return self.job.folder

    @property
    def worth_another(self) -> bool:
        """Whether the same command may end otherwise: not where a config was refused or every seed diverged."""
        return self.state in ("killed", "out of memory") or (self.state == "failed" and self.exit_code not in (2, 4))


@dataclass(frozen=True)
class End:
    """What is known of a process that ended."""

    code: int | None
    """Its exit code, negative for a signal; None where nobody tells."""
    asked: Literal["stop", "time", "memory"] | None = None
    """Why it was asked to stop, or was killed, by us."""
    detail: str = ""
    """What there is to say about `asked`."""
    kernel_out_of_memory: bool = False
    """The kernel has killed some process for want of memory since this one began."""


@dataclass(frozen=True)
class Before:
    """The run folder as an attempt finds it: what differs afterwards is this attempt's."""

    status: dict[str, Any] | None
    log_size: int

    @classmethod
    def look(cls, job: Job) -> "Before":
        log = job.folder / LOG
        return cls(read_run(job.folder).status, log.stat().st_size if log.is_file() else 0)


def already(job: Job) -> Outcome | None:
    """The outcome of a job that needs no start: finished, or in the hands of a living process; else None."""
    if read_run(job.folder).state == "done":
        return Outcome(job, "done", 0, "", 0.0, 0)
    owner = living_owner(job.folder)
    return busy(job, owner) if owner else None


def busy(job: Job, owner: dict[str, Any], *, seconds: float = 0.0, attempts: int = 0) -> Outcome:
    lock = job.folder / "lock"
    line = f"process {owner['pid']} on {owner['host']} is writing {job.folder} (if it is gone, remove {lock})"
    return Outcome(job, "busy", Interrupted.exit_code, line, seconds, attempts)


def not_started(job: Job) -> Outcome:
    """Of a job that was left when a sweep was stopped."""
    return Outcome(job, "interrupted", Interrupted.exit_code, "not started", 0.0, 0)


def code_of(status: dict[str, Any] | None) -> int:
    """The exit code that goes with the error that a status file names."""
    codes = {kind.__name__: kind.exit_code for kind in GruxError.__subclasses__()}
    return codes.get(str((status or {}).get("kind")), GruxError.exit_code)


def outcome_in_folder(job: Job, *, seconds: float = 0.0, attempts: int = 1) -> Outcome:
    """What the files of a job say of it, where nobody saw its process end; nothing is written."""
    run = read_run(job.folder)
    if run.state == "done":
        return Outcome(job, "done", 0, "", seconds, attempts)
    if owner := living_owner(job.folder):
        return busy(job, owner, seconds=seconds, attempts=attempts)
    if run.state == "interrupted":
        return Outcome(job, "interrupted", Interrupted.exit_code, str(run.problem), seconds, attempts)
    code = code_of(run.status)
    state = "out of memory" if code == OutOfMemory.exit_code else "failed"
    line = str(run.problem) if run.status else f"it left no word of itself; see {job.folder / LOG}"
    return Outcome(job, state, code, line, seconds, attempts)


def outcome_of(
    job: Job, end: End, before: Before, *, seconds: float, attempts: int, scheduled: str | None = None
) -> Outcome:
    """Classify an ended attempt; where it could not write down its own end, its status file is written here.

    `scheduled` is its number with a scheduler.
    """
    run = read_run(job.folder)
    if run.state == "done":
        return Outcome(job, "done", 0, "", seconds, attempts)
    if owner := living_owner(job.folder, ended=scheduled):
        return busy(job, owner, seconds=seconds, attempts=attempts)
    written = (run.status or {}).get("state") in ("failed", "interrupted") and run.status != before.status
    own = run.status if written else None
    state, code, line = _judged(job, end, own, before)
    if own is None:
        # Words that a run writes itself are the names of errors: these are read beside them.
        kind = {"killed": "Killed", "out of memory": "OutOfMemory", "timed out": "TimedOut"}.get(state)
        note_end(
            job.folder,
            run_id=job.run_id,
            choices=job.choices,
            state="interrupted" if state == "interrupted" else "failed",
            kind=kind,
            message=line,
        )
    return Outcome(job, state, code, line, seconds, attempts)


def _judged(job: Job, end: End, own: dict[str, Any] | None, before: Before) -> tuple[State, int, str]:
    said = f"{own['kind']}: {own['message']}" if own and own.get("kind") else ""
    saved = (own or {}).get("message") or "stopped before it could save"
    if end.asked == "memory":
        return "out of memory", OutOfMemory.exit_code, end.detail
    if end.asked == "time":
        return "timed out", TIMED_OUT, end.detail
    if end.code == Interrupted.exit_code or end.asked == "stop":
        return "interrupted", Interrupted.exit_code, saved
    if end.code is not None and end.code < 0:
        name = f"signal {-end.code} ({_name(-end.code)})"
        if -end.code == signal.SIGKILL and end.kernel_out_of_memory:
            return "out of memory", OutOfMemory.exit_code, f"killed by {name}: the machine had no memory left"
        return "killed", 128 - end.code, f"killed by {name}"
    code = end.code
    if code is None and own:  # the files tell
        if own["state"] == "interrupted":
            return "interrupted", Interrupted.exit_code, saved
        code = code_of(own)
    if code is not None and code == OutOfMemory.exit_code:
        return "out of memory", code, said or _last_line(job, before)
    if code == 0 and not said:
        return "failed", 1, f"it ended with exit code 0 and left no result.json; see {job.folder / LOG}"
    line = said or end.detail or _last_line(job, before) or f"it ended with exit code {code}"
    return "failed", code or GruxError.exit_code, line


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"


def _last_line(job: Job, before: Before) -> str:
    """The sentence that grux printed in this attempt, else the last line of whatever it printed."""
    try:
        with open(job.folder / LOG, "rb") as file:
            file.seek(before.log_size)
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    lines = [line.strip() for line in lines if line.strip()]
    said = [line.removeprefix("grux: ") for line in lines if line.startswith("grux: ")]
    return (said or lines or [""])[-1][:500]
