"""Jobs as processes of this machine: a bounded number side by side, each from a plain command line in a session of its
own, so that a crash, a kill or `sys.exit` costs one job.

    outcomes = launch(jobs, Settings(jobs=2, retries=1))

Knows nothing of Hydra. Jobs that are finished, or that another process is at work on, are not started; so the same call
again does what is missing.
"""

import contextlib
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from grux.errors import UsageError
from grux.folder import now
from grux.launch.command import environment_of_job, plain_command
from grux.launch.fence import refuse_below_a_launcher
from grux.launch.jobs import LOG, Job
from grux.launch.outcome import Before, End, Outcome, already, not_started, outcome_of
from grux.launch.overview import Overview, Silent
from grux.launch.settings import Settings
from grux.launch.shares import GIB, Share, bound_to, divide, how_many, kernel_kills, memory_of_session, signal_session
from grux.results.record import storage_error
from grux.training.interrupts import StopFlag

POLL = 0.1  # seconds
MEMORY_EVERY = 1.0  # seconds
GRACE = 60.0
"""Seconds that a job has to save when its time is over."""


def launch(
    jobs: Sequence[Job],
    settings: Settings,
    *,
    command: Callable[[Job], list[str]] = plain_command,
    overview: Overview | None = None,
) -> list[Outcome]:
    """Run every job and tell what became of each, in their order.

    The first Ctrl-C or SIGTERM asks the running jobs to save and starts no more; the second Ctrl-C kills them. Either
    way all outcomes are returned, `interrupted` for what is left. Raises `UsageError` below another launcher.
    """
    refuse_below_a_launcher()
    if settings.memory is not None and not os.path.isdir("/proc/self"):
        raise UsageError("launcher.memory watches processes through /proc, which is not here; set it to null.")
    return _Pool(jobs, settings, command, overview or Silent()).run()


@dataclass
class Running:
    """A job that runs now."""

    job: Job
    number: int
    process: subprocess.Popen[bytes]
    slot: int
    attempt: int
    began: float
    """On the monotonic clock."""
    before: Before
    kills_before: int
    end: End | None = None
    """Why it was asked to stop, once it was."""
    hard_after: float | None = None
    """When it is killed if it has not stopped by then, on the monotonic clock."""
    memory_seen: float = 0.0


