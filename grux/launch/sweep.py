"""A sweep as Hydra runs it: a sweeper makes lists of overrides, a launcher starts a job for each.

Sweepers and launchers are Hydra's plugins, chosen on the command line; grux's own are the defaults. What a job is does
not depend on them: overrides become a config by `grux.launch.jobs.prepare`, and the job runs as a process of its own
from a plain command line. Hydra's own config holds nothing but what is packaged and what the command line says of the
two plugins: no file of a user can name an object that Hydra makes.
"""

import copy
import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.errors import HydraException
from omegaconf import DictConfig, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException

from grux.config.axes import check_together
from grux.config.check import check_nodes, check_pair
from grux.config.compose import compose_raw, search_path
from grux.config.targets import resolve
from grux.errors import Diverged, GruxError, Interrupted, UsageError
from grux.launch.closing import closing_line
from grux.launch.fence import refuse_below_a_launcher
from grux.launch.jobs import (
    CommandLine,
    Job,
    admit,
    check_storage,
    named_job,
    prepare,
    refuse_several_processes,
    told_apart,
)
from grux.launch.local import launch
from grux.launch.outcome import Outcome
from grux.launch.settings import settings_of
from grux.results.record import read_run
from grux.results.schema import as_number
from grux.training.progress import say


def sweep(line: CommandLine) -> None:
    """Run the sweep of a command line. Raises `NotAllDone` where a job is not done at the end."""
    from hydra._internal.callbacks import Callbacks
    from hydra.core.plugins import Plugins
    from hydra.types import HydraContext

    from grux.launch.plugins import register

    refuse_below_a_launcher()
    register()
    runs = next((w.removeprefix("runs=") for w in reversed(line.words) if w.startswith("runs=")), "runs")
    cfg = compose_raw(line.hydra)
    with read_write(cfg), open_dict(cfg):
        cfg.hydra.sweeper.params = {**line.grid, **(cfg.hydra.sweeper.get("params") or {})} or None
        cfg.hydra.sweep.dir = f"{runs}/.hydra"  # where plugins of others write: multirun.yaml, their own logs
    try:
        sweeper = Plugins.instance().instantiate_sweeper(
            hydra_context=HydraContext(OnlyOverrides(search_path(line.config_dir)), Callbacks()),
            task_function=Task(line.config_dir, line.plugins),
            config=cfg,
        )
    except (HydraException, OmegaConfBaseException, ImportError, RuntimeError) as error:
        reason = " ".join(str(error.__cause__ or error).split())
        raise UsageError(f"Hydra cannot set up {' '.join(line.hydra) or 'its plugins'}: {reason}") from error
    sweeper.sweep(list(line.words))


class OnlyOverrides(ConfigLoaderImpl):
    """Hydra's loader, but what a job of a sweep gets from it is its overrides alone: `prepare` composes them."""

    def load_sweep_config(self, master_config: DictConfig, sweep_overrides: list[str]) -> DictConfig:
        cfg = copy.deepcopy(master_config)
        with read_write(cfg), open_dict(cfg):
            cfg.hydra.overrides.task = list(sweep_overrides)
            cfg.hydra.job.override_dirname = ",".join(sweep_overrides)
        return cfg


