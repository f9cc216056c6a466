"""`grux show`: everything about one run."""

from collections.abc import Sequence

from grux.commands.runs import chosen, parser
from grux.errors import UsageError

EXAMPLES = """\
  grux show gru-sst2-1a2b3c4d           a run by its name, or the start of it
  grux show runs/default/gru-sst2-1a2b3c4d
"""


def run(arguments: Sequence[str]) -> int:
    given = parser("show", "One run: scores of each seed, config, versions, files.", EXAMPLES).parse_args(arguments)
    if not given.choice:
        raise UsageError("grux show needs a run, like grux show gru-sst2-1a2b3c4d; `grux ls` lists them.")

    from grux.results.overview import show_run

    runs = chosen(given.choice, given.runs, trials=True)
    if not runs:
        raise UsageError(f"there is no run at {' '.join(given.choice)}; `grux ls` lists them.")
    from grux.config.repeat import repeat

    commands = [repeat(run.config, run.choices) if run.config else ("", "") for run in runs]
    texts = [f"{command} ({remark})" if command and remark else command or remark for command, remark in commands]
    print("\n\n".join(show_run(run, text) for run, text in zip(runs, texts, strict=True)))
    return 0
