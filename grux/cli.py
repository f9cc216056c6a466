"""The `grux` command: finds the sub-command, and turns every error into one sentence and an exit code.

Nothing heavy is imported here: each sub-command imports what it needs when it is called.
"""

import contextlib
import importlib
import io
import os
import sys
import traceback
from collections.abc import Sequence

from grux import __version__
from grux.errors import GruxError, Interrupted, Quit, UsageError

COMMANDS = {
    "train": "train one model, or a sweep of many",
    "tune": "search hyperparameters, as much for each arch, then train the best",
    "count": "parameters, state and FLOPs of models, without training them",
    "table": "the table of finished runs: mean and interval over seeds",
    "plot": "learning curves, final scores, cost, memory: figures of runs",
    "report": "one page of an experiment: answer, tables, figures, every run",
    "ls": "list runs and their state",
    "show": "one run: config, scores, where its files are",
    "compare": "two runs: what differs",
    "generate": "a trained language model writes on from a prompt",
    "suggest": "the next tokens that a trained language model expects",
    "classify": "texts by a trained classifier",
    "translate": "sentences by a trained translator, by beam search",
    "chat": "a conversation with a trained model of dialogues",
    "forecast": "the next rows of a series, with intervals",
    "detect": "what is unusual in a file, by a trained detector of anomalies",
    "compose": "a trained model of music writes a MIDI file",
    "transcribe": "what is said in sound, by a trained model; while it is said, with --stream",
    "probe": "what a trained model remembers: accuracy by length, gradient by lag",
    "demo": "train a small model and use it, for each application",
    "data": "list, fetch and verify data sets",
    "doctor": "versions, devices, folders: what a bug report needs",
}

GOES_ON = ("train", "tune")
"""Commands that find what they had done when they are called again."""
CTRL_C = 130  # 128 + SIGINT, as shells say it

HELP = """\
grux: compare recurrent networks fairly, from a question to a table with error bars.

  grux train -m arch=gru,lstm,elman data=sst2 seeds=3   train nine models
  grux table                                            compare them
  grux plot                                             draw their learning curves
  grux report quickstart                                all about an experiment on one page

Commands (each explains itself with --help):

{commands}

  grux --version

Exit codes: 0 done, 1 a bug, 2 usage, 3 data, 4 diverged, 5 out of memory, 6 storage, 7 checkpoint,
75 interrupted (the same command goes on), 130 Ctrl-C where nothing goes on. A sweep gives that of its first job
that failed; 124 is out of time, 128 + N killed by signal N. GRUX_DEBUG=1 shows where an error came from.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line; returns the exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # latin-1 and ASCII have no ± and no ─; stderr replaces on its own
    code = 0
    try:
        try:
            code = _dispatch(arguments)
        except BrokenPipeError:
            raise
        except KeyboardInterrupt:
            code = _interrupted(arguments)
        except Exception as error:
            code = report(error)
        sys.stdout.flush()  # here, where a closed pipe can still be answered
    except BrokenPipeError:  # `grux ls | head`: the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:  # a second one, while the first is answered
        code = code or CTRL_C
    return code


def _interrupted(arguments: list[str]) -> int:
    """The exit code after Ctrl-C, with a promise only where it is kept."""
    if arguments[:1] and arguments[0] in GOES_ON:
        return report(Interrupted("interrupted; the same command goes on where it stopped."))
    if sys.stderr.isatty():
        print(file=sys.stderr)  # the shell's prompt gets a line of its own
    return CTRL_C


def report(error: Exception) -> int:
    """Print what went wrong, one sentence where it is no bug, and return its exit code."""
    known = isinstance(error, GruxError)
    sentence = " ".join(str(error).split())
    if not known:
        line = next(iter(str(error).splitlines()), "")
        sentence = f"this is a bug, please report it with the lines above: {type(error).__name__}: {line}"
    with contextlib.suppress(BrokenPipeError):  # `grux ls 2>&1 | head`
        if not known or os.environ.get("GRUX_DEBUG", "") not in ("", "0"):
            traceback.print_exception(error)
        print(f"grux: {sentence}", file=sys.stderr)
    return error.exit_code if isinstance(error, GruxError) else 1


def _dispatch(arguments: list[str]) -> int:
    name = arguments[0] if arguments else "--help"
    if name in ("-h", "--help", "help"):
        print(HELP.format(commands="\n".join(f"  {name:10} {line}" for name, line in COMMANDS.items())))
        return 0
    if name == "--version":
        print(f"grux {__version__}")
        return 0
    if name in ("-sc", "--shell-completion"):  # the script that `grux train -sc install=bash` prints asks this way
        from grux.commands import train

        return train.complete(arguments)
    if name not in COMMANDS:
        import difflib

        near = difflib.get_close_matches(name, COMMANDS, n=1)
        hint = f"did you mean `grux {near[0]}`?" if near else f"choose one of {', '.join(COMMANDS)}."
        if "=" in name:
            hint = f"did you mean `grux train {' '.join(arguments)}`?"
        raise UsageError(f"unknown command {name!r}; {hint}")
    try:
        return importlib.import_module(f"grux.commands.{name}").run(arguments[1:])
    except SystemExit as exit:
        if not _said_already(exit):
            raise Quit(exit.code) from exit
        return exit.code if isinstance(exit.code, int) else int(exit.code is not None)


def _said_already(exit: SystemExit) -> bool:
    """Whether it comes from argparse or Hydra, which print what they have to say, and not from somebody's own part."""
    frames = [frame for frame, _ in traceback.walk_tb(exit.__traceback__)]
    return str(frames[-1].f_globals.get("__name__")).split(".")[0] in ("argparse", "hydra")


if __name__ == "__main__":
    sys.exit(main())
