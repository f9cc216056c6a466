"""`grux train`: compose with Hydra, refuse what is wrong, skip what is done, train the rest one after another.

The jobs of a sweep are all composed and checked before the first one starts, and none of this imports JAX.
"""

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from grux.commands.closing import closing_line
from grux.commands.jobs import Job, check_storage, expanded, named_job, prepare
from grux.commands.loggers import only_our_warnings
from grux.commands.together import train_together
from grux.commands.words import Parser
from grux.config.axes import check_together
from grux.config.check import check_nodes, check_pair
from grux.config.compose import ROOT, compose_raw, configs_folder, user_folder
from grux.errors import Interrupted, UsageError
from grux.together import programs


def run(arguments: Sequence[str]) -> int:
    """Train every job of the command line; returns the exit code of the first that failed, else 0."""
    from hydra._internal.utils import get_args_parser

    parser = get_args_parser()
    parser.prog, parser.error = "grux train", Parser.error.__get__(parser)
    given = parser.parse_intermixed_args(arguments)  # a flag may stand between overrides
    for flag in ("config_path", "config_name", "experimental_rerun"):
        if getattr(given, flag) is not None:
            raise UsageError(
                f"--{flag.replace('_', '-')} is not for grux: it composes configs/{ROOT}.yaml; add files of your own "
                "with --config-dir and choose them by name."
            )
    if given.shell_completion:
        return complete(arguments)
    if given.help or given.hydra_help or given.cfg or given.info:
        return _hydra(arguments, given.overrides, given.config_dir)
    return _train(_jobs(given.overrides, given.config_dir, multirun=given.multirun))


def _jobs(overrides: list[str], config_dir: str | None, *, multirun: bool) -> list[Job]:
    each, plugins = expanded(overrides, config_dir=config_dir, multirun=multirun)
    jobs: dict[tuple[str, Path], Job] = {}
    for job_overrides in each:
        with named_job(job_overrides if len(each) > 1 else None):
            job = prepare(job_overrides, config_dir=config_dir, plugins=plugins)
        jobs.setdefault((job.run_id, job.folder), job)  # values that come to the same config are one job
    if len(jobs) > 1 and next(iter(jobs.values())).config["run_dir"] is not None:
        raise UsageError("run_dir is the folder of one run, but this sweep has several; use runs=FOLDER or group=NAME.")
    return list(jobs.values())


def _train(jobs: list[Job]) -> int:
    waiting = [job for job in jobs if not job.done]
    for job in waiting:
        check_storage(job.folder)
    if waiting:
        # From here on JAX may be imported. Every job is checked before the first one costs any time.
        for job in waiting:
            check_nodes(job.config, job.config["plugins"])
            check_pair(job.config, job.config["plugins"])
            check_together(job.config, job.config["plugins"])
    program_of = {plan.folder: program for program in programs(waiting) for plan in program.waiting}
    failure, began, tried = 0, time.monotonic(), set()
    for number, job in enumerate(jobs, start=1):
        program = program_of.get(job.folder)
        if job.folder in tried:
            continue  # trained with a run that came before it
        if len(jobs) > 1:
            done = sum(one.folder in tried for one in waiting)
            left = _time_left(time.monotonic() - began, done, len(waiting)) if not job.done else ""
            print(f"run {number} of {len(jobs)}: {job.title}{left}", flush=True)
        if program is None:
            print(f"done already: {job.folder}", flush=True)
            continue
        tried |= {plan.folder for plan in program.waiting}
        title = job.title if len(jobs) == 1 else f"{number}/{len(jobs)} {job.title}"
        try:
            errors = train_together(program, title=title) if program.values else _train_one(job, title=title)
        except (KeyboardInterrupt, Interrupted):
            raise
        except Exception as error:
            if len(jobs) == 1:
                raise
            errors = [error]  # one failed run does not stop the others
        for error in errors:
            from grux.cli import report

            failure = failure or report(error)
    return failure


def _time_left(seconds: float, done: int, jobs: int) -> str:
    """What is left of a sweep after `done` of `jobs` runs took `seconds`, if the others take as long; "" at first."""
    if done == 0:
        return ""
    from grux.training.progress import duration

    return f" (about {duration(seconds / done * (jobs - done))} left for all runs)"


def _train_one(job: Job, *, title: str) -> list[Exception]:
    from grux.run import run as run_job

    with only_our_warnings():
        record = run_job(config=job.config, choices=job.choices, folder=job.folder, run_id=job.run_id, title=title)
    if job.config["progress"] != "none":
        print(closing_line(title, record, job.folder), flush=True)
    return []


def _hydra(arguments: Sequence[str], overrides: list[str], config_dir: str | None) -> int:
    """Let Hydra answer --help, --cfg and --info, which print and run nothing."""
    cfg = compose_raw([o for o in overrides if "hydra" not in o], config_dir=config_dir)
    plain = compose_raw()
    for node in ("callbacks", "job_logging", "hydra_logging", "launcher"):  # these can name objects to call
        if cfg.hydra[node] != plain.hydra[node]:
            raise UsageError(f"hydra.{node} is set by a yaml file; grux does not read it: remove it.")
    return _hydra_main(arguments, config_dir)


def complete(arguments: Sequence[str]) -> int:
    """Shell completion: `grux train -sc install=bash`, and the questions that the installed script asks."""
    line = os.environ.get("COMP_LINE")
    if line is not None:
        words = line.split()
        if len(words) < 2 or (len(words) == 2 and not line.endswith(" ")):
            from grux.cli import COMMANDS

            print(" ".join(COMMANDS))
            return 0
        if words[1] not in ("train", "count"):
            return 0
        # Hydra knows of no sub-commands: it is asked about `grux arch=...`.
        os.environ["COMP_LINE"] = line.replace(f" {words[1]}", "", 1)
    return _hydra_main(arguments, None)


def _hydra_main(arguments: Sequence[str], config_dir: str | None) -> int:
    import hydra

    @hydra.main(version_base="1.3", config_path=str(configs_folder()), config_name=ROOT)
    def nothing(_: object) -> None:
        """Never called: only flags that print come here."""

    kept = list(arguments)
    for flag in ("--config-dir", "-cd"):  # `user_folder` puts it before the packaged configs, Hydra would behind
        if flag in kept:
            del kept[kept.index(flag) : kept.index(flag) + 2]
    kept = [argument for argument in kept if not argument.startswith("--config-dir=")]
    before = sys.argv
    sys.argv = ["grux", *kept]
    try:
        with user_folder(config_dir):
            nothing()
    except ValueError as error:  # flags that exclude each other
        raise UsageError(f"{error}.") from error
    finally:
        sys.argv = before
    return 0
