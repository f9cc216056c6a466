"""The jobs of a command line before they start: their overrides, then for each its config, its id and its folder."""

import contextlib
import importlib.util
import os
import re
import secrets
import sys
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from grux.config.check import check_settings, check_words
from grux.config.compose import LAUNCHING, compose, expand, plugins_of
from grux.config.identity import run_id
from grux.errors import GruxError, StorageError, UsageError
from grux.results.record import Run, read_run, storage_error
from grux.together import Plan

EXPERIMENT = "experiment"
LOG = "log.txt"
"""What a job that was started by a launcher prints, attempt after attempt."""
FILES_OF_A_RUN = {"config.yaml", "metrics.jsonl", "status.json", "result.json", "checkpoints", "lock", LOG}
"""One of them makes a folder that of a run, whatever else lies in it."""


@dataclass(frozen=True)
class Job(Plan):
    """A run of the command line, and whether it is finished."""

    done: bool
    overrides: tuple[str, ...] = ()
    """The words of the command line that this was composed from."""
    config_dir: str | None = None
    particulars: tuple[str, ...] = ()
    """The words in which it differs from other jobs of one sweep."""

    @property
    def title(self) -> str:
        return self.named()

    def named(self, without: Collection[str] = ()) -> str:
        """Arch, data and particulars; not those of the keys `without`."""
        names = [f"{self.choices.get('arch', '?')} on {self.choices.get('data', '?')}"]
        return " ".join([*names, *(word for word in self.particulars if word.partition("=")[0] not in without)])


def told_apart(jobs: Sequence[Job]) -> list[Job]:
    """The jobs with the words in which they differ, beside arch and data, as part of their titles."""
    common = set.intersection(*(set(job.overrides) for job in jobs)) if jobs else set()
    own = [
        tuple(w for w in job.overrides if w not in common and w.partition("=")[0] not in ("arch", "data", EXPERIMENT))
        for job in jobs
    ]
    return [replace(job, particulars=words) for job, words in zip(jobs, own, strict=True)]


@dataclass(frozen=True)
class CommandLine:
    """What the words of a command line ask for."""

    words: tuple[str, ...]
    """Overrides of configs: those of one job, or of all jobs of a sweep."""
    is_sweep: bool
    """By `-m`, `hydra.mode=MULTIRUN`, or an experiment file."""
    grid: dict[str, str]
    """What the experiment file declares in `hydra.sweeper.params`."""
    hydra: tuple[str, ...]
    """How a sweep is to be run: `hydra/launcher=`, `hydra/sweeper=`, `hydra.launcher.*`, `hydra.sweeper.*`."""
    plugins: tuple[str, ...]
    """Packages that the command line admits; they can be imported from here on."""
    config_dir: str | None

    def jobs(self) -> list[list[str]]:
        """The overrides of each job."""
        if not self.is_sweep:
            return [list(self.words)]
        return jobs_of(self.words, config_dir=self.config_dir, grid=self.grid)


OF_A_SWEEP = re.compile(r"hydra/(launcher|sweeper)=|(\+\+?|~)?hydra\.(launcher|sweeper)\.")


def read_command_line(overrides: Sequence[str], *, config_dir: str | None = None, multirun: bool) -> CommandLine:
    """Tell the words for jobs from those for Hydra. Raises `UsageError` for what grux does not read."""
    modes = [o.partition("=")[2] for o in overrides if o in ("hydra.mode=RUN", "hydra.mode=MULTIRUN")]
    ours = [o for o in overrides if o.lstrip("+~").startswith("hydra") and o[len("hydra.mode=") :] not in modes]
    for override in ours:
        if not OF_A_SWEEP.match(override):
            raise UsageError(
                f"{override}: of hydra.* grux reads hydra/launcher, hydra/sweeper, what lies below these two, and "
                "hydra.mode=RUN or MULTIRUN; leave the rest out."
            )
    words = [o for o in overrides if not o.lstrip("+~").startswith("hydra")]
    plugins = plugins_of(words)
    admit(plugins)
    # An experiment file may carry its grid; it alone is composed to see it, since the rest may be a grid itself.
    experiment = [o for o in words if _is_experiment(o) and "," not in o and "(" not in o]
    grid, asks = declared(experiment[-1].partition("=")[2], config_dir) if experiment else ({}, False)
    is_sweep = modes[-1] == "MULTIRUN" if modes else multirun or asks
    if ours and not is_sweep:
        raise UsageError(f"{ours[0]} says how a sweep is run, and this is one run; add -m, or leave it out.")
    if EXPERIMENT in grid:
        if not is_sweep:
            raise UsageError(f"{experiment[-1]} is a list of experiments and no single run; add -m, or name one.")
        words = [o for o in words if o not in experiment]
    grid = grid if is_sweep else {}
    return CommandLine(tuple(words), is_sweep, grid, tuple(ours), plugins, config_dir)


def declared(experiment: str, config_dir: str | None) -> tuple[dict[str, str], bool]:
    """The grid of an experiment's file, and whether the file asks for it without `-m`.

    A file whose grid names other experiments is a list of them, and holds nothing else. Raises `UsageError` for a file
    that says how jobs are started.
    """
    word = f"{EXPERIMENT}={experiment}"
    composed = compose([word], config_dir=config_dir)
    if composed.launching != LAUNCHING:
        raise UsageError(
            f"{word} sets hydra.launcher or more of hydra.sweeper than its params, and a file may not say how "
            "jobs are started; give that on the command line, like hydra/launcher=NAME."
        )
    for key in composed.sweep:
        if key.lstrip("+~").startswith("hydra"):
            raise UsageError(f"{word}: its grid sets {key}; only the command line says how a sweep is run.")
    if EXPERIMENT in composed.sweep:
        config, plain = composed.config, compose(config_dir=config_dir).config
        if other := [key for key in config if config[key] != plain.get(key)]:
            raise UsageError(
                f"{word} lists other experiments in its grid, and what it sets beside that ({', '.join(other)}) would "
                "be lost; set it in the files of these experiments."
            )
    return composed.sweep, composed.multirun


