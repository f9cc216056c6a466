"""What a person sees while a run trains: a bar with the time left on a terminal, plain lines elsewhere."""

import time
from typing import Literal, Protocol

ProgressStyle = Literal["auto", "rich", "plain", "none"]


class Progress(Protocol):
    """How the loop reports; `status` is a few words such as the latest validation score."""

    def start(self, title: str, done: int, total: int, unit: str = "step") -> None: ...
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


class NoProgress:
    """Silence."""

    def start(self, title: str, done: int, total: int, unit: str = "step") -> None: ...
    def advance(self, done: int) -> None: ...
    def evaluated(self, done: int, status: str) -> None: ...
    def note(self, text: str) -> None: ...
    def stop(self) -> None: ...


class PlainProgress(NoProgress):
    """One line per evaluation, no more often than every few seconds: fit for a log file."""

    INTERVAL = 5.0

    def start(self, title: str, done: int, total: int, unit: str = "step") -> None:
        self._title, self._first, self._total, self._unit = title, done, total, unit
        self._began = self._last = time.monotonic()
        print(f"{title}: {total - done} {unit}s to go", flush=True)

    def evaluated(self, done: int, status: str) -> None:
        now = time.monotonic()
        if now - self._last < self.INTERVAL and done < self._total:
            return
        self._last = now
        left = (now - self._began) / max(done - self._first, 1) * (self._total - done)
        print(f"{self._title}: {self._unit} {done}/{self._total}, {status}, {duration(left)} left at most", flush=True)

    def note(self, text: str) -> None:
        print(text, flush=True)


class RichProgress(NoProgress):
    """A bar with steps, latest score and the time left."""

    def start(self, title: str, done: int, total: int, unit: str = "step") -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[status]}"),
            transient=True,
            console=Console(),  # rich's own was made for the standard output of its first use
        )
        self._bar.start()
        self._task = self._bar.add_task(title, total=total, completed=done, status="compiling ...")

    def advance(self, done: int) -> None:
        self._bar.update(self._task, completed=done)

    def evaluated(self, done: int, status: str) -> None:
        self._bar.update(self._task, completed=done, status=status)

    def note(self, text: str) -> None:
        if hasattr(self, "_bar"):
            self._bar.console.print(text, highlight=False, markup=False)
        else:
            print(text, flush=True)

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
