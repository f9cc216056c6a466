"""grux's own sweeper and launcher as plugins of Hydra: what `-m` uses where nobody chose others.

Hydra takes plugins from the package `hydra_plugins` alone, and imports everything in it whenever any Hydra application
of the environment starts. This module goes by the name `hydra_plugins.grux` once grux launches, and nowhere else.
"""

import dataclasses
import importlib
import sys
import types
import typing
from collections.abc import Sequence
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf

from grux.config.complaints import nearest
from grux.config.compose import parsed
from grux.config.values import check_value
from grux.errors import Diverged, GruxError, UsageError
from grux.launch.jobs import Job, jobs_of
from grux.launch.local import launch
from grux.launch.outcome import Outcome, outcome_in_folder
from grux.launch.overview import Overview, make_overview
from grux.launch.remote import follow
from grux.launch.search import Search, all_diverged, summary
from grux.launch.settings import Settings, settings_here, settings_of
from grux.launch.sweep import NotDone, Task, described, higher_is_better, objective, require_all_done
from grux.launch.together import start_all
from grux.together import programs

PACKAGE = "hydra_plugins.grux"


def register() -> None:
    """Make Hydra know these plugins."""
    from hydra.core.plugins import Plugins

    parent, _, name = PACKAGE.partition(".")
    try:
        package = importlib.import_module(parent)  # plugins of others
    except ModuleNotFoundError:
        package = sys.modules[parent] = types.ModuleType(parent)
        package.__path__ = []
    here = sys.modules[PACKAGE] = sys.modules[__name__]
    setattr(package, name, here)
    for plugin in (Grid, Optuna, Local, Slurm, Ray):
        Plugins.instance().register(plugin)


class OwnLauncher(Launcher):
    """A launcher that takes whole jobs from `Task` and tells their outcomes."""

    def __init__(self, **values: Any):
        self.values = values  # checked later: Hydra makes its own error out of one that is raised here

    def setup(self, *, hydra_context: HydraContext, task_function: Any, config: DictConfig) -> None:
        assert isinstance(task_function, Task)
        self._task = task_function

    def start(self, jobs: Sequence[Job]) -> list[Outcome]:
        """Run jobs of different folders. Raises nothing for a job that fails."""
        raise NotImplementedError

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> list[JobReturn]:
        """What sweepers call. Raises `NotDone` where jobs may still become done: nobody shall go by such a batch."""
        jobs = self._task.jobs(job_overrides)
        outcomes = {o.folder: o for o in self.start(list({job.folder: job for job in jobs}.values()))}
        if any(outcome.state in ("interrupted", "busy") for outcome in outcomes.values()):
            require_all_done(list(outcomes.values()))
        return [_returned(outcomes[job.folder], words) for job, words in zip(jobs, job_overrides, strict=True)]


class Local(OwnLauncher):
    """Processes of this machine."""

    __module__ = PACKAGE

    def start(self, jobs: Sequence[Job]) -> list[Outcome]:
        return launch(jobs, settings_here([job.config for job in jobs]), overview=_overview(jobs))


class Slurm(OwnLauncher):
    """Jobs of Slurm, see `grux.launch.slurm`."""

    __module__ = PACKAGE

    def start(self, jobs: Sequence[Job]) -> list[Outcome]:
        from grux.launch.slurm import SlurmScheduler

        settings = settings_of([job.config for job in jobs])
        scheduler = SlurmScheduler(settings, **checked(self.values, SlurmScheduler))
        return follow(jobs, settings, scheduler, overview=_overview(jobs))


class Ray(OwnLauncher):
    """Tasks of Ray, see `grux.launch.ray`."""

    __module__ = PACKAGE

    def start(self, jobs: Sequence[Job]) -> list[Outcome]:
        from grux.launch.ray import RayScheduler

        settings = settings_of([job.config for job in jobs])
        scheduler = RayScheduler(settings, **checked(self.values, RayScheduler))
        try:
            return follow(jobs, settings, scheduler, overview=_overview(jobs))
        finally:
            scheduler.close()


def checked(values: dict[str, Any], kind: type, where: str = "hydra.launcher") -> dict[str, Any]:
    """Settings of a plugin from the command line, checked against the fields of its dataclass."""
    hints = typing.get_type_hints(kind, include_extras=True)
    known = [f.name for f in dataclasses.fields(kind) if f.name != "settings"]
    plain = {key: OmegaConf.to_container(v) if OmegaConf.is_config(v) else v for key, v in values.items()}
    for key, value in plain.items():
        if key not in known:
            raise UsageError(f"unknown key {where}.{key}: {nearest(key, known, where)}")
        check_value(value, hints[key], f"{where}.{key}")
    return plain


def _overview(jobs: Sequence[Job]) -> Overview:
    return make_overview(jobs[0].config["progress"], described)


