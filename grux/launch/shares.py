"""The machine in equal shares: cores, GPUs and their memory, for jobs that run side by side."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from grux.provenance import CORES, available_cores

GIB = 1 << 30
ROOM = 2 * GIB
"""Memory that `auto` leaves for each job: a small run takes about half of it on CPU, programs and data included."""
OF_A_GPU = 0.9
"""The part of a GPU's memory that jobs on it share; every process needs some beside what XLA takes."""


@dataclass(frozen=True)
class Share:
    """What one job may use."""

    cores: tuple[int, ...]
    """Numbers of its cores; on a platform that binds nobody to cores they only count."""
    environment: dict[str, str]
    """What tells JAX, XLA and numerical libraries about the share."""


def how_many(jobs: int | Literal["auto"], waiting: int, devices: int = 1) -> int:
    """Jobs at a time. `auto`: one for each GPU; without any, one for each core, as far as memory goes.

    `devices` is how many of them one job wants.
    """
    if jobs != "auto":
        return max(1, min(jobs, waiting))
    memory = machine_memory()
    most = (len(gpus()) or available_cores()) // devices
    return max(1, min(most, waiting, memory // ROOM if memory else most))


def divide(jobs: int) -> list[Share]:
    """`jobs` shares of the cores and GPUs that this process may use; more jobs than cores take turns on them."""
    cores, devices = _cores(), gpus()
    shares = []
    for number in range(jobs):
        first, last = number * len(cores) // jobs, (number + 1) * len(cores) // jobs
        own = tuple(cores[first:last]) or (cores[first % len(cores)],)
        environment = threads(len(own))
        if devices:
            each = max(len(devices) // jobs, 1)  # more jobs than GPUs take turns on them
            mine = [devices[(number * each + more) % len(devices)] for more in range(each)]
            environment["CUDA_VISIBLE_DEVICES"] = ",".join(mine)
            neighbours = len(range(number % len(devices), jobs, len(devices)))
            if neighbours > 1 and "XLA_CLIENT_MEM_FRACTION" not in os.environ:
                environment["XLA_CLIENT_MEM_FRACTION"] = f"{OF_A_GPU / neighbours:.3f}"
        shares.append(Share(own, environment))
    return shares


def threads(cores: int) -> dict[str, str]:
    """What tells grux, XLA and numerical libraries how many cores they have where nobody is bound to cores."""
    return dict.fromkeys((CORES, "NPROC", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(cores))


@contextmanager
def bound_to(cores: tuple[int, ...]) -> Iterator[None]:
    """Within this context a process that this thread starts gets these cores alone, where the platform can do that."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, cores)
        yield
    finally:
        os.sched_setaffinity(0, before)


def gpus() -> list[str]:
    """The NVIDIA GPUs that a job may use, as CUDA_VISIBLE_DEVICES names them; [] where JAX is told to use none."""
    platforms = os.environ.get("JAX_PLATFORMS", "")
    if platforms and not {"cuda", "gpu"} & set(platforms.split(",")):
        return []
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        return [name for name in os.environ["CUDA_VISIBLE_DEVICES"].split(",") if name and name != "-1"]
    if shutil.which("nvidia-smi") is None:
        return []
    try:
        done = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return []
    count = sum(line.startswith("GPU ") for line in done.stdout.splitlines()) if done.returncode == 0 else 0
    return [str(number) for number in range(count)]


def machine_memory() -> int:
    """Bytes that this process and its children may use: the machine's, or less in a container; 0 where unknown."""
    limits = []
    try:
        limits.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (ValueError, OSError, AttributeError):
        return 0
    for file in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            limits.append(int(Path(file).read_text()))
        except (OSError, ValueError):  # not there, or "max"
            continue
    return min(limits)


def memory_of_session(leader: int) -> int:
    """Resident bytes of a process and of all that it started in its session, from /proc."""
    page, total = os.sysconf("SC_PAGE_SIZE"), 0
    for entry in os.scandir("/proc"):
        if not entry.name.isdecimal():
            continue
        try:
            # "pid (name) state ppid pgrp session ... rss": the name may hold anything, so count from its last ).
            fields = Path(entry.path, "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == leader:
            total += int(fields[21]) * page
    return total


def signal_session(process: subprocess.Popen[bytes], number: int) -> None:
    """Send a signal to a job and to what it has started; a job leads a process group of its own."""
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):  # nobody is left; macOS answers so for what has just ended
        return


def kernel_kills() -> int:
    """Processes that the kernel has killed for want of memory since it started; 0 where it does not say."""
    try:
        for line in Path("/proc/vmstat").read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    except (OSError, ValueError):
        pass
    return 0


def _cores() -> list[int]:
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(available_cores()))
