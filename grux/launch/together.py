"""Runs that are one program: trained in the process of the command, and what comes out of each."""

import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from grux.config.axes import value_at
from grux.errors import GruxError, Interrupted
from grux.launch.closing import closing_line
from grux.launch.jobs import Job
from grux.launch.loggers import only_our_warnings
from grux.launch.outcome import Outcome, already, not_started, outcome_in_folder
from grux.together import Program
from grux.together import programs as programs_of
from grux.training.progress import say


def train_together(program: Program, *, title: str) -> list[GruxError]:
    """Train and record runs as one program; gives the errors of those that diverged.

    Raises GruxError where something else went wrong: it did so for all. The number of runs is added to `title`.
    """
    from grux.run import run_together

    of_all = title
    if program.values:
        say(f"together, by {', '.join(program.values)}: {', '.join(program.names)}")
        of_all = f"{title}, {len(program.waiting)} runs together"
    with only_our_warnings():
        outcomes = run_together(program, title=of_all)
    errors = []
    for plan, outcome in zip(program.waiting, outcomes, strict=True):
        if isinstance(outcome, GruxError):
            errors.append(type(outcome)(f"in {plan.folder}: {outcome}") if program.values else outcome)
        elif plan.config["progress"] != "none":
            named = " ".join([title, *(f"{key}={value_at(plan.config, key)}" for key in program.values)])
            say(closing_line(named, outcome, plan.folder))
    return errors


def start_all(
    jobs: Sequence[Job], joint: Sequence[Program], start: Callable[[Sequence[Job]], list[Outcome]]
) -> list[Outcome]:
    """Run the jobs that are no part of the programs by `start`, then train the programs here."""
    shared = {plan.folder for program in joint for plan in program.waiting}
    alone = [job for job in jobs if job.folder not in shared]
    # Before this process takes devices: it keeps what it has taken of their memory.
    outcomes = start(alone) if alone else []
    if any(outcome.state == "interrupted" for outcome in outcomes):
        return outcomes + [not_started(job) for job in jobs if job.folder in shared]
    return outcomes + train_all(joint, jobs)


def train_all(programs: Sequence[Program], jobs: Sequence[Job]) -> list[Outcome]:
    """Train programs one after the other and tell what became of each of their jobs, in the order of `jobs`.

    One that fails does not stop those that follow; a signal does, and what is left is `interrupted`.
    """
    named = {job.folder: job for job in jobs}
    outcomes: dict[Path, Outcome] = {}
    stopped = False
    queue = list(programs)
    while queue:
        program = queue.pop(0)
        own = [named[plan.folder] for plan in program.waiting if plan.folder in named]
        if stopped:
            outcomes |= {job.folder: not_started(job) for job in own}
            continue
        taken = {job.folder: outcome for job in own if (outcome := already(job))}
        if taken:  # somebody else may have finished or begun some by now
            outcomes |= taken
            queue[:0] = programs_of([job for job in own if job.folder not in taken])
            continue
        began = time.monotonic()
        failure: GruxError | None = None
        try:
            train_together(program, title=own[0].named(without=program.values))
        except Interrupted:
            stopped = True
        except GruxError as error:
            failure = error
        except Exception as error:
            traceback.print_exc()
            failure = GruxError(f"{type(error).__name__}: {error}")
        seconds = time.monotonic() - began
        for job in own:
            found = outcome_in_folder(job, seconds=seconds)
            if failure and found.state == "failed":  # a config that is refused leaves no folder
                found = Outcome(job, "failed", failure.exit_code, str(failure), seconds, 1)
            if found.state != "done":
                say(f"{job.title}: {found.state}: {found.first_line}; {job.folder}")
            outcomes[job.folder] = found
    return list(outcomes.values())
