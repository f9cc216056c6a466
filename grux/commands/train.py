"""`grux train`: compose with Hydra, refuse what is wrong, skip what is done, train the rest.

One run is trained in this process, and so are runs that are one program; the other jobs of a sweep get processes of
their own (`grux.launch`).
"""

import contextlib
import io
import os
import sys
from collections.abc import Sequence

from grux.commands.words import Parser
from grux.config.axes import check_together
from grux.config.check import check_nodes, check_pair
from grux.config.compose import ROOT, compose_raw, configs_folder, user_folder
from grux.errors import Interrupted, UsageError
from grux.launch.closing import done_line
from grux.launch.fence import follow_the_launcher
from grux.launch.jobs import Job, check_storage, prepare, read_command_line
from grux.launch.slurm import queue_again
from grux.launch.together import train_together
from grux.together import programs


def run(arguments: Sequence[str]) -> int:
    """Train what the command line asks for; returns 0, and raises what went wrong."""
    follow_the_launcher()
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
    line = read_command_line(given.overrides, config_dir=given.config_dir, multirun=given.multirun)
    if not line.is_sweep:
        try:
            return _train(prepare(line.words, config_dir=given.config_dir, plugins=line.plugins))
        except Interrupted as error:
            queue_again(error)
            raise
    from grux.launch.sweep import sweep

    sweep(line)
    return 0


def _train(job: Job) -> int:
    """One run, in this process; with it those with which it was begun."""
    if job.done:
        print(done_line(job.folder), flush=True)
        return 0
    check_storage(job.folder)
    # From here on JAX may be imported. All is checked before anything costs time.
    check_nodes(job.config, job.config["plugins"])
    check_pair(job.config, job.config["plugins"])
    check_together(job.config, job.config["plugins"])
    (program,) = programs([job])
    for error in train_together(program, title=job.title):
        raise error
    return 0


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
    before, said = sys.argv, io.StringIO()
    sys.argv = ["grux", *kept]
    try:
        # Hydra would print a traceback where the reader of its output has gone; grux.cli answers that.
        with user_folder(config_dir), contextlib.redirect_stdout(said):
            nothing()
    except ValueError as error:  # flags that exclude each other
        raise UsageError(f"{error}.") from error
    finally:
        sys.argv = before
        sys.stdout.write(said.getvalue())
    return 0
