"""The search itself: trials for every contestant, then the best values of each on fresh seeds.

What a trial tried and where its run lies is written down before the run starts; everything else is read from the run
folders. So the same command goes on wherever it was stopped: what is done is not done again, a trial that failed is
tried again, one that diverged has its answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from grux.errors import Diverged, Interrupted, UsageError
from grux.launch.jobs import Job, told_apart
from grux.launch.local import launch
from grux.launch.outcome import Outcome
from grux.launch.overview import make_overview
from grux.launch.settings import settings_here
from grux.launch.sweep import described
from grux.launch.together import start_all
from grux.results.record import read_run, write_json
from grux.results.trials import LIKE, STUDY, Study, Trial, outcome, read_study, read_trial, worst_score
from grux.together import programs
from grux.tuning.plan import Contestant, Incomplete, Plan
from grux.tuning.samplers import SAMPLERS, History


@dataclass(frozen=True)
class Proposed:
    """A trial before it is run."""

    contestant: Contestant
    number: int
    job: Job


def run_search(plan: Plan) -> None:
    """Run what is missing of the trials, then what is missing of the results.

    Raises Incomplete where a trial failed, Interrupted where the search was stopped.
    """
    _require_one_search(plan)
    for contestant in plan.contestants:
        _open(plan, contestant)
    numbers = range(plan.search.trials)
    # Random trials know nothing of each other and can all run at once; TPE's learn from those before.
    rounds = [numbers] if plan.search.sampler == "random" else [[number] for number in numbers]
    ends: list[Outcome] = []
    for those in rounds:
        proposed = [_propose(plan, contestant, number) for number in those for contestant in plan.contestants]
        ends += run_jobs([one.job for one in proposed if not _tried(one.job)])
    _require_all_tried(plan, ends)
    finals = [_final(plan, contestant) for contestant in plan.contestants]
    ends = run_jobs([job for job in finals if not job.done])
    if failed := [end for end in ends if end.state != "done"]:
        raise Incomplete(
            f"{len(failed)} of {len(finals)} final runs failed (first: {failed[0].job.title}: {failed[0].first_line}); "
            "the same command tries again.",
            failed[0].exit_code,
        )


def run_jobs(jobs: Sequence[Job]) -> list[Outcome]:
    """Run these jobs, each once however often it is named, and tell how each ended.

    Trials that differ only in what `together` names are one program, trained in this process.

    The one place that knows how trials are run. Raises Interrupted where the user stopped them.
    """
    jobs = told_apart(list({job.folder: job for job in jobs}.values()))
    if not jobs:
        return []

    def start(alone: Sequence[Job]) -> list[Outcome]:
        settings = settings_here([job.config for job in alone])
        return launch(alone, settings, overview=make_overview(alone[0].config["progress"], described))

    joint = [program for program in programs([job for job in jobs if not job.done]) if program.values]
    ends = start_all(jobs, joint, start)
    stopped = [end for end in ends if end.state in ("interrupted", "busy")]
    if stopped:
        raise Interrupted(f"{stopped[0].first_line or 'stopped'}; the same command goes on with the search.")
    return ends


def _require_one_search(plan: Plan) -> None:
    """Raises UsageError where the folder has contestants of another search: one report would compare them."""
    folder, wanted = plan.folder / STUDY, plan.settings
    named = {contestant.file for contestant in plan.contestants}
    for path in sorted(folder.glob("*.json")):
        there = read_study(plan.folder, path.stem).settings
        for key in LIKE:
            if there.get(key) != wanted[key]:
                values = "" if key in ("data", "task") else f" ({there.get(key)}, asked for is {wanted[key]})"
                raise UsageError(f"{plan.folder} holds a search with another {key}{values}; choose another group=NAME.")
        if path.stem not in named and there.get("trials") != wanted["trials"]:
            raise UsageError(
                f"the search of {there.get('contestant')} in {plan.folder} has {there.get('trials')} trials and this "
                f"one would have {wanted['trials']}; name all contestants in one command, or choose another group=NAME."
            )


def _open(plan: Plan, contestant: Contestant) -> None:
    """The study file of a contestant, made or found. Raises UsageError where it is one of another search."""
    folder = plan.folder / STUDY
    path, wanted = folder / f"{contestant.file}.json", {"contestant": contestant.name, **plan.settings}
    if not path.exists():
        (folder / contestant.file).mkdir(parents=True, exist_ok=True)
        write_json(path, wanted)
        return
    there = read_study(plan.folder, contestant.file).settings
    if there.get("trials", 0) > plan.search.trials:
        raise UsageError(
            f"the search of {contestant.name} in {plan.folder} has {there['trials']} trials; ask for as many or more, "
            "or choose another group=NAME."
        )
    write_json(path, {**there, **wanted})


def _propose(plan: Plan, contestant: Contestant, number: int) -> Proposed:
    """The trial of this number: as it was written down, else drawn and written down."""
    path = plan.folder / STUDY / contestant.file / f"{number:04d}.json"
    if path.exists():
        trial = read_trial(plan.folder, path)
        job = plan.trial(contestant, trial.values)
        if job.folder.name != trial.run.path.name:
            raise UsageError(
                f"trial {number} of {contestant.name} in {plan.folder} was made with other settings; choose another "
                "group=NAME, or give the settings of before."
            )
        return Proposed(contestant, number, job)
    draw = SAMPLERS[plan.search.sampler]
    values = draw(plan.search.space, plan.search.seed, number, _history(plan, contestant, number))
    job = plan.trial(contestant, values)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, {"number": number, "values": values, "run": job.folder.name})
    return Proposed(contestant, number, job)


def _history(plan: Plan, contestant: Contestant, number: int) -> History:
    """What is known when trial `number` is drawn: larger is better, a diverged trial is as bad as the worst."""
    if plan.search.sampler == "random":
        return ()
    study = read_study(plan.folder, contestant.file)
    worst, sign = worst_score([study]), 1 if study.higher_is_better else -1
    before = [trial for trial in study.trials if trial.number < number and trial.counts]
    known = [(trial.values, worst if trial.score is None else trial.score) for trial in before]
    return [(values, sign * score) for values, score in known if score is not None]


def _tried(job: Job) -> bool:
    """Whether the run of a trial has given its answer; to diverge is one."""
    return outcome(read_run(job.folder))[0] in ("done", "diverged")


def _require_all_tried(plan: Plan, ends: Sequence[Outcome]) -> None:
    studies = [read_study(plan.folder, contestant.file) for contestant in plan.contestants]
    left = {study.contestant: sum(not trial.counts for trial in study.trials) for study in studies}
    if any(left.values()):
        failed = [end for end in ends if end.state != "done" and end.exit_code != Diverged.exit_code]
        why = (
            f" (first: {failed[0].job.title}: {failed[0].first_line.rstrip('.')}; {failed[0].folder})" if failed else ""
        )
        counts = ", ".join(f"{count} of {name}" for name, count in left.items() if count)
        raise Incomplete(
            f"trials failed: {counts}, each out of {plan.search.trials}{why}; the same command tries them again, and "
            "the best values are trained only when every contestant has had all its trials.",
            failed[0].exit_code if failed else 1,
        )


def _final(plan: Plan, contestant: Contestant) -> Job:
    """The job of a contestant's result, written down in its study file.

    `final` names the runs of the best values, one for each choice of seeds, and of these the one asked for last.
    """
    study = read_study(plan.folder, contestant.file)
    best = _best(plan, study)
    job = plan.final(contestant, best.values)
    aside = plan.folder / STUDY / contestant.file / "superseded"
    before = study.settings.get("final") or {}
    runs = [Path(str(name)).name for name in before.get("runs", [before["run"]] if before else [])]
    if before and before.get("values") != best.values:
        # More trials found better values: the results of fewer ones are kept, but out of the way of tables.
        moved = [_set_aside(plan.results / name, aside) for name in runs if name != job.folder.name]
        if any(moved):
            print(f"{contestant.name}: better values were found; the result of the search before is now in {aside}")
        runs = []
    if not job.folder.exists() and read_run(aside / job.folder.name).state == "done":
        job.folder.parent.mkdir(parents=True, exist_ok=True)
        (aside / job.folder.name).rename(job.folder)
        job = plan.final(contestant, best.values)
    runs = [*(name for name in runs if name != job.folder.name), job.folder.name]
    note = {"run": job.folder.name, "runs": runs, "trial": best.number, "values": best.values}
    write_json(plan.folder / STUDY / f"{contestant.file}.json", {**study.settings, "final": note})
    return job


def _set_aside(folder: Path, aside: Path) -> bool:
    """Move a run folder, under a free name, to those that are results no more; False where there is none."""
    if not folder.is_dir():
        return False
    aside.mkdir(exist_ok=True)
    place, number = aside / folder.name, 1
    while place.exists():
        number += 1
        place = aside / f"{folder.name}-{number}"
    folder.rename(place)
    return True


def _best(plan: Plan, study: Study) -> Trial:
    if study.best is None:
        raise Diverged(
            f"all {plan.search.trials} trials of {study.contestant} diverged; search lower learning rates, like "
            "search.learning_rate=log(1e-5,1e-2)."
        )
    return study.best
