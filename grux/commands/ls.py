"""`grux ls`: runs and their state."""

import json
from collections.abc import Sequence

from grux.commands.runs import chosen, parser

EXAMPLES = """\
  grux ls                         every run, oldest first
  grux ls group=quickstart
  grux ls state=failed,interrupted
  grux ls data=sst2 --sort -score
  grux ls model.features=64 --json > runs.json
"""


def run(arguments: Sequence[str]) -> int:
    made = parser("ls", "List runs: what they are, how far they got, their score.", EXAMPLES)
    made.add_argument(
        "--sort",
        default="created",
        metavar="KEY",
        help="score, seconds, parameters, created, or any choice or config key; -KEY turns it round (default: created)",
    )
    made.add_argument("--json", action="store_true", help="an array with one object for each run, always the same keys")
    given = made.parse_intermixed_args(_joined(arguments))

    from grux.results.listing import as_rows, sort_runs
    from grux.results.overview import list_runs
    from grux.results.record import plain

    runs = sort_runs(chosen(given.choice, given.runs, some=False, trials=True), given.sort)
    if not runs and given.choice and not given.json:
        print(f"No run here has {' '.join(given.choice)}.")
        return 0
    shown = [key] if (key := given.sort.removeprefix("-")) != "created" else []
    print(json.dumps(plain(as_rows(runs)), indent=1, ensure_ascii=False) if given.json else list_runs(runs, shown))
    return 0


def _joined(arguments: Sequence[str]) -> list[str]:
    """`--sort -score` as `--sort=-score`: argparse would take -score for a flag."""
    words = list(arguments)
    if "--sort" in words[:-1]:
        at = words.index("--sort")
        words[at : at + 2] = ["=".join(words[at : at + 2])]
    return words
