"""`grux report`: one page about an experiment."""

from collections.abc import Sequence
from pathlib import Path

from grux.commands.runs import chosen, parser
from grux.errors import UsageError

EXAMPLES = """\
  grux report quickstart                               runs/quickstart/report.html
  grux report cells_on_text --output report.html
  grux report width --rows model.features --columns arch
  grux report quickstart data=sst2 arch=gru,lstm       some of its runs only

EXPERIMENT is the name of an experiment or of a group of runs. Its question is that of experiments/EXPERIMENT/table.yaml
(`question: ...`) or README.md; how the table is laid out, too, may stand in that table.yaml.
The page needs no network: it can be mailed, kept, or put on any server.
"""


def run(arguments: Sequence[str]) -> int:
    made = parser("report", "One page: question, answer, tables, figures, and every run of an experiment.", EXAMPLES)
    made.add_argument("--output", metavar="FILE", help="where the page goes (default: <runs>/EXPERIMENT/report.html)")
    made.add_argument("--rows", metavar="KEY", help="what is compared (default: arch)")
    made.add_argument("--columns", metavar="KEY", help="on what it is compared (default: data)")
    made.add_argument("--split", help="default: test")
    made.add_argument("--metric", help="default: the primary metric of each task")
    given = made.parse_intermixed_args(arguments)
    if not given.choice or "=" in given.choice[0] or Path(given.choice[0]).name != given.choice[0]:
        raise UsageError("grux report needs the name of an experiment, like grux report quickstart; see `grux ls`.")

    from grux.config.compose import configs_folder
    from grux.config.repeat import repeat
    from grux.results.question import question_of
    from grux.results.record import write_output
    from grux.results.report import make_report
    from grux.results.table import require_layout
    from grux.results.view import EXPERIMENTS, experiment_view

    name, *filters = given.choice
    runs = chosen([f"experiment={name}", *filters], given.runs)
    changes = {key: getattr(given, key) for key in ("rows", "columns", "split", "metric")}
    changes = {key: value for key, value in changes.items() if value is not None}
    view = experiment_view(name).changed(**changes)
    if changes:  # what was asked for in so many words must be there; what the runs cannot be, the page says
        require_layout(runs, view)
    # A group of one's own may have the name of an experiment file, and asks something else.
    asked = (
        any(run.choices.get("experiment") for run in runs)
        or not (configs_folder() / "experiment" / f"{name}.yaml").is_file()
    )
    commands = {run.path: repeat(run.config, run.choices) for run in runs if run.config}
    content = make_report(
        runs,
        title=name,
        question=question_of(name, EXPERIMENTS, configs_folder()) if asked else "",
        view=view,
        commands=commands,
    )
    output = Path(given.output) if given.output else Path(given.runs) / name / "report.html"
    write_output(output, content)
    print(output)
    return 0