class _Pool:
    def __init__(
        self, jobs: Sequence[Job], settings: Settings, command: Callable[[Job], list[str]], overview: Overview
    ):
        self._settings, self._command, self._overview = settings, command, overview
        self._jobs = list(jobs)
        self._outcomes: dict[int, Outcome] = {}
        self._spent = [0.0] * len(self._jobs)
        for number, job in enumerate(self._jobs):
            if outcome := already(job):
                self._outcomes[number] = outcome
        self._waiting = [(number, 1) for number in range(len(self._jobs)) if number not in self._outcomes]
        wanted = max((job.config["mesh"]["data"] for job in self._jobs), default=1)
        at_a_time = how_many(settings.jobs, len(self._waiting), wanted)
        self._shares: list[Share] = divide(at_a_time) if self._waiting else []
        self._running: list[Running] = []

    def run(self) -> list[Outcome]:
        self._overview.start(self._jobs, len(self._shares))
        for outcome in self._outcomes.values():
            self._overview.ended(outcome)
        try:
            with StopFlag() as stop:
                try:
                    while self._running or (self._waiting and not stop):
                        while self._waiting and not stop and len(self._running) < len(self._shares):
                            self._start(*self._waiting.pop(0))
                        if stop:
                            self._ask_all_to_stop(stop.name)
                        self._reap()
                        self._overview.tick([(r.job, r.began) for r in self._running], len(self._waiting))
                        time.sleep(POLL if self._running else 0)
                except KeyboardInterrupt:  # the second Ctrl-C
                    self._end_all(grace=0.0)
        finally:
            self._end_all(grace=GRACE)  # an error of our own, such as a closed pipe, leaves some
            self._overview.stop()
        for number, job in enumerate(self._jobs):
            if number not in self._outcomes:
                self._outcomes[number] = not_started(job)
            elif self._outcomes[number].state == "busy":  # who had it may be done with it by now
                self._outcomes[number] = already(job) or not_started(job)
        return [self._outcomes[number] for number in range(len(self._jobs))]

    def _start(self, number: int, attempt: int) -> None:
        job = self._jobs[number]
        if outcome := already(job):  # somebody else may have finished or begun it by now
            self._finish(number, outcome)
            return
        slot = min(set(range(len(self._shares))) - {running.slot for running in self._running})
        share, words = self._shares[slot], self._command(job)
        try:
            job.folder.mkdir(parents=True, exist_ok=True)
            with open(job.folder / LOG, "ab") as log:
                log.write(f"--- {now()} attempt {attempt}: {shlex.join(words)}\n".encode(errors="replace"))
                log.flush()
                before = Before.look(job)
                with bound_to(share.cores):
                    process = subprocess.Popen(
                        words,
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=subprocess.STDOUT,
                        env=environment_of_job({**os.environ, **share.environment}),
                        start_new_session=True,
                    )
        except OSError as error:
            raise storage_error(job.folder, error) from error
        self._running.append(Running(job, number, process, slot, attempt, time.monotonic(), before, kernel_kills()))

    def _reap(self) -> None:
        for running in list(self._running):
            code = running.process.poll()
            if code is None:
                self._watch(running)
                continue
            self._running.remove(running)
            end = running.end or End(None)
            end = End(code, end.asked, end.detail, kernel_kills() > running.kills_before)
            seconds = self._spent[running.number] = self._spent[running.number] + time.monotonic() - running.began
            outcome = outcome_of(running.job, end, running.before, seconds=seconds, attempts=running.attempt)
            if outcome.worth_another and running.attempt <= self._settings.retries and end.asked != "stop":
                self._overview.again(outcome)
                self._waiting.append((running.number, running.attempt + 1))
            else:
                self._finish(running.number, outcome)

    def _finish(self, number: int, outcome: Outcome) -> None:
        self._outcomes[number] = outcome
        self._overview.ended(outcome)

    def _watch(self, running: Running) -> None:
        """Keep one running job within its time and memory."""
        clock, limit, memory = time.monotonic(), self._settings.time_limit, self._settings.memory
        if running.hard_after is not None and clock > running.hard_after:
            signal_session(running.process, signal.SIGKILL)
        if running.end is not None:
            return
        if limit is not None and clock - running.began > 60 * limit:
            running.end = End(None, "time", f"stopped after launcher.time_limit={limit:g} minutes")
            running.hard_after = clock + GRACE
            running.process.terminate()
        elif memory is not None and clock - running.memory_seen > MEMORY_EVERY:
            running.memory_seen = clock
            used = memory_of_session(running.process.pid) / GIB
            if used > memory:
                line = f"it took {used:.2f} GiB, more than launcher.memory={memory:g}"
                running.end = End(None, "memory", line)
                signal_session(running.process, signal.SIGKILL)

    def _ask_all_to_stop(self, name: str) -> None:
        for running in self._running:
            if running.end is None:
                running.end = End(None, "stop", f"stopped by {name}")
                running.process.terminate()
        self._overview.stopping(len(self._running))

    def _end_all(self, *, grace: float) -> None:
        """Have the running jobs save within so many seconds, and kill what is left then."""
        for running in self._running:
            running.end = running.end or End(None, "stop")
            if grace:
                running.process.terminate()
        until = time.monotonic() + grace
        for running in self._running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                running.process.wait(max(0.0, until - time.monotonic()))
            if running.process.poll() is None:
                signal_session(running.process, signal.SIGKILL)
                running.process.wait()
        self._reap()
