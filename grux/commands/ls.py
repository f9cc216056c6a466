"""`grux ls`: runs and their state."""

from collections.abc import Sequence

from grux.commands.runs import chosen, parser

EXAMPLES = """\
  grux ls                         every run
  grux ls experiment=quickstart
  grux ls state=failed,interrupted
"""


def run(arguments: Sequence[str]) -> int:
    given = parser("ls", "List runs: what they are, how far they got, their score.", EXAMPLES).parse_args(arguments)

    from grux.results.overview import list_runs

    print(list_runs(chosen(given.choice, given.runs, some=False, trials=True)))
    return 0
