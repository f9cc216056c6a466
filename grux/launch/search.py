"""A search with Optuna: ask for settings, run them as jobs, tell the validation score.

The study is a file in the folder of the group, so an interrupted search goes on and a finished one is not begun again.
Optuna itself and not hydra-optuna-sweeper: of that, 1.3 pins Optuna < 3, stops at the first NaN and adds to a stored
study at every call. (`grux tune` gives several arches equal budgets; this searches whatever is given.)
"""

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep

from grux.arguments import NonNegativeInt, PositiveInt
from grux.errors import UsageError
from grux.launch.jobs import Job
from grux.launch.shares import how_many
from grux.results.select import WITHOUT_EFFECT

if TYPE_CHECKING:
    import optuna

Direction = Literal["minimize", "maximize"]
Run = Callable[[list[list[str]]], list[float | None]]
"""Runs a batch of jobs, given by their overrides, and gives the score of each; None for one that failed."""


@dataclass(frozen=True)
class Search:
    """See `configs/hydra/sweeper/grux_optuna.yaml`."""

    trials: PositiveInt = 20
    batch: PositiveInt | None = None
    sampler: Literal["tpe", "random"] = "tpe"
    seed: NonNegativeInt = 0
    direction: Direction | None = None

    def run(
        self, overrides: Sequence[Override], *, first: Callable[[list[str]], tuple[Job, bool]], run: Run
    ) -> "optuna.Study":
        """Finish the study of these overrides: settings that are swept are its space, the others are fixed.

        `first` tells of some overrides their job and whether its score is better when higher.
        """
        space, fixed = space_of(overrides)
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        job, higher = first([*fixed, *(f"{key}={example(d)}" for key, d in space.items())])
        study = open_study(job, fixed, space, self.direction or ("maximize" if higher else "minimize"))
        batch = self.batch or how_many(job.config["launcher"]["jobs"], self.trials)
        kind = {"tpe": optuna.samplers.TPESampler, "random": optuna.samplers.RandomSampler}[self.sampler]
        # With the same seed a study that goes on would ask for its first trials once more.
        seed = self.seed + len(study.trials)
        study.sampler = kind(seed=seed, **({"constant_liar": True} if self.sampler == "tpe" else {}))
        _try_failed_again(study)
        # What a killed search was at: the same jobs again, which go on from where they were.
        begun = [(t.number, t.params) for t in study.trials if t.state == optuna.trial.TrialState.RUNNING]
        while True:
            over = sum(trial.state.is_finished() for trial in standing(study))
            while len(begun) < min(batch, self.trials - over):
                trial = study.ask(space)
                begun.append((trial.number, trial.params))
            if not begun:
                return study
            scores = run([[*fixed, *(f"{key}={text(v)}" for key, v in params.items())] for _, params in begun])
            for (number, _), score in zip(begun, scores, strict=True):
                if score is None or math.isnan(score):
                    study.tell(number, state=optuna.trial.TrialState.FAIL)
                else:
                    study.tell(number, score)
            begun = []


AGAIN = "again"
"""Attribute of a trial: the number of the failed one whose values it tries once more. Optuna changes no ended trial."""


def standing(study: "optuna.Study") -> list["optuna.trial.FrozenTrial"]:
    """The trials of a study without those that failed and were tried again."""
    made_good = {trial.user_attrs.get(AGAIN) for trial in study.trials}
    return [trial for trial in study.trials if trial.number not in made_good]


def _try_failed_again(study: "optuna.Study") -> None:
    """Have the study ask for the values of trials that failed before it asks for others."""
    import optuna

    for trial in standing(study):
        if trial.state == optuna.trial.TrialState.FAIL:
            study.enqueue_trial(trial.params, user_attrs={AGAIN: trial.number})


def space_of(overrides: Sequence[Override]) -> tuple[dict[str, Any], list[str]]:
    """(distributions of Optuna by key, the overrides that are fixed)."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    space: dict[str, Any] = {}
    fixed: dict[str, str] = {}
    for override in overrides:
        key, value = override.get_key_element(), override.value()
        if isinstance(value, IntervalSweep):
            low, high, log = value.start, value.end, "log" in value.tags
            assert low is not None and high is not None
            if not low <= high or (log and low <= 0):
                need = "0 < low <= high" if log else "low <= high"
                raise UsageError(f"{override.input_line}: an interval needs {need}.")
            if isinstance(low, int) and isinstance(high, int):
                space[key] = IntDistribution(low, high, log=log)
            else:
                space[key] = FloatDistribution(low, high, log=log)
        elif isinstance(value, RangeSweep) and all(isinstance(x, int) for x in (value.start, value.stop, value.step)):
            numbers = list(value.range())
            if not numbers:
                raise UsageError(f"{override.input_line}: the range is empty; widen it.")
            step = abs(value.step) if isinstance(value.step, int) else 1
            space[key] = IntDistribution(int(min(numbers)), int(max(numbers)), step=step)
        elif override.is_sweep_override():
            choices = list(dict.fromkeys(override.sweep_string_iterator()))
            if not choices:
                raise UsageError(f"{override.input_line} matches nothing; widen it.")
            space[key] = CategoricalDistribution(choices)
        else:
            fixed[key] = f"{key}={override.get_value_element_as_str()}"
    if not space:
        raise UsageError(
            "a search needs something to choose, like 'learning_rate=tag(log,interval(1e-4,1e-1))' or arch=gru,lstm."
        )
    return space, [line for key, line in fixed.items() if key not in space]


def open_study(job: Job, fixed: Sequence[str], space: dict[str, Any], direction: Direction) -> "optuna.Study":
    """The study of this question, kept in the folder of its group; another space or other settings are another one."""
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    said = [word for word in fixed if word.split("=")[0].split(".")[0] not in WITHOUT_EFFECT]
    question = repr((sorted(said), sorted((key, repr(d)) for key, d in space.items()), direction))
    name = f"{job.config['group']}-{hashlib.sha256(question.encode()).hexdigest()[:8]}"
    folder = Path(job.config["runs"]) / job.config["group"]
    folder.mkdir(parents=True, exist_ok=True)
    # A journal of lines: it survives a kill at any moment, and several processes may write it.
    storage = JournalStorage(JournalFileBackend(str(folder / "study.jsonl")))
    return optuna.create_study(study_name=name, storage=storage, direction=direction, load_if_exists=True)


def example(distribution: Any) -> str:
    """Some value of a distribution."""
    low = getattr(distribution, "low", None)
    return distribution.choices[0] if low is None else text(low)


def text(value: Any) -> str:
    """A value as a word of the command line; choices are such words already."""
    return value if isinstance(value, str) else repr(value)


def all_diverged(study: "optuna.Study") -> bool:
    """Whether every trial gave its answer, and none of them a score."""
    trials = standing(study)
    return bool(trials) and not any(trial.value is not None and math.isfinite(trial.value) for trial in trials)


def summary(study: "optuna.Study") -> str:
    """What came out of a study, in one line."""
    import optuna

    trials = [trial for trial in standing(study) if trial.state.is_finished()]
    told = [trial.value for trial in trials if trial.state == optuna.trial.TrialState.COMPLETE]
    diverged = sum(value is None or not math.isfinite(value) for value in told)
    count = f"{len(trials)} trial{'s' * (len(trials) != 1)}"
    words = f"{study.study_name}: {count}, {len(trials) - len(told)} failed, {diverged} diverged"
    if len(told) == diverged:
        return f"{words}; none has a score"
    chosen = " ".join(f"{key}={text(value)}" for key, value in study.best_params.items())
    return f"{words}; best validation score {study.best_value:.6g} with {chosen}"