@dataclass
class Task:
    """Hydra's task function: the job of some overrides, in a process of its own; gives its objective.

    Launchers of others call it, in this process or in one of theirs; grux's own take the jobs from it.
    """

    config_dir: str | None
    plugins: tuple[str, ...]
    _prepared: dict[tuple[str, ...], Job] = field(default_factory=dict)
    _checked: set[tuple[str, ...]] = field(default_factory=set)

    def __call__(self, _: DictConfig) -> float:
        from hydra.core.hydra_config import HydraConfig

        overrides = list(HydraConfig.get().overrides.task)
        admit(self.plugins)
        job = self.prepared(overrides, one_of=1)
        (outcome,) = launch([job], dataclasses.replace(settings_of([job.config]), jobs=1))
        if outcome.state in ("interrupted", "busy"):
            raise KeyboardInterrupt  # an Exception would be the end of this job alone
        if outcome.state == "done" and job.config["progress"] != "none":
            say(described(outcome))
        return objective(outcome)

    def prepared(self, overrides: Sequence[str], *, one_of: int) -> Job:
        """The job of these overrides, one of so many; imports no JAX."""
        if tuple(overrides) not in self._prepared:
            with named_job(overrides if one_of > 1 else None):
                job = prepare(overrides, config_dir=self.config_dir, plugins=self.plugins)
            self._prepared[tuple(overrides)] = job
        return self._prepared[tuple(overrides)]

    def jobs(self, each: Sequence[Sequence[str]]) -> list[Job]:
        """The jobs of these overrides, all composed and checked before the first one may cost any time."""
        jobs = [self.prepared(overrides, one_of=len(each)) for overrides in each]
        refuse_several_processes(jobs)
        for overrides, job in zip(each, jobs, strict=True):
            if not job.done and tuple(overrides) not in self._checked:
                check_storage(job.folder)
                with named_job(overrides if len(each) > 1 else None):
                    check_nodes(job.config, self.plugins)  # imports JAX
                    check_pair(job.config, self.plugins)
                    check_together(job.config, self.plugins)
                self._checked.add(tuple(overrides))
        return told_apart(jobs)


class NotDone(GruxError):
    """A job is not done, or a sweep of which something is left; the exit code is that of the first job that failed."""

    def __init__(self, message: str, exit_code: int):
        super().__init__(message)
        self.exit_code = exit_code

    def __reduce__(self) -> tuple[Any, ...]:  # it may come from another process
        return type(self), (str(self), self.exit_code)


def require_all_done(outcomes: Sequence[Outcome]) -> None:
    """Raise `NotDone` with what is left of the sweep and how to go on."""
    counts: dict[str, int] = {}
    for outcome in outcomes:
        counts[outcome.state] = counts.get(outcome.state, 0) + 1
    if counts.keys() <= {"done"}:
        return
    words = ", ".join(f"{count} {state}" for state, count in sorted(counts.items(), key=lambda item: item[0] != "done"))
    failed = [o for o in outcomes if o.state not in ("done", "interrupted", "busy")]
    why = f" (first: {failed[0].job.title}: {failed[0].first_line.rstrip('.')})" if failed else ""
    others = next((f"; {o.first_line}" for o in outcomes if o.state == "busy" or o.first_line.startswith("left")), "")
    stopped = "interrupted" in counts or not failed
    refused = all(o.state == "done" or o.exit_code == UsageError.exit_code for o in outcomes)
    way_on = "change what was refused" if refused else "the same command goes on with what is left"
    raise NotDone(
        f"of {len(outcomes)} jobs {words}{why}{others}; {way_on}.",
        Interrupted.exit_code if stopped else failed[0].exit_code,
    )


def described(outcome: Outcome) -> str:
    """The line of a job that is done."""
    record = read_run(outcome.folder).record
    assert record is not None, "a job is done when its record is there"
    return closing_line(outcome.job.title, record, outcome.folder)


def objective(outcome: Outcome) -> float:
    """What a search goes by: the validation score that selects each seed's best step, its mean over the seeds.

    Infinite on the losing side where any seed diverged, never NaN. Raises `NotDone` for a job without a score.
    """
    record = read_run(outcome.folder).record if outcome.state == "done" else None
    if record is None:
        if outcome.exit_code != Diverged.exit_code:
            line = f"{outcome.job.title}: {outcome.state}: {outcome.first_line}"
            raise NotDone(line, outcome.exit_code)
        return -math.inf if higher_is_better(outcome.job) else math.inf
    metric = record["selection"]["metric"]
    scores = [as_number(row["scores"].get("validation", {}).get(metric)) for row in record["seeds"]]
    fine = all(row["status"] == "done" for row in record["seeds"])
    if not fine or not scores or any(score is None or not math.isfinite(score) for score in scores):
        return -math.inf if record["selection"]["mode"] == "max" else math.inf
    return math.fsum(score for score in scores if score is not None) / len(scores)


def higher_is_better(job: Job) -> bool:
    """The direction of a job's objective, before it has run."""
    node: dict[str, Any] = job.config["task"]
    kind = resolve(node["_target_"], "task", "task._target_", job.config["plugins"])
    return getattr(kind, "directions", {}).get(node.get("selection"), getattr(kind, "higher_is_better", False))
