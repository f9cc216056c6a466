"""What a search for hyperparameters left behind, read from its files: the trials of each contestant and their scores.

    runs/<group>-search/study/<contestant>.json             what was searched, and how
    runs/<group>-search/study/<contestant>/0007.json        the values of trial 7, and the run that tried them
    runs/<group>-search/<run>/                               that run, a folder like every other

A score is that of the validation split, by the metric that selects each seed's best step, the mean over the seeds of
the trial. A trial in which a seed diverged has the worst score.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grux.errors import GruxError, UsageError
from grux.results.record import Run, read_json, read_run
from grux.results.schema import as_number
from grux.results.space import Value

STUDY = "study"
"""The folder of the files above, inside that of the search's runs."""
SUFFIX = "-search"
"""What the group of a search is called after that of its result."""


@dataclass(frozen=True)
class Trial:
    """One set of values. `score` is None for all but done trials; `state` is that of its run, or diverged."""

    number: int
    values: dict[str, Value]
    run: Run
    state: str
    score: float | None = None

    @property
    def counts(self) -> bool:
        """Whether it has been tried: with a score, or with none to be had."""
        return self.state in ("done", "diverged")


@dataclass(frozen=True)
class Study:
    """All trials of one contestant, in order. `higher_is_better` and `metric` are None before the first is done."""

    contestant: str
    settings: dict[str, Any]
    """space (setting -> text), sampler, trials (how many are wanted), seed, final (the config of the result's runs)."""
    trials: tuple[Trial, ...] = field(default=())

    @property
    def records(self) -> list[dict[str, Any]]:
        return [trial.run.record for trial in self.trials if trial.run.record]

    @property
    def metric(self) -> str | None:
        return next((record["selection"]["metric"] for record in self.records), None)

    @property
    def higher_is_better(self) -> bool | None:
        return next((record["selection"]["mode"] == "max" for record in self.records), None)

    @property
    def best(self) -> Trial | None:
        """The trial with the best score; of equals the first."""
        scored = [trial for trial in self.trials if trial.score is not None]
        sign = 1 if self.higher_is_better else -1
        return max(scored, key=lambda trial: (sign * (trial.score or 0.0), -trial.number), default=None)


def is_search(run: Run) -> bool:
    """Whether the run is a trial of a search: no table may show it as a result."""
    if not run.config:  # it failed before it could write one
        return (run.path.parent / STUDY).is_dir()
    return run.config.get("role") == "search"


def read_studies(folder: Path) -> list[Study]:
    """Every contestant of the search whose runs lie in `folder`, in order of their names.

    Raises UsageError where there is none, and where a study file is damaged.
    """
    files = sorted((folder / STUDY).glob("*.json"))
    if not files:
        raise UsageError(f"there is no search in {folder}; `grux tune` makes one, see `grux tune --help`.")
    return [read_study(folder, file.stem) for file in files]


def read_study(folder: Path, name: str) -> Study:
    """One contestant by the name of its file."""
    path = folder / STUDY / f"{name}.json"
    settings = _mapping(path)
    for key, kind in {"space": dict, "sampler": str, "seed": int, "trials": int}.items():
        if not isinstance(settings.get(key), kind):
            raise _damaged(path, f"{key} is missing or no {kind.__name__}")
    if not all(isinstance(text, str) for text in settings["space"].values()):
        raise _damaged(path, "a distribution is no text")
    trials = [read_trial(folder, file) for file in sorted((folder / STUDY / name).glob("*.json"))]
    return Study(str(settings.get("contestant", name)), settings, tuple(trials))


def read_trial(folder: Path, file: Path) -> Trial:
    """The trial of one file, with what its run came to."""
    content = _mapping(file)
    try:
        number, values, run_id = int(content["number"]), dict(content["values"]), str(content["run"])
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(file, error) from error
    run = read_run(folder / Path(run_id).name)
    state, score = outcome(run)
    return Trial(number, values, run, state, score)


def outcome(run: Run) -> tuple[str, float | None]:
    """(state, score) of the run of a trial."""
    if run.record is None:
        diverged = run.state == "failed" and (run.status or {}).get("kind") == "Diverged"
        return ("diverged" if diverged else run.state), None
    metric = (run.record.get("selection") or {}).get("metric")
    rows = run.record["seeds"]
    scores = [as_number((row["scores"].get("validation") or {}).get(metric)) for row in rows]
    finite = [score for score in scores if score is not None and math.isfinite(score)]
    if not rows or len(finite) < len(rows) or any(row["status"] == "diverged" for row in rows):
        return "diverged", None
    return "done", math.fsum(finite) / len(finite)


def scores(study: Study, worst: float | None) -> list[float]:
    """The score of every trial that was tried, in order; `worst` for those that diverged, which None leaves out."""
    found = [trial.score if trial.score is not None else worst for trial in study.trials if trial.counts]
    return [score for score in found if score is not None]


def worst_score(studies: Iterable[Study]) -> float | None:
    """The worst finite score of any trial: what a diverged one counts as, so that means over trials stay finite."""
    studies = list(studies)
    found = [score for study in studies for score in scores(study, None)]
    higher = next((study.higher_is_better for study in studies if study.higher_is_better is not None), None)
    return None if not found else min(found) if higher else max(found)


LIKE = ("space", "sampler", "seed", "seeds", "data", "task")
"""Settings of a search that all its contestants share, whoever came later."""


def of_one_kind(studies: Sequence[Study]) -> None:
    """Raises UsageError where contestants were searched in different ways: their curves do not compare."""
    for key in (*LIKE, "trials"):
        kinds = {str(study.settings.get(key)) for study in studies}
        if len(kinds) > 1:
            raise UsageError(
                f"these searches differ in their {key} ({', '.join(sorted(kinds))}); compare like with like."
            )


def _mapping(path: Path) -> dict[str, Any]:
    try:
        content = read_json(path)
    except GruxError as error:
        raise _damaged(path, error) from error
    if not isinstance(content, dict):
        raise _damaged(path, "it holds no mapping")
    return content


def _damaged(path: Path, why: object) -> UsageError:
    return UsageError(f"'{path}' is damaged ({why}); remove it, and the same `grux tune` writes it again.")
