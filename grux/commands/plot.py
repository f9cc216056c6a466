"""`grux plot`: learning curves with the band over seeds, as PNG and SVG."""

from collections.abc import Sequence
from pathlib import Path

from grux.commands.runs import chosen, parser

EXAMPLES = """\
  grux plot                                     one picture per data set, a curve per arch, into plots/
  grux plot experiment=quickstart --to figures
  grux plot data=sst2 --metric accuracy
"""


def run(arguments: Sequence[str]) -> int:
    made = parser("plot", "Learning curves over training steps, mean and band over seeds.", EXAMPLES)
    made.add_argument("--to", default="plots", metavar="FOLDER", help="where pictures go (default: %(default)s)")
    made.add_argument("--metric", help="default: the metric that chose the best step")
    given = made.parse_args(arguments)

    from grux.results.plots import plot_learning_curves

    for path in plot_learning_curves(chosen(given.choice, given.runs), Path(given.to), metric=given.metric):
        print(path)
    return 0
