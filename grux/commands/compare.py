"""`grux compare`: what differs between two runs."""

import json
from collections.abc import Sequence

from grux.commands.runs import chosen, parser
from grux.errors import UsageError

EXAMPLES = """\
  grux compare gru-sst2-1a2b3c4d lstm-sst2-5e6f7a8b      runs by their names, or the start of them
  grux compare runs/default/gru-sst2-1a2b3c4d /elsewhere/gru-sst2-1a2b3c4d
  grux compare gru-sst2-1a2b3c4d gru-sst2-5e6f7a8b --json
"""


def run(arguments: Sequence[str]) -> int:
    made = parser("compare", "Two runs: where they differ, from config to scores.", EXAMPLES)
    made.add_argument("--json", action="store_true", help="for other programs: one object, numbers unrounded")
    given = made.parse_intermixed_args(arguments)
    if len(given.choice) != 2:
        raise UsageError(
            f"grux compare needs two runs and was given {len(given.choice)}; `grux ls` lists them, and a run "
            "in another folder is named by its path."
        )
    # Each word for itself: a run compared with itself is still two.
    found = [chosen([word], given.runs) for word in given.choice]
    for word, runs in zip(given.choice, found, strict=True):
        if len(runs) != 1:
            names = ", ".join(run.run_id for run in runs[:4])
            what = f"{len(runs)} runs ({names}{', ...' * (len(runs) > 4)})" if runs else "no run"
            raise UsageError(f"{word} is {what}, and grux compare needs one run there; `grux ls` lists them.")

    from grux.results.compare import as_json, compare_runs, show_difference
    from grux.results.record import plain

    difference = compare_runs(found[0][0], found[1][0])
    if given.json:
        print(json.dumps(plain(as_json(difference)), indent=1, ensure_ascii=False))
    else:
        print(show_difference(difference))
    return 0
