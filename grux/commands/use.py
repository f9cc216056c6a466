"""What the commands that use a finished run share: which run, whose weights, and numbers within their bounds."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grux.commands.words import Parser
from grux.errors import UsageError

if TYPE_CHECKING:
    from grux.trained import Trained


def parser(command: str, description: str, examples: str) -> argparse.ArgumentParser:
    """An argument parser that knows the run, whose weights to take, and the packages that it may name."""
    made = Parser(
        prog=f"grux {command}",
        description=description,
        epilog=f"Examples:\n{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    made.add_argument("run", metavar="RUN", help="a finished run, by name or folder; `grux ls` lists them")
    made.add_argument("--runs", default="runs", metavar="FOLDER", help="the folder of all runs (default: %(default)s)")
    made.add_argument(
        "--weights", type=int, metavar="SEED", help="of which trained seed (default: the best on validation)"
    )
    made.add_argument("--plugins", default="", metavar="NAMES", help="own packages whose parts the run names")
    return made


def trained(given: argparse.Namespace, task: str | None) -> "Trained":
    """The run that was named, with its weights. Raises UsageError where there is none that fits.

    `task`: of which it must be; None leaves that to the caller.
    """
    from grux.commands.runs import chosen
    from grux.launch.jobs import admit
    from grux.trained import load
    from grux.training.platform import start_jax

    plugins = [name for name in given.plugins.split(",") if name]
    admit(plugins)
    found = chosen([given.run], given.runs, trials=True)
    if len(found) != 1:
        raise UsageError(f"{given.run!r} names {len(found)} runs, and one is needed; `grux ls` lists them.")
    start_jax()
    return load(Path(found[0].path), seed=given.weights, task=task, plugins=plugins)


def add_seed(made: argparse.ArgumentParser) -> None:
    """`--seed`: another one, other draws."""
    made.add_argument(
        "--seed", type=within(int, 0, 2**31 - 1), default=0, metavar="N", help="of the draws (default: 0)"
    )


def within(kind: type, low: float, high: float = float("inf"), *, above: bool = False) -> Callable[[str], Any]:
    """A number of the command line from `low` to `high`; with `above` more than `low`."""

    def read(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            value = float("nan")
        if not ((value > low if above else value >= low) and value <= high):
            bound = f"{'>' if above else '>='} {low:g}" + (f" and <= {high:g}" if high < float("inf") else "")
            raise argparse.ArgumentTypeError(f"{text!r} must be a {'whole ' if kind is int else ''}number {bound}")
        return value

    return read
