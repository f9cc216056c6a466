"""Signals as a flag that the loop reads between dispatches: save, say how to go on, leave with a code of its own.

SIGINT (Ctrl-C), SIGTERM (a scheduler's last word) and SIGUSR2 (Slurm and submitit before the time limit) ask for a
stop; a second Ctrl-C does not wait.
"""

import signal
import threading
from types import FrameType

STOP_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR2") if hasattr(signal, name))


class StopFlag:
    """True once a stop signal has come; a context manager that puts the former handlers back."""

    def __init__(self) -> None:
        self._signal: int | None = None
        self._former: dict[int, object] = {}

    def __bool__(self) -> bool:
        return self._signal is not None

    @property
    def name(self) -> str:
        """The signal's name, "" before one came."""
        return signal.Signals(self._signal).name if self._signal is not None else ""

    def __enter__(self) -> "StopFlag":
        if threading.current_thread() is threading.main_thread():  # Python takes handlers nowhere else
            for number in STOP_SIGNALS:
                self._former[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)  # pyright: ignore[reportArgumentType]

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._signal is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self._signal = number
