"""What a person sees while a run trains: a bar with the time left on a terminal, plain lines elsewhere."""

import contextlib
import time
from collections.abc import Callable
from typing import Literal, Protocol

ProgressStyle = Literal["auto", "rich", "plain", "none"]
Seconds = Callable[[], float]


def say(line: str) -> None:
    """Prints a line; where nobody reads any more (`grux train ... | head`) the work goes on in silence."""
    with contextlib.suppress(BrokenPipeError):
        print(line, flush=True)


def nothing() -> float:
    return 0.0


class Progress(Protocol):
    """How the loop reports; `status` is a few words such as the latest validation score.

    `compiling` gives the seconds that went into compilation up to now, which say nothing of the steps to come.
    """

    def start(self, title: str, done: int, total: int, unit: str = "step", compiling: Seconds = nothing) -> None: ...
    def advance(self, done: int) -> None: ...
    def evaluated(self, done: int, status: str) -> None: ...
    def note(self, text: str) -> None: ...
    def stop(self) -> None: ...


def make_progress(style: ProgressStyle) -> Progress:
    """`auto`: rich on a terminal, else plain."""
    from rich.console import Console

    if style == "auto":
        style = "rich" if Console().is_terminal else "plain"
    return {"rich": RichProgress, "plain": PlainProgress, "none": NoProgress}[style]()


class Left:
    """A guess at the time that is left, by the pace so far."""

    def __init__(self, done: int, total: int, compiling: Seconds):
        self._first, self._total, self._compiling = done, total, compiling
        self._began = self._now()

    def after(self, done: int) -> str:
        """ "about 42 s left"; nothing before the first step is done and after the last one."""
        if not self._first < done < self._total:
            return ""
        pace = (self._now() - self._began) / (done - self._first)
        return f"about {duration(pace * (self._total - done))} left"

    def _now(self) -> float:
        return time.monotonic() - self._compiling()


class NoProgress:
    """Silence."""

    def start(self, title: str, done: int, total: int, unit: str = "step", compiling: Seconds = nothing) -> None: ...
    def advance(self, done: int) -> None: ...
    def evaluated(self, done: int, status: str) -> None: ...
    def note(self, text: str) -> None: ...
    def stop(self) -> None: ...


class PlainProgress(NoProgress):
    """One line per evaluation, no more often than every few seconds: fit for a log file."""

    INTERVAL = 5.0

    def start(self, title: str, done: int, total: int, unit: str = "step", compiling: Seconds = nothing) -> None:
        self._title, self._total, self._unit = title, total, unit
        self._left, self._last = Left(done, total, compiling), time.monotonic()
        say(f"{title}: {total - done} {unit}s to go")

    def evaluated(self, done: int, status: str) -> None:
        now = time.monotonic()
        if now - self._last < self.INTERVAL and done < self._total:
            return
        self._last = now
        parts = (f"{self._title}: {self._unit} {done}/{self._total}", status, self._left.after(done))
        say(", ".join(filter(None, parts)))

    def note(self, text: str) -> None:
        say(text)


class RichProgress(NoProgress):
    """A bar with steps, latest score and the time left."""

    def start(self, title: str, done: int, total: int, unit: str = "step", compiling: Seconds = nothing) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
        from rich.progress import Progress as Bar

        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[left]}"),
            TextColumn("{task.fields[status]}"),
            transient=True,
            console=Console(),  # rich's own was made for the standard output of its first use
        )
        self._bar.start()
        self._task = self._bar.add_task(title, total=total, completed=done, status="compiling ...", left="")
        self._left, self._over = Left(done, total, compiling), done

    def advance(self, done: int) -> None:
        # Of these steps the last dispatch may still run; those before it are over.
        self._bar.update(self._task, completed=done, left=self._left.after(self._over))
        self._over = done

    def evaluated(self, done: int, status: str) -> None:
        self._bar.update(self._task, completed=done, status=status, left=self._left.after(done))
        self._over = done

    def note(self, text: str) -> None:
        if hasattr(self, "_bar"):
            self._bar.console.print(text, highlight=False, markup=False)
        else:
            say(text)

    def stop(self) -> None:
        if hasattr(self, "_bar"):
            self._bar.stop()


def duration(seconds: float) -> str:
    """Seconds for a person: "42 s", "3 min 05 s", "2 h 10 min"."""
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60:02d} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60:02d} min"
