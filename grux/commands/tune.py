"""`grux tune`: the same search for every arch, then the best values of each on fresh seeds."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from grux.commands.words import Parser
from grux.errors import UsageError

EPILOG = """\
Examples:
  grux tune data=sst2 arch=gru,lstm,elman trials=32 seeds=5 group=tuned
  grux tune data=sst2 arch=gru,lstm match=parameters budget=100000 trials=32 seeds=5 group=tuned
  grux tune arch=gru trials=8 'search.learning_rate=log(1e-3,1e-1)' search.clip=null
  grux tune arch=gru,lstm sampler=tpe trials=40          Optuna's TPE after ten random trials
  grux tune --report tuned                               what the files of a search say; trains nothing
  grux tune --report tuned --to figures                  and as CSV and pictures

Words of the search:
  trials=N  sampler=random|tpe  search_seed=N  search_seeds=N   how many, how, from which draws, runs of each trial
  search=NAME           a file of configs/search/, or of search/ in --config-dir (default: default)
  search.KEY=WHAT       draw KEY from log(low,high), uniform(low,high), logint(low,high), int(low,high) or
                        choice(a,b,c), quoted for the shell; null: search without it

All other words are those of `grux train`; several values (arch=gru,lstm) name contestants. Every contestant gets the
same space and as many trials; random trials are the same for all. A trial is chosen by validation, on seeds of its own,
and never sees a test split. Then the best values of each are trained on the seeds of the command line: these runs are
the result, `grux table experiment=GROUP` shows them. The same command again goes on where it was stopped.
"""
OWN = ("trials", "sampler", "search", "search_seed", "search_seeds")


def run(arguments: Sequence[str]) -> int:
    made = Parser(
        prog="grux tune",
        description="Search hyperparameters, as much for each arch, and train the best values on fresh seeds.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    made.add_argument("words", nargs="*", metavar="key=value", help="as for `grux train`, and those below")
    made.add_argument("--config-dir", "-cd", metavar="FOLDER", help="own yaml files, as for `grux train`")
    made.add_argument("--multirun", "-m", action="store_true", help="without effect: every sweep is expanded")
    made.add_argument("--report", metavar="GROUP", help="only show what the search of this group found")
    made.add_argument("--runs", default="runs", metavar="FOLDER", help="for --report: the folder of all runs")
    made.add_argument("--to", metavar="FOLDER", help="where CSV and pictures go (default: the folder of the search)")
    given = made.parse_intermixed_args(arguments)
    if given.report is not None:
        if given.words:
            raise UsageError(f"--report only shows what is there; leave out {given.words[0]}.")
        if Path(given.report).name != given.report or given.report in ("", ".."):
            raise UsageError(f"--report {given.report!r} is the name of a group, like --report default.")
        return _report(Path(given.runs) / given.report, Path(given.to) if given.to else None)
    return _tune(given.words, given.config_dir, given.to)


def _tune(words: Sequence[str], config_dir: str | None, to: str | None) -> int:
    from grux.launch.fence import refuse_below_a_launcher
    from grux.launch.jobs import read_command_line
    from grux.tuning.plan import plan_of

    refuse_below_a_launcher()
    own = [word for word in words if word.partition("=")[0] in OWN or word.startswith("search.")]
    line = read_command_line([word for word in words if word not in own], config_dir=config_dir, multirun=True)
    plan = plan_of(line, own)
    if plan.search.sampler == "tpe":
        from grux.tuning.samplers import require_optuna

        require_optuna()
    plan.check()
    from grux.tuning.search import run_search

    run_search(plan)
    return _report(plan.results, Path(to) if to else plan.folder)


def _report(results: Path, to: Path | None) -> int:
    """Print the report of the search for these results; CSV and pictures where a folder is given."""
    from grux.results.trials import SUFFIX
    from grux.results.tuning import make_report, render_report, write_csv

    report = make_report(results.with_name(results.name + SUFFIX), results)
    print(render_report(report))
    if to is None:
        return 0
    to.mkdir(parents=True, exist_ok=True)
    paths = write_csv(report, to)
    try:
        from grux.results.figure import save
        from grux.results.tuning_plot import search_figure

        paths += save(search_figure(report), to)
    except UsageError as error:  # no matplotlib: the numbers are there
        print(f"no picture: {error}")
    print("\n".join(map(str, paths)))
    return 0
