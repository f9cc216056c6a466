"""Whether XLA divides the program that is being traced over devices."""

import contextlib
import contextvars
from collections.abc import Iterator

_divided = contextvars.ContextVar("divided", default=False)


@contextlib.contextmanager
def divided() -> Iterator[None]:
    """Programs that are traced in here are divided over devices by XLA.

    It knows how to divide its own operations; before a kernel it would gather the whole batch on every device.
    """
    token = _divided.set(True)
    try:
        yield
    finally:
        _divided.reset(token)


def is_divided() -> bool:
    """Whether this is traced inside of `divided`."""
    return _divided.get()
