"""What a person sees of a sweep: running, done, failed and the time left, live on a terminal and as lines elsewhere."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from grux.errors import GruxError
from grux.launch.closing import done_line
from grux.launch.jobs import Job
from grux.launch.outcome import Outcome
from grux.results.record import read_json
from grux.training.progress import ProgressStyle, duration, say

EVERY = 0.5
"""Seconds between two pictures of a live overview."""

Started = tuple[Job, float]
"""A running job and when it began, on the monotonic clock."""


class Overview(Protocol):
    """How a launcher reports."""

    def start(self, jobs: Sequence[Job], at_a_time: int) -> None: ...
    def tick(self, running: Sequence[Started], waiting: int) -> None: ...
    def ended(self, outcome: Outcome) -> None: ...
    def again(self, outcome: Outcome) -> None: ...
    def stopping(self, running: int) -> None: ...
    def stop(self) -> None: ...


class Silent:
    """No word."""

    def start(self, jobs: Sequence[Job], at_a_time: int) -> None: ...
    def tick(self, running: Sequence[Started], waiting: int) -> None: ...
    def ended(self, outcome: Outcome) -> None: ...
    def again(self, outcome: Outcome) -> None: ...
    def stopping(self, running: int) -> None: ...
    def stop(self) -> None: ...


def make_overview(style: ProgressStyle, describe: Callable[[Outcome], str]) -> Overview:
    """`auto`: live on a terminal, else plain lines. `describe` gives the line of a job that is done."""
    from rich.console import Console

    if style == "auto":
        style = "rich" if Console().is_terminal else "plain"
    return Silent() if style == "none" else Live(describe) if style == "rich" else Lines(describe)


class Lines(Silent):
    """One line when a job ends, with what is left; fit for a log file."""

    def __init__(self, describe: Callable[[Outcome], str]):
        self._describe = describe
        self._number: dict[str, int] = {}
        self._outcomes: list[Outcome] = []
        self._left: Left | None = None
        self._asked = False

    def start(self, jobs: Sequence[Job], at_a_time: int) -> None:
        self._left = Left(len(jobs), at_a_time)
        width = f"{at_a_time} at a time" if at_a_time > 1 else "one at a time"
        count = f"{len(jobs)} job{'s' * (len(jobs) != 1)}"
        self.write(f"{count}, {width}" if at_a_time and len(jobs) > 1 else count)

    def tick(self, running: Sequence[Started], waiting: int) -> None:
        if self._left:
            self._left.see(running)

    def ended(self, outcome: Outcome) -> None:
        self._outcomes.append(outcome)
        assert self._left is not None
        self._left.learn(outcome)
        count = f"{len(self._outcomes)}/{self._left.jobs}"
        left = self._left.words() if outcome.attempts and not self._asked else ""
        self.write(f"{count} {self._line(outcome)}{f' ({left})' if left else ''}")

    def again(self, outcome: Outcome) -> None:
        self.write(f"{outcome.job.title}: {outcome.state}, started again: {outcome.first_line}")

    def stopping(self, running: int) -> None:
        if not self._asked:
            self.write(f"stopping: {_runs(running)} to save; press Ctrl-C again to kill instead")
        self._asked = True

    def write(self, line: str) -> None:
        say(line)

    def _line(self, outcome: Outcome) -> str:
        if outcome.state == "done":
            return self._describe(outcome) if outcome.attempts else done_line(outcome.folder)
        return f"{outcome.job.title}: {outcome.state}: {outcome.first_line}; {outcome.folder}"


class Live(Lines):
    """The lines of ended jobs, and below them what runs now: how far each job is and when all will be done."""

    def start(self, jobs: Sequence[Job], at_a_time: int) -> None:
        from rich.live import Live as Display

        self._display = Display(auto_refresh=False, transient=True)
        self._display.start()
        self._last = 0.0
        super().start(jobs, at_a_time)

    def tick(self, running: Sequence[Started], waiting: int) -> None:
        now = time.monotonic()
        if now - self._last < EVERY:
            return
        self._last = now
        super().tick(running, waiting)
        self._display.update(self._picture(running, waiting), refresh=True)

    def write(self, line: str) -> None:
        self._display.console.print(line, highlight=False, markup=False, soft_wrap=True)

    def stop(self) -> None:
        if hasattr(self, "_display"):
            self._display.stop()

    def _picture(self, running: Sequence[Started], waiting: int) -> Any:
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 2))
        for job, began in running:
            step, steps = progress_of(job)
            far = f"step {step} of {steps}" if steps else "starting"
            table.add_row(Text(job.title, "cyan"), Text(far), Text(duration(time.monotonic() - began)))
        counts = {"running": len(running), "waiting": waiting}
        for outcome in self._outcomes:
            counts[outcome.state] = counts.get(outcome.state, 0) + 1
        words = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
        left = self._left.words() if self._left else ""
        table.add_row(Text(f"{words}{f'; {left}' if left else ''}", "bold"))
        return table


class Left:
    """The time that a sweep still takes: jobs of which nothing is known are taken to last as long as the others."""

    def __init__(self, jobs: int, at_a_time: int):
        self.jobs, self._at_a_time = jobs, max(at_a_time, 1)
        self._ended = 0
        self._lasted: list[float] = []
        self._running: dict[Path, tuple[float, float | None]] = {}

    def learn(self, outcome: Outcome) -> None:
        """A job ended; one that ran to its end says how long a job takes."""
        self._ended += 1
        self._running.pop(outcome.job.folder, None)
        if outcome.state == "done" and outcome.attempts:
            self._lasted.append(outcome.seconds)

    def see(self, running: Sequence[Started]) -> None:
        """The running jobs: seconds so far, and in all where their steps tell."""
        now = time.monotonic()
        self._running = {}
        for job, began in running:
            step, steps = progress_of(job)
            whole = (now - began) * steps / step if step and steps else None
            self._running[job.folder] = now - began, whole

    def words(self) -> str:
        """ "about 3 min 20 s left"; "" where nothing is known yet or nothing is left."""
        known = self._lasted + [whole for _, whole in self._running.values() if whole is not None]
        waiting = self.jobs - self._ended - len(self._running)
        if not known or self._ended == self.jobs:
            return ""
        usual = sum(known) / len(known)
        left = [max((whole or usual) - so_far, 0.0) for so_far, whole in self._running.values()]
        # Not before the longest of the running ones, and no faster than all side by side.
        seconds = max([(sum(left) + max(waiting, 0) * usual) / self._at_a_time, *left])
        return f"about {duration(seconds)} left"


def progress_of(job: Job) -> tuple[int, int]:
    """(step, steps) of a running job at its last checkpoint, or where it goes on; zeros before the first one."""
    try:
        status = read_json(job.folder / "status.json")
        return int(status["step"]), int(status["steps"])
    except (GruxError, KeyError, TypeError, ValueError):
        return 0, 0


def _runs(number: int) -> str:
    return f"{number} run" if number == 1 else f"{number} runs"
