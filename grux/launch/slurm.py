"""Slurm through submitit: an array whose elements are plain command lines.

submitit writes the sbatch file, submits it and asks after the jobs. It is given a command and no function: the elements
of the array are the lines of a shell script, which anybody can read and run, and nothing is pickled.

Slurm tells a job by SIGUSR2 when its time is nearly over, or its place is wanted: it saves, exits with 75 and asks
Slurm to queue it again (`queue_again`), and then goes on from where it was.
"""

import contextlib
import os
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from grux.arguments import NonNegativeInt, PositiveInt
from grux.errors import GruxError, Interrupted, UsageError
from grux.folder import now
from grux.launch.command import plain_command
from grux.launch.fence import DEPTH
from grux.launch.jobs import LOG, Job
from grux.launch.outcome import End
from grux.launch.settings import Settings
from grux.launch.shares import threads
from grux.provenance import available_cores
from grux.results.record import read_json, read_run, write_atomic, write_json

QUEUED = "queued.json"
"""In a run folder: the job of the scheduler that it was given to."""
MOST_AT_A_TIME = 256
"""Elements of an array that run side by side where launcher.jobs leaves it open."""
REQUEUES = "GRUX_REQUEUES"
"""In a job: how often it may ask Slurm to be queued again."""


@dataclass
class SlurmScheduler:
    """See `configs/hydra/launcher/grux_slurm.yaml` for the settings."""

    settings: Settings
    cluster: Literal["slurm", "local"] = "slurm"
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    cpus: PositiveInt = 4
    gpus: NonNegativeInt = 0
    save_seconds: PositiveInt = 120
    requeues: NonNegativeInt = 5
    setup: Sequence[str] = ()
    extra: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        try:
            import submitit  # noqa: F401
        except ModuleNotFoundError as error:
            raise UsageError("hydra/launcher=grux_slurm needs submitit; install grux[slurm].") from error
        if self.cluster == "local" and self.settings.memory is not None:
            raise UsageError("hydra.launcher.cluster=local bounds no memory; set launcher.memory=null.")
        if self.cluster == "slurm" and not (shutil.which("sbatch") and shutil.which("srun")):
            raise UsageError(
                "hydra/launcher=grux_slurm finds no sbatch and srun here; start it on a machine that submits to Slurm, "
                "or try it with hydra.launcher.cluster=local."
            )
        self.queues = self.cluster == "slurm"
        self.poll = 2.0 if self.queues else 0.2
        if self.settings.jobs != "auto":
            self.at_a_time = self.settings.jobs
        else:
            self.at_a_time = MOST_AT_A_TIME if self.queues else max(1, available_cores() // self.cpus)
        # Jobs of Slurm ask to be queued again themselves: their launcher may be gone by then.
        self.in_job, self.requeues = (self.requeues, 0) if self.queues else (0, self.requeues)

    def submit(self, jobs: Sequence[Job]) -> list[Any]:
        """One array of all jobs; submitit's local executor knows no arrays and gets one after the other."""
        stamp = f"{now().replace(':', '')}-{os.getpid()}"
        folder = (jobs[0].folder.parent / ".slurm").absolute()
        script = folder / f"{stamp}.sh"
        folder.mkdir(parents=True, exist_ok=True)
        write_atomic(script, self._script(jobs))
        executor = self._executor(folder)
        command = f"bash {shlex.quote(str(script))}"
        if self.cluster == "local":
            handles = [executor._submit_command(f"{command} {number}") for number in range(len(jobs))]
        else:
            from submitit.slurm.slurm import SlurmJob

            executor.parameters["map_count"] = len(jobs)
            try:
                array = executor._submit_command(f"{command} $SLURM_ARRAY_TASK_ID").job_id
            except Exception as error:  # what sbatch had to say
                raise GruxError(f"Slurm did not take the jobs: {' '.join(str(error).split())[-500:]}") from error
            handles = [SlurmJob(folder=folder, job_id=f"{array}_{number}") for number in range(len(jobs))]
            for job, handle in zip(jobs, handles, strict=True):
                job.folder.mkdir(parents=True, exist_ok=True)
                write_json(job.folder / QUEUED, {"scheduler": "slurm", "job": handle.job_id, "folder": str(folder)})
        return handles

    def adopt(self, job: Job) -> Any | None:
        if self.cluster != "slurm" or read_run(job.folder).state == "done":
            return None
        try:
            queued = read_json(job.folder / QUEUED)
            number, folder = str(queued["job"]), str(queued["folder"])
        except (GruxError, KeyError, TypeError):
            return None
        from submitit.slurm.slurm import SlurmJob

        handle = SlurmJob(folder=folder, job_id=number)
        state = handle.watcher.get_state(number, mode="force")
        over = state == "UNKNOWN" or handle.watcher.is_done(number, mode="cache")
        return None if over else handle

    def end(self, handle: Any) -> End | None:
        if self.cluster == "local":
            if not handle.done():
                return None
            code = handle._process.returncode  # the controller's own, which is 0 whatever the job did
            return End(None, detail=f"submitit's controller ended with {code}")
        if not handle.watcher.is_done(handle.job_id):
            return None
        state = handle.watcher.get_state(handle.job_id, mode="cache").split()[0]
        if state == "COMPLETED":
            return End(None)
        asked = {"OUT_OF_MEMORY": "memory", "TIMEOUT": "time", "CANCELLED": "stop"}.get(state)
        return End(None, asked, f"Slurm says {state} of job {handle.job_id}")  # pyright: ignore[reportArgumentType]

    def number(self, handle: Any) -> str | None:
        return handle.job_id if self.cluster == "slurm" else None

    def leave(self, handles: Sequence[Any]) -> str:
        """Jobs of a cluster go on without their launcher; those of this machine are asked to save and stop."""
        if self.cluster == "slurm":
            arrays = sorted({handle.job_id.split("_")[0] for handle in handles})
            return f"left to Slurm as job {', '.join(arrays)}: scancel stops it, the same command waits for it again"
        for handle in handles:
            handle._process.terminate()  # which the controller passes on
        for handle in handles:
            handle._process.wait()
        return "stopped"

    def _executor(self, folder: Path) -> Any:
        import submitit

        minutes = self.settings.time_limit
        if self.cluster == "local":
            executor = submitit.LocalExecutor(folder)
            executor.update_parameters(timeout_min=minutes or 60 * 24 * 365, signal_delay_s=self.save_seconds)
            return executor
        executor = submitit.SlurmExecutor(folder)
        wanted = {
            "job_name": "grux",
            "time": None if minutes is None else max(1, round(minutes)),
            "mem": None if self.settings.memory is None else f"{round(self.settings.memory * 1024)}MB",
            "cpus_per_task": self.cpus,
            "gpus_per_node": self.gpus or None,
            "array_parallelism": self.at_a_time,
            "signal_delay_s": self.save_seconds,
            "stderr_to_stdout": True,
            "partition": self.partition,
            "account": self.account,
            "qos": self.qos,
            "constraint": self.constraint,
            "setup": list(self.setup) or None,
            # Without it a cluster may not start a job again that it has taken the place from.
            "additional_parameters": {"requeue": True, **self.extra},
        }
        executor.update_parameters(**wanted)
        return executor

    def _script(self, jobs: Sequence[Job]) -> str:
        """What an element of the array runs: a job by its number."""
        variables = {DEPTH: "1", "PYTHONUNBUFFERED": "1", REQUEUES: str(self.in_job), **threads(self.cpus)}
        lines = [
            "#!/bin/bash",
            "# The jobs of a sweep, a plain command line each: `bash THIS 3` runs the fourth.",
            f"cd {shlex.quote(os.getcwd())} || exit",
            *(f"export {name}={value}" for name, value in variables.items()),
            "case $1 in",
        ]
        for number, job in enumerate(jobs):
            folder = shlex.quote(str(job.folder))
            command = shlex.join(plain_command(job))
            # exec: signals are for grux itself.
            lines.append(f"{number}) mkdir -p {folder} && exec {command} >>{folder}/{LOG} 2>&1 ;;")
        return "\n".join([*lines, '*) echo "there is no job $1" >&2; exit 2 ;;', "esac", ""])


def queue_again(error: Interrupted) -> None:
    """In a job that Slurm has told to save (SIGUSR2): ask to be queued again, as often as its launcher allows.

    Not after SIGTERM: Slurm starts a preempted job again by itself, and a user who cancels one wants it to stop.
    """
    most, number = os.environ.get(REQUEUES, ""), os.environ.get("SLURM_JOB_ID", "")
    if error.by != "SIGUSR2" or not number or not most.isdecimal():
        return
    restarts = os.environ.get("SLURM_RESTART_COUNT", "") or "0"
    if restarts.isdecimal() and int(restarts) < int(most):
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            subprocess.run(["scontrol", "requeue", number], timeout=60, check=True)
