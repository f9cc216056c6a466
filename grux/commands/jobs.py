"""The jobs of a command line before they start: their overrides, then for each its config, its id and its folder."""

import contextlib
import importlib.util
import os
import secrets
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from grux.config.check import check_settings
from grux.config.compose import compose, expand, plugins_of
from grux.config.identity import run_id
from grux.errors import GruxError, StorageError, UsageError
from grux.results.record import Run, read_run, storage_error
from grux.together import Plan

FILES_OF_A_RUN = {"config.yaml", "metrics.jsonl", "status.json", "result.json", "checkpoints", "lock"}
"""One of them makes a folder that of a run, whatever else lies in it."""


@dataclass(frozen=True)
class Job(Plan):
    """A run of the command line, and whether it is finished."""

    done: bool

    @property
    def title(self) -> str:
        return f"{self.choices.get('arch', '?')} on {self.choices.get('data', '?')}"


def expanded(
    overrides: Sequence[str], *, config_dir: str | None = None, multirun: bool
) -> tuple[list[list[str]], tuple[str, ...]]:
    """The overrides of each job, and the packages that the command line admits: they can be imported from here on.

    A sweep is expanded where `multirun` or an experiment file asks for it.
    """
    for override in overrides:
        if override.lstrip("+~").startswith("hydra"):
            raise UsageError(f"{override}: grux runs the jobs itself and reads nothing of hydra.*; leave it out.")
    plugins = plugins_of(overrides)
    if plugins:
        sys.path.append(os.getcwd())  # a console script does not look there, and the user has asked for it
    for name in plugins:
        if importlib.util.find_spec(name) is None:
            raise UsageError(f"plugins=[{name}]: there is no package {name}; install it, or start where it lies.")
    # An experiment file may carry its grid; it alone is composed to see it, since the rest may be a grid itself.
    experiment = [o for o in overrides if o.startswith("experiment=") and "," not in o and "(" not in o]
    declared = compose(experiment, config_dir=config_dir) if experiment else None
    if not (multirun or (declared and declared.multirun)):
        return [list(overrides)], plugins
    return expand(overrides, config_dir=config_dir, sweep=declared.sweep if declared else {}), plugins


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
    name = run_id(config, composed.choices)
    base = Path(config["run_dir"]) if config["run_dir"] else Path(config["runs"]) / config["group"] / name
    folder, done = _place(base, name, force=config["force"])
    return Job(config, composed.choices, name, folder, done)


def _place(base: Path, name: str, *, force: bool) -> tuple[Path, bool]:
    """The folder to write and whether its run is finished; with `force`, the first one that holds no run."""
    folder, number = base, 1
    while True:
        run = _run_in(folder, name)
        done = run is not None and run.state == "done"
        if run is None or not force:
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
