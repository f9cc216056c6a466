"""What the libraries below may say while a run trains, and how grux's own warnings look."""

import contextlib
import logging
import sys
from collections.abc import Iterator

TALKATIVE = ("absl", "orbax", "jax")
"""Orbax warns at every save of what a single process never has; JAX of platforms that nobody asked for."""


class _Line(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        print(f"grux: {record.getMessage()}", file=sys.stderr)


@contextlib.contextmanager
def only_our_warnings() -> Iterator[None]:
    """Errors of libraries and warnings of grux, the latter as one line each; the loggers are put back afterwards."""
    loggers = [logging.getLogger(name) for name in TALKATIVE]
    levels = [logger.level for logger in loggers]
    ours, line = logging.getLogger("grux"), _Line(logging.WARNING)
    propagate = ours.propagate
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    ours.addHandler(line)
    ours.propagate = False
    try:
        yield
    finally:
        ours.propagate = propagate
        ours.removeHandler(line)
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
