"""Ray: every job a task that starts a plain command line on whatever machine of the cluster has room.

Ray moves the words of the command and gets back its exit code; it is given no object of grux. Run folders lie on a disk
that all machines share, under the same path. grux is installed on each of them.
"""

import contextlib
import importlib
import math
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from grux.arguments import NonNegativeFloat, NonNegativeInt, PositiveFloat
from grux.errors import UsageError
from grux.folder import now
from grux.launch.command import environment_of_job, plain_command
from grux.launch.jobs import LOG, Job
from grux.launch.outcome import End
from grux.launch.settings import Settings
from grux.launch.shares import GIB, memory_of_session, signal_session, threads

GRACE = 60.0
"""Seconds that a job has to save when it is told to stop."""


@dataclass
class RayScheduler:
    """See `configs/hydra/launcher/grux_ray.yaml` for the settings."""

    settings: Settings
    address: str | None = None
    cpus: PositiveFloat = 1
    gpus: NonNegativeFloat = 0
    requeues: NonNegativeInt = 5

    poll = 0.5
    queues = False

    def __post_init__(self) -> None:
        try:
            # By name: a type checker without Ray takes `import ray` for this very file.
            ray: Any = importlib.import_module("ray")
            importlib.import_module("ray.exceptions")
        except ModuleNotFoundError as error:
            raise UsageError("hydra/launcher=grux_ray needs Ray; install grux[ray].") from error
        self._ray = ray
        self._started_here = not ray.is_initialized()
        if self._started_here:
            try:
                ray.init(self.address, include_dashboard=None if self.address else False, log_to_driver=False)
            except Exception as error:  # its errors share no base: sockets, time-outs, wrong words, versions
                reason = " ".join(str(error).split())[:300].rstrip(".")
                where = f"a Ray at {self.address}" if self.address else "a Ray of this machine's own"
                raise UsageError(
                    f"{where} could not be had ({type(error).__name__}: {reason}); check hydra.launcher.address, or "
                    "leave out hydra/launcher."
                ) from error
        there = ray.cluster_resources()
        most = int(there.get("CPU", 0) // self.cpus)
        if self.gpus:
            most = min(most, int(there.get("GPU", 0) // self.gpus))
        if most < 1:
            self.close()
            raise UsageError(
                f"the Ray cluster has {there.get('CPU', 0):g} CPUs and {there.get('GPU', 0):g} GPUs, too few for one "
                f"job with hydra.launcher.cpus={self.cpus:g} and hydra.launcher.gpus={self.gpus:g}; ask for less."
            )
        self.at_a_time = most if self.settings.jobs == "auto" else min(self.settings.jobs, most)

    def close(self) -> None:
        if self._started_here:
            self._ray.shutdown()

    def submit(self, jobs: Sequence[Job]) -> list[Any]:
        memory, minutes = self.settings.memory, self.settings.time_limit
        task = self._ray.remote(
            num_cpus=self.cpus,
            num_gpus=self.gpus,
            memory=None if memory is None else int(memory * GIB),
            max_retries=0,  # a second start is for `follow` to decide
        )(run_command)
        variables = threads(max(1, int(self.cpus)))
        return [
            task.remote(plain_command(job), os.getcwd(), str(job.folder), variables, minutes, memory) for job in jobs
        ]

    def adopt(self, job: Job) -> Any | None:
        return None  # the jobs of a driver that is gone are gone too

    def end(self, handle: Any) -> End | None:
        ready, _ = self._ray.wait([handle], timeout=0)
        if not ready:
            return None
        try:
            code, asked, detail = self._ray.get(handle)
            return End(code, asked, detail)
        except self._ray.exceptions.OutOfMemoryError:
            return End(None, "memory", "Ray killed it because its machine had no memory left")
        except self._ray.exceptions.RayError as error:
            return End(None, detail=f"Ray says {type(error).__name__}: {next(iter(str(error).splitlines()), '')}")

    def number(self, handle: Any) -> str | None:
        return None

    def leave(self, handles: Sequence[Any]) -> str:
        """The jobs of a driver end with it: they are told to save and stop."""
        for handle in handles:
            with contextlib.suppress(self._ray.exceptions.RayError):
                self._ray.cancel(handle)
        for handle in handles:
            with contextlib.suppress(self._ray.exceptions.RayError):
                self._ray.get(handle, timeout=GRACE)
        return "stopped"


def run_command(
    words: list[str],
    cwd: str,
    folder: str,
    variables: dict[str, str],
    minutes: float | None,
    memory: float | None,
) -> tuple[int, str | None, str]:
    """On a machine of the cluster: the command's exit code, and why it was asked to stop, with words for that."""
    place = os.path.join(cwd, folder)
    os.makedirs(place, exist_ok=True)
    began, asked, detail = time.monotonic(), None, ""
    hard_after = math.inf
    with open(os.path.join(place, LOG), "ab") as log:
        log.write(f"--- {now()} on {os.uname().nodename}: {' '.join(words)}\n".encode(errors="replace"))
        log.flush()
        process = subprocess.Popen(
            words,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment_of_job({**os.environ, **variables}),
            start_new_session=True,
        )
    try:
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return process.wait(0.5), asked, detail
            if minutes is not None and time.monotonic() - began > 60 * minutes and asked is None:
                asked, detail = "time", f"stopped after launcher.time_limit={minutes:g} minutes"
                process.terminate()
                hard_after = time.monotonic() + GRACE
            if time.monotonic() > hard_after:
                signal_session(process, signal.SIGKILL)
            used = memory_of_session(process.pid) / GIB if memory is not None and os.path.isdir("/proc/self") else 0
            if memory is not None and used > memory and asked is None:
                asked, detail = "memory", f"it took {used:.2f} GiB, more than launcher.memory={memory:g}"
                signal_session(process, signal.SIGKILL)
    finally:  # ray.cancel raises KeyboardInterrupt in here
        if process.poll() is None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(GRACE)
            signal_session(process, signal.SIGKILL)