def jobs_of(words: Sequence[str], *, config_dir: str | None, grid: dict[str, str]) -> list[list[str]]:
    """The overrides of each job of a sweep, as `expand` does; of several experiments each with the grid of its file."""
    named = [word for word in (*(f"{key}={value}" for key, value in grid.items()), *words) if _is_experiment(word)]
    if not named:
        return expand(words, config_dir=config_dir, sweep=grid)
    names = [job[0].partition("=")[2] for job in expand(named[-1:], config_dir=config_dir, sweep={})]
    if len(names) == 1 and EXPERIMENT not in grid:
        return expand(words, config_dir=config_dir, sweep=grid)
    rest = {key: value for key, value in grid.items() if key != EXPERIMENT}
    others = [word for word in words if not _is_experiment(word)]
    jobs = []
    for name in names:
        own, _ = declared(name, config_dir)
        if EXPERIMENT in own:
            raise UsageError(f"{EXPERIMENT}={name} is a list of experiments itself; name those instead.")
        jobs += expand([f"{EXPERIMENT}={name}", *others], config_dir=config_dir, sweep={**own, **rest})
    return jobs


def _is_experiment(word: str) -> bool:
    return word.startswith(f"{EXPERIMENT}=")


def admit(plugins: Sequence[str]) -> None:
    """Make the packages importable that a command line admits. Raises `UsageError` for one that is not there."""
    if plugins and os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())  # a console script does not look there, and the user has asked for it
    for name in plugins:
        if importlib.util.find_spec(name) is None:
            raise UsageError(f"plugins=[{name}]: there is no package {name}; install it, or start where it lies.")


@contextlib.contextmanager
def named_job(overrides: Sequence[str] | None) -> Iterator[None]:
    """Errors in here say in which job of a sweep they arose; None: there is only one."""
    try:
        yield
    except GruxError as error:
        if overrides is None:
            raise
        raise type(error)(f"in the job {' '.join(overrides)}: {error}") from error


def prepare(overrides: Sequence[str], *, config_dir: str | None = None, plugins: tuple[str, ...] = ()) -> Job:
    """Compose and check one job. Raises `UsageError`; writes nothing and imports no JAX."""
    composed = compose(overrides, config_dir=config_dir)
    config = composed.config
    check_settings(config, plugins)
    check_words(overrides, config)
    name = run_id(config, composed.choices)
    base = Path(config["run_dir"]) if config["run_dir"] else Path(config["runs"]) / config["group"] / name
    folder, done = _place(base, name, force=config["force"])
    return Job(config, composed.choices, name, folder, done, tuple(overrides), config_dir)


def _place(base: Path, name: str, *, force: bool) -> tuple[Path, bool]:
    """The folder to write and whether its run is finished; with `force`, the first one that holds no finished run."""
    folder, number = base, 1
    while True:
        run = _run_in(folder, name)
        done = run is not None and run.state == "done"
        if not (force and done):
            return folder, done
        number += 1
        folder = base.with_name(f"{base.name}-{number}")


def _run_in(folder: Path, name: str) -> Run | None:
    """The run in this folder, None where nothing is. Raises `UsageError` where it is another one or no run at all."""
    try:
        files = set(os.listdir(folder))
    except FileNotFoundError:
        return None
    except NotADirectoryError as error:
        raise StorageError(f"{_existing(folder)} is a file; choose a folder with runs=FOLDER.") from error
    except OSError as error:
        raise storage_error(folder, error) from error
    if not files:
        return None
    run = read_run(folder)
    source = run.record or run.status
    if source is None and not files & FILES_OF_A_RUN:
        raise UsageError(f"{folder} holds other files and no run; choose an empty folder.")
    there = (source or {}).get("run_id", name)
    if there != name:
        raise UsageError(
            f"{folder} holds the run {there}, but this config is the run {name}; "
            "choose another run_dir, or leave it out so that each config has its own folder."
        )
    return run


def refuse_several_processes(jobs: Sequence[Job]) -> None:
    """Raise `UsageError` for a job that several processes make together: sweeps and searches start one for each job."""
    for job in jobs:
        if job.config["mesh"]["hosts"] > 1:
            raise UsageError(
                f"mesh.hosts={job.config['mesh']['hosts']} processes are each started with the command of one run, and "
                "this command starts its runs itself; give one run at a time to `grux train`."
            )


def check_storage(folder: Path) -> None:
    """Raise `StorageError` unless a file can be made where the run folder will lie, before anything costs time."""
    place = _existing(folder)  # what is missing of the path is made when the run starts, not before it is checked
    probe = place / f".probe-{os.getpid()}-{secrets.token_hex(4)}"
    try:
        with open(probe, "xb") as file:
            file.write(b"grux")
            file.flush()
            os.fsync(file.fileno())
        probe.unlink()
    except OSError as error:
        with contextlib.suppress(OSError):
            probe.unlink()
        raise storage_error(place, error) from error


def _existing(path: Path) -> Path:
    """The path, or the nearest folder or file above it that is there."""
    while not os.path.lexists(path) and path != path.parent:
        path = path.parent
    return path
