"""`grux table`: mean and interval over seeds, differences to a reference, several data sets; from files alone."""

from collections.abc import Sequence

from grux.commands.runs import chosen, own_view, parser
from grux.results.selection import RULES
from grux.results.statistics import INTERVALS
from grux.results.view import BASELINES, View, show_of

EXAMPLES = """\
  grux table                                          every run: a row per arch, a column per data set
  grux table experiment=quickstart                    one experiment, as experiments/quickstart/table.yaml wants it
  grux table data=sst2 --columns model.features       the effect of the width
  grux table --reference gru                          differences to GRU over common seeds, with p and P(better)
  grux table --aggregate elman:gru                    IQM over all data sets; elman is 0 and GRU is 1
  grux table --select last                            the same runs under another selection rule
  grux table --show parameters,flops,model.features   other columns beside the scores
  grux table arch=gru,lstm --metric ece --format latex   for a paper
  grux table --split validation --format csv > table.csv
"""

# What stands on the command line goes before table.yaml, and that before these.
DEFAULTS = View()


def run(arguments: Sequence[str]) -> int:
    made = parser("table", "The table of finished runs; missing and failed ones show as such.", EXAMPLES)
    made.add_argument("--rows", metavar="KEY", help=f"a row for each value, or KEY,KEY (default: {DEFAULTS.rows})")
    made.add_argument("--columns", metavar="KEY", help=f"a column for each (default: {DEFAULTS.columns})")
    made.add_argument("--split", help=f"test, validation, or a further test set (default: {DEFAULTS.split})")
    made.add_argument("--metric", help="default: the primary metric of each task")
    made.add_argument(
        "--select",
        choices=RULES,
        help=f"whose scores: the best step on validation, the last weights, the last evaluations' mean, or the best "
        f"seed's (default: {DEFAULTS.select})",
    )
    made.add_argument("--last", type=int, metavar="K", help=f"evaluations of mean_last_k (default: {DEFAULTS.last})")
    made.add_argument("--interval", choices=INTERVALS, help="Student's t or BCa bootstrap (default: t)")
    made.add_argument("--reference", metavar="ROW", help="compare every row with this one, seed by seed ('' for none)")
    made.add_argument(
        "--aggregate", metavar="ZERO:ONE", help="all data sets in one number; rows or numbers that are 0 and 1 on each"
    )
    made.add_argument(
        "--show",
        type=show_of,
        metavar="NAMES",
        help="columns beside the scores: parameters, flops, training_flops, state, seconds, compile_seconds, "
        f"examples_per_second, config keys; or none (default: {','.join(DEFAULTS.show)})",
    )
    made.add_argument(
        "--baselines",
        choices=BASELINES,
        help="untrained methods: a row each, the best of each line, or none (default: all)",
    )
    made.add_argument("--reported", metavar="FILE", help="a CSV of papers' scores, shown beside the measured ones")
    made.add_argument("--format", default="text", choices=["text", "markdown", "latex", "csv", "html"])
    given = made.parse_intermixed_args(arguments)

    from grux.results.render import render
    from grux.results.table import make_table

    names = [name for name in vars(given) if name in View.__dataclass_fields__]
    changes = {name: value for name in names if (value := getattr(given, name)) is not None}
    # An empty text takes back what table.yaml asks for.
    changes |= {name: None for name in ("reference", "aggregate", "reported") if changes.get(name) == ""}
    view = own_view(given.choice).changed(**changes)
    print(render(make_table(chosen(given.choice, given.runs), view), given.format))
    return 0
