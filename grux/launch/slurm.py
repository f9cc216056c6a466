"""Slurm through submitit: an array whose elements are plain command lines.

submitit writes the sbatch file, submits it and asks after the jobs. It is given a command and no function: the elements
of the array are the lines of a shell script, which anybody can read and run, and nothing is pickled.

Slurm tells a job by SIGUSR2 when its time is nearly over, or its place is wanted: it saves, exits with 75 and asks
Slurm to queue it again (`queue_again`), and then goes on from where it was.
"""

import contextlib
import os
import secrets
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
from grux.launch.outcome import Before, End
from grux.launch.settings import Settings
from grux.launch.shares import threads
from grux.provenance import available_cores
from grux.results.record import read_json, read_run, storage_error, write_atomic, write_json

QUEUED = "queued.json"
"""In a run folder: the job of the scheduler that it was given to."""
MOST_AT_A_TIME = 256
"""Elements of an array that run side by side where launcher.jobs leaves it open."""
ASKED: dict[str, Literal["memory", "time", "stop"]] = {
    "OUT_OF_MEMORY": "memory",
    "TIMEOUT": "time",
    "CANCELLED": "stop",
}
"""Why Slurm ended a job, by the state that its accounting gives."""
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

    def submit(self, jobs: Sequence[Job]) -> list["Submitted"]:
        """One array of all jobs; submitit's local executor knows no arrays and gets one after the other."""
        folder = (jobs[0].folder.parent / ".slurm").absolute()
        script = folder / f"{now().replace(':', '')}-{secrets.token_hex(3)}.sh"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise storage_error(folder, error) from error
        write_atomic(script, self._script(jobs))
        executor = self._executor(folder)
        command = f"bash {shlex.quote(str(script))}"
        if self.cluster == "local":
            made = [executor._submit_command(f"{command} {number}") for number in range(len(jobs))]
        else:
            from submitit.slurm.slurm import SlurmJob

            executor.parameters["map_count"] = len(jobs)
            try:
                array = executor._submit_command(f"{command} $SLURM_ARRAY_TASK_ID").job_id
            except Exception as error:  # what sbatch had to say
                raise GruxError(f"Slurm did not take the jobs: {' '.join(str(error).split())[-500:]}") from error
            made = [SlurmJob(folder=folder, job_id=f"{array}_{number}") for number in range(len(jobs))]
            for job, one in zip(jobs, made, strict=True):
                job.folder.mkdir(parents=True, exist_ok=True)
                write_json(job.folder / QUEUED, {"scheduler": "slurm", "job": one.job_id, "folder": str(folder)})
        return [Submitted(job, one, Before.look(job).status) for job, one in zip(jobs, made, strict=True)]

    def adopt(self, job: Job) -> "Submitted | None":
        if self.cluster != "slurm" or read_run(job.folder).state == "done":
            return None
        try:
            queued = read_json(job.folder / QUEUED)
            number, folder = str(queued["job"]), str(queued["folder"])
        except (GruxError, KeyError, TypeError):
            return None
        from submitit.slurm.slurm import SlurmJob

        one = SlurmJob(folder=folder, job_id=number)
        unknown = one.watcher.get_state(number, mode="force") == "UNKNOWN"
        if unknown or one.watcher.is_done(number, mode="cache"):
            return None
        return Submitted(job, one, Before.look(job).status)

    def end(self, handle: "Submitted") -> End | None:
        if self.cluster == "local":
            return End(None) if handle.made.done() else None
        run, number = read_run(handle.job.folder), handle.made.job_id
        if run.state == "done" or (run.state == "failed" and run.status != handle.status):
            return End(None)  # its own word, which comes minutes before that of Slurm's accounting
        if not handle.made.watcher.is_done(number):
            return None
        state = handle.made.watcher.get_state(number, mode="cache").split()[0]
        asked = ASKED.get(state)
        return End(None, asked, f"Slurm says {state} of job {number}")

    def number(self, handle: "Submitted") -> str | None:
        return handle.made.job_id if self.cluster == "slurm" else None

    def leave(self, handles: Sequence["Submitted"]) -> str:
        """Jobs of a cluster go on without their launcher; those of this machine are asked to save and stop."""
        if self.cluster == "slurm":
            arrays = sorted({handle.made.job_id.split("_")[0] for handle in handles})
            return f"left to Slurm as job {', '.join(arrays)}: scancel stops it, the same command waits for it again"
        for handle in handles:
            handle.made._process.terminate()  # which the controller passes on
        for handle in handles:
            handle.made._process.wait()
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


@dataclass(frozen=True)
class Submitted:
    """A job, what submitit made of it, and the status file that it found."""

    job: Job
    made: Any
    status: dict[str, Any] | None


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
