"""The fence around launching: what grux starts can never start runs of its own, and ends with what started it.

An experiment file may ask for a sweep by itself; a job that read it again would be a sweep, and so would each of its
jobs. So a job is started with `hydra.mode=RUN`, and its environment says how deep it is: at depth one nothing launches.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Mapping

from grux.errors import UsageError

DEPTH = "GRUX_LAUNCH_DEPTH"
"""How many launchers this process stands below."""
LAUNCHER = "GRUX_LAUNCHER_PID"
"""The process that started this one and waits for it, on this machine."""
PR_SET_PDEATHSIG = 1  # linux/prctl.h


def depth() -> int:
    """0 for what a user starts; a value that is no number counts as 1."""
    text = os.environ.get(DEPTH, "") or "0"
    return int(text) if text.isdecimal() else 1


def refuse_below_a_launcher() -> None:
    """Raise `UsageError` in a process that a launcher has started. Every way of launching calls this first."""
    if depth() > 0:
        raise UsageError(
            f"this process was started as a job of a sweep ({DEPTH}={depth()}) and starts no jobs itself; "
            f"start the sweep from outside, or unset {DEPTH} if this is no such process."
        )


def below(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of a job: one deeper, and with the number of this process as the one to follow."""
    return {**environment, DEPTH: str(depth() + 1), LAUNCHER: str(os.getpid())}


def follow_the_launcher() -> None:
    """In a job: get SIGTERM, and so save and stop, when its launcher dies in whatever way; Linux only.

    The variable is taken out, so that what this process starts does not take it for its own.
    """
    launcher = os.environ.pop(LAUNCHER, "")
    if not launcher.isdecimal() or not sys.platform.startswith("linux"):
        return
    if int(launcher) != os.getppid():
        # Either there is something between the two (a shell, srun), or the launcher has died already.
        return
    try:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    except (OSError, AttributeError):
        return
    if int(launcher) != os.getppid():  # it died while this was asked for
        os.kill(os.getpid(), signal.SIGTERM)
