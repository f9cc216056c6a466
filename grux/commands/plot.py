"""`grux plot`: the figures of finished runs, as PNG and SVG."""

import sys
from collections.abc import Sequence
from pathlib import Path

from grux.commands.runs import chosen, own_view, parser
from grux.results.plots import KINDS
from grux.results.selection import RULES

EXAMPLES = """\
  grux plot                                     learning curves of every run, a panel per data set, into plots/
  grux plot experiment=quickstart --kind final      laid out as experiments/quickstart/table.yaml wants it
  grux plot data=sst2 --metric accuracy
  grux plot data=sst2 --kind final --select last    the same runs under another selection rule
  grux plot group=width --kind pareto --against flops
  grux plot data=sst --kind confusion           which class is taken for which, a panel for each arch
  grux plot --kind profile --aggregate elman:gru    all data sets on one scale: elman is 0 and GRU is 1
  grux plot arch=gru --rows model.features      a line for each width

Kinds:
{kinds}
""".format(kinds="\n".join(f"  {kind:11} {what}" for kind, what in KINDS.items()))


def run(arguments: Sequence[str]) -> int:
    made = parser("plot", "Figures of runs: learning curves, final scores, cost, memory.", EXAMPLES)
    made.add_argument("--kind", default="curves", choices=list(KINDS), help="which figure (default: %(default)s)")
    made.add_argument("--against", metavar="COST", help="pareto: parameters, flops or seconds (default: parameters)")
    made.add_argument("--aggregate", metavar="ZERO:ONE", help="profile: what is 0 and 1 on each data set")
    made.add_argument("--metric", help="default: the primary metric; for curves the one that chose the best step")
    made.add_argument("--split", help="final, pareto, profile: another split than test")
    made.add_argument("--select", choices=RULES, help="final, pareto, profile: whose scores, as in `grux table`")
    made.add_argument("--last", type=int, metavar="K", help="final, pareto, profile: evaluations of mean_last_k")
    made.add_argument("--rows", metavar="KEY", help="a colour for each value (default: arch)")
    made.add_argument("--columns", metavar="KEY", help="a panel for each (default: data)")
    made.add_argument("--to", default="plots", metavar="FOLDER", help="where pictures go (default: %(default)s)")
    given = made.parse_intermixed_args(arguments)

    from grux.results.figure import matplotlib, save
    from grux.results.plots import make_figure, options_of

    matplotlib()  # where it is missing, that comes before any question about the runs
    layout = {name: value for name in ("rows", "columns") if (value := getattr(given, name)) is not None}
    names = ("metric", "split", "select", "last", "against", "aggregate")
    said = {name: value for name in names if (value := getattr(given, name)) is not None}
    view = own_view(given.choice).changed(**layout)
    options = options_of(given.kind, view) | said
    figure = make_figure(given.kind, chosen(given.choice, given.runs), rows=view.rows, columns=view.columns, **options)
    for sentence in figure.left_out:
        print(f"grux: left out: {sentence}", file=sys.stderr)
    for path in save(figure, Path(given.to)):
        print(path)
    return 0
