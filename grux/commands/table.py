"""`grux table`: mean and interval over seeds, from run folders alone."""

from collections.abc import Sequence

from grux.commands.runs import chosen, parser

EXAMPLES = """\
  grux table                                          every run: a row per arch, a column per data set
  grux table experiment=quickstart                    the runs of one experiment
  grux table data=sst2 --columns model.features       the effect of the width
  grux table arch=gru,lstm --metric f1 --format latex for a paper
  grux table --split validation --format csv > table.csv
"""


def run(arguments: Sequence[str]) -> int:
    made = parser("table", "The table of finished runs; missing and failed ones show as such.", EXAMPLES)
    made.add_argument("--rows", default="arch", metavar="KEY", help="a row for each value (default: %(default)s)")
    made.add_argument("--columns", default="data", metavar="KEY", help="a column for each (default: %(default)s)")
    made.add_argument("--split", default="test", help="test, validation, or a further test set (default: %(default)s)")
    made.add_argument("--metric", help="default: the primary metric of each task")
    made.add_argument("--format", default="text", choices=["text", "markdown", "latex", "csv", "html"])
    given = made.parse_args(arguments)

    from grux.results.render import render
    from grux.results.table import make_table

    table = make_table(
        chosen(given.choice, given.runs),
        rows=given.rows,
        columns=given.columns,
        split=given.split,
        metric=given.metric,
    )
    print(render(table, given.format))
    return 0
