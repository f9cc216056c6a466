"""grux's own sweeper and launcher as plugins of Hydra: what `-m` uses where nobody chose others.

Hydra takes plugins from the package `hydra_plugins` alone, and imports everything in it whenever any Hydra application
of the environment starts. This module goes by the name `hydra_plugins.grux` once grux launches, and nowhere else.
"""

import importlib
import sys
import types
from collections.abc import Sequence
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext
from omegaconf import DictConfig

from grux.config.compose import expand
from grux.errors import UsageError
from grux.launch.jobs import Job
from grux.launch.local import launch
from grux.launch.outcome import Outcome, outcome_in_folder
from grux.launch.overview import make_overview
from grux.launch.settings import settings_of
from grux.launch.sweep import NotDone, Task, described, objective, require_all_done

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
    for plugin in (Grid, Local):
        Plugins.instance().register(plugin)


class OwnLauncher(Launcher):
    """A launcher that takes whole jobs from `Task` and tells their outcomes."""

    def setup(self, *, hydra_context: HydraContext, task_function: Any, config: DictConfig) -> None:
        assert isinstance(task_function, Task)
        self._task = task_function

    def start(self, jobs: Sequence[Job]) -> list[Outcome]:
        """Run jobs of different folders. Raises nothing for a job that fails."""
        raise NotImplementedError

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> list[JobReturn]:
        """What sweepers of others call. Raises `NotDone` where jobs were interrupted: they shall ask no more."""
        jobs = self._task.jobs(job_overrides)
        outcomes = {o.folder: o for o in self.start(list({job.folder: job for job in jobs}.values()))}
        if any(outcome.state == "interrupted" for outcome in outcomes.values()):
            require_all_done(list(outcomes.values()))
        return [_returned(outcomes[job.folder], words) for job, words in zip(jobs, job_overrides, strict=True)]


class Local(OwnLauncher):
    """Processes of this machine."""

    __module__ = PACKAGE

    def start(self, jobs: Sequence[Job]) -> list[Outcome]:
        configs = [job.config for job in jobs]
        return launch(jobs, settings_of(configs), overview=make_overview(configs[0]["progress"], described))


class Grid(Sweeper):
    """Every combination of the values on the command line, in one batch; equal configs are one job."""

    __module__ = PACKAGE

    def __init__(self, params: dict[str, str] | None = None):
        self._params = dict(params or {})

    def setup(self, *, hydra_context: HydraContext, task_function: Any, config: DictConfig) -> None:
        from hydra.core.plugins import Plugins

        assert isinstance(task_function, Task)
        self._task = task_function
        self.hydra_context, self.config = hydra_context, config
        self.launcher = Plugins.instance().instantiate_launcher(hydra_context, task_function, config)

    def sweep(self, arguments: list[str]) -> None:
        each = expand(arguments, config_dir=self._task.config_dir, sweep=self._params)
        most = self._task.prepared(each[0], one_of=len(each)).config["launcher"]["max_jobs"]
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
        if isinstance(self.launcher, OwnLauncher):
            outcomes = self.launcher.start(jobs)
        else:
            # What they return differs from one to the next, and is lost with a worker that dies: the folders tell.
            self.launcher.launch(list(unique.values()), initial_job_idx=0)
            outcomes = [outcome_in_folder(job) for job in jobs]
        require_all_done(outcomes)


def _returned(outcome: Outcome, overrides: Sequence[str]) -> JobReturn:
    """An outcome as Hydra's sweepers read it: its objective, or the error that reading it raises."""
    made = JobReturn(overrides=list(overrides), task_name="grux")
    try:
        made.return_value, made.status = objective(outcome), JobStatus.COMPLETED
    except NotDone as error:
        made.return_value, made.status = error, JobStatus.FAILED
    return made
