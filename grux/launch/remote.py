"""Jobs in the hands of a scheduler, such as Slurm or Ray: submit, wait, tell what became of each.

What became of a job stands in its run folder, which all machines share; the scheduler is asked only whether a job is
over and, where the folder is silent, why. The loop here is the same for every scheduler.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from grux.errors import Interrupted
from grux.launch.fence import refuse_below_a_launcher
from grux.launch.jobs import Job
from grux.launch.outcome import Before, End, Outcome, already, outcome_of
from grux.launch.overview import Overview, Silent, progress_of
from grux.launch.settings import Settings
from grux.training.interrupts import StopFlag


class Scheduler(Protocol):
    """Where jobs run."""

    at_a_time: int
    """Jobs that may run side by side."""
    requeues: int
    """How often `follow` submits a job again that was stopped and saved."""
    queues: bool
    """Whether it keeps to `at_a_time` itself: then it gets all jobs at once."""
    poll: float
    """Seconds between two looks."""

    def submit(self, jobs: Sequence[Job]) -> list[Any]:
        """Hand the jobs over, in one go; a handle for each."""
        ...

    def adopt(self, job: Job) -> Any | None:
        """The handle of a job that an earlier launcher has submitted and that is not over; None where there is none."""
        ...

    def end(self, handle: Any) -> End | None:
        """How a job ended; None while it waits or runs."""
        ...

    def number(self, handle: Any) -> str | None:
        """Its number with the scheduler, as the job itself knows it."""
        ...

    def leave(self, handles: Sequence[Any]) -> str:
        """The user wants to stop: what is done about the jobs that are not over, in words for the user."""
        ...


@dataclass
class _Submitted:
    number: int
    attempt: int
    handle: Any
    before: Before
    began: float


def follow(
    jobs: Sequence[Job], settings: Settings, scheduler: Scheduler, *, overview: Overview | None = None
) -> list[Outcome]:
    """Submit what is missing and tell the outcome of every job, in their order; see `grux.launch.local.launch`."""
    refuse_below_a_launcher()
    show = overview or Silent()
    outcomes: dict[int, Outcome] = {}
    left: list[_Submitted] = []
    waiting: list[tuple[int, int]] = []
    for number, job in enumerate(jobs):
        if handle := scheduler.adopt(job):
            left.append(_Submitted(number, 1, handle, Before.look(job), time.monotonic()))
        elif outcome := already(job):
            outcomes[number] = outcome
        else:
            waiting.append((number, 1))
    show.start(jobs, min(scheduler.at_a_time, len(waiting) + len(left)))
    for outcome in outcomes.values():
        show.ended(outcome)
    saved = dict.fromkeys(range(len(jobs)), 0)
    words = "not started"
    try:
        with StopFlag() as stop:
            while (waiting or left) and not stop:
                room = len(waiting) if scheduler.queues else scheduler.at_a_time - len(left)
                now, waiting = waiting[:room], waiting[room:]
                if now:
                    befores = [Before.look(jobs[number]) for number, _ in now]
                    handles = scheduler.submit([jobs[number] for number, _ in now])
                    for (number, attempt), handle, before in zip(now, handles, befores, strict=True):
                        left.append(_Submitted(number, attempt, handle, before, time.monotonic()))
                for one in list(left):
                    end = scheduler.end(one.handle)
                    if end is None:
                        continue
                    left.remove(one)
                    outcome = outcome_of(
                        jobs[one.number],
                        end,
                        one.before,
                        seconds=time.monotonic() - one.began,
                        attempts=one.attempt,
                        scheduled=scheduler.number(one.handle),
                    )
                    if outcome.state == "interrupted" and saved[one.number] < scheduler.requeues and not end.asked:
                        saved[one.number] += 1
                        waiting.append((one.number, one.attempt))
                        show.again(outcome)
                    elif outcome.worth_another and one.attempt <= settings.retries:
                        waiting.append((one.number, one.attempt + 1))
                        show.again(outcome)
                    else:
                        outcomes[one.number] = outcome
                        show.ended(outcome)
                running = [(jobs[one.number], one.began) for one in left if any(progress_of(jobs[one.number]))]
                show.tick(running, len(left) + len(waiting) - len(running))
                if left and not stop:
                    time.sleep(scheduler.poll)
            if left:
                words = scheduler.leave([one.handle for one in left])
    except KeyboardInterrupt:  # a second Ctrl-C
        words = scheduler.leave([one.handle for one in left])
    finally:
        show.stop()
    for number, job in enumerate(jobs):
        if number not in outcomes:
            outcomes[number] = Outcome(job, "interrupted", Interrupted.exit_code, words, 0.0, 0)
    return [outcomes[number] for number in range(len(jobs))]