class OwnSweeper(Sweeper):
    """A sweeper that takes jobs from `Task`."""

    _params: dict[str, str]

    def setup(self, *, hydra_context: HydraContext, task_function: Any, config: DictConfig) -> None:
        from hydra.core.plugins import Plugins

        assert isinstance(task_function, Task)
        self._task = task_function
        self.hydra_context, self.config = hydra_context, config
        self._launcher = Plugins.instance().instantiate_launcher(hydra_context, task_function, config)


class Grid(OwnSweeper):
    """Every combination of the values on the command line, in one batch; equal configs are one job.

    Those that are one program (`grux.together`) are trained in this process, after the others.
    """

    __module__ = PACKAGE

    def __init__(self, params: dict[str, str] | None = None):
        self._params = dict(params or {})

    def sweep(self, arguments: list[str]) -> None:
        each = jobs_of(arguments, config_dir=self._task.config_dir, grid=self._params)
        most = self._task.prepared(each[0], one_of=len(each)).config["launcher"]["max_jobs"]
        if not any(word.lstrip("+").startswith("launcher.max_jobs=") for word in arguments):
            most = min(most, Settings.max_jobs)  # a file may not lift the bound
        if len(each) > most:
            raise UsageError(
                f"this sweep has {len(each)} jobs, more than launcher.max_jobs={most}; "
                f"say launcher.max_jobs={len(each)} if that is meant."
            )
        prepared = [self._task.prepared(words, one_of=len(each)) for words in each]
        settings_of([job.config for job in prepared])
        unique: dict[Any, list[str]] = {}
        for job, words in zip(prepared, each, strict=True):
            unique.setdefault((job.run_id, job.folder), words)  # values that come to the same config
        if len(unique) > 1 and any(job.config["run_dir"] is not None for job in prepared):
            raise UsageError(
                "run_dir is the folder of one run, but this sweep has several; use runs=FOLDER or group=NAME."
            )
        jobs = self._task.jobs(list(unique.values()))
        joint = [program for program in programs([job for job in jobs if not job.done]) if program.values]
        if joint and not isinstance(self._launcher, Local):
            raise UsageError(
                f"{', '.join(joint[0].names)} are one program by {', '.join(joint[0].values)}, which is trained in the "
                "process of the command; leave out hydra/launcher"
                + (", or give together=[]." if jobs[0].config["together"] else ": they were begun so.")
            )
        if isinstance(self._launcher, OwnLauncher):
            outcomes = start_all(jobs, joint, self._launcher.start)
        else:
            # What they return differs from one to the next, and is lost with a worker that dies: the folders tell.
            self._launcher.launch(list(unique.values()), initial_job_idx=0)
            outcomes = [outcome_in_folder(job) for job in jobs]
        require_all_done(outcomes)


class Optuna(OwnSweeper):
    """A search, see `grux.launch.search`."""

    __module__ = PACKAGE

    def __init__(self, params: dict[str, str] | None = None, **values: Any):
        self._params, self._values = dict(params or {}), values

    def sweep(self, arguments: list[str]) -> None:
        search = Search(**checked(self._values, Search, "hydra.sweeper"))
        try:
            import optuna  # noqa: F401
        except ModuleNotFoundError as error:
            raise UsageError("hydra/sweeper=grux_optuna needs Optuna; install grux[tune].") from error
        ran, errors = 0, []

        def first(words: list[str]) -> tuple[Job, bool]:
            (job,) = self._task.jobs([words])
            if job.config["run_dir"] is not None:
                raise UsageError("run_dir is the folder of one run; a search has many: use runs=FOLDER or group=NAME.")
            if job.config["together"]:
                raise UsageError(
                    f"together=[{','.join(job.config['together'])}]: the trials of grux_optuna are trained each by "
                    "itself; leave it out, or search at random with `grux tune`."
                )
            return job, higher_is_better(job)

        def run(batch: list[list[str]]) -> list[float | None]:
            nonlocal ran
            returns = self._launcher.launch(batch, initial_job_idx=ran)
            ran += len(batch)
            errors.extend(r._return_value for r in returns if r.status != JobStatus.COMPLETED)
            return [r._return_value if r.status == JobStatus.COMPLETED else None for r in returns]

        overrides = parsed(arguments, config_dir=self._task.config_dir, sweep=self._params)
        study = search.run(overrides, first=first, run=run)
        print(summary(study), flush=True)
        if errors:
            raise NotDone(
                f"{len(errors)} of {ran} trials that were started failed (first: {str(errors[0]).rstrip('.')}); the "
                "same command tries them again.",
                getattr(errors[0], "exit_code", GruxError.exit_code),
            )
        if all_diverged(study):
            raise Diverged("every trial of the search diverged; search lower learning rates, or clip gradients lower.")


def _returned(outcome: Outcome, overrides: Sequence[str]) -> JobReturn:
    """An outcome as Hydra's sweepers read it: its objective, or the error that reading it raises."""
    made = JobReturn(overrides=list(overrides), task_name="grux")
    try:
        made.return_value, made.status = objective(outcome), JobStatus.COMPLETED
    except NotDone as error:
        made.return_value, made.status = error, JobStatus.FAILED
    return made
