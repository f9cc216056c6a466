"""Train the runs of one program, and say what came out of each."""

from grux.commands.closing import closing_line
from grux.commands.loggers import only_our_warnings
from grux.config.axes import value_at
from grux.errors import GruxError
from grux.together import Program


def train_together(program: Program, *, title: str) -> list[GruxError]:
    """Train and record runs as one program; gives the errors of those that diverged.

    Raises GruxError where something else went wrong: it did so for all. The number of runs is added to `title`.
    """
    from grux.run import run_together

    print(f"together, by {', '.join(program.values)}: {', '.join(program.names)}", flush=True)
    with only_our_warnings():
        outcomes = run_together(program, title=f"{title}, {len(program.waiting)} runs together")
    errors = []
    for plan, outcome in zip(program.waiting, outcomes, strict=True):
        if isinstance(outcome, GruxError):
            errors.append(type(outcome)(f"in {plan.folder}: {outcome}"))
        elif plan.config["progress"] != "none":
            values = " ".join(f"{key}={value_at(plan.config, key)}" for key in program.values)
            print(closing_line(f"{title} {values}", outcome, plan.folder), flush=True)
    return errors
