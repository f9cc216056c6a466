"""Which values a trial tries: a pure function of the search's seed, the trial's number and the trials before it.

Nothing is kept between trials, so a search that was interrupted, or is asked for more trials, goes on as it would have.
"""

import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from grux.errors import UsageError
from grux.results.space import WHOLE, Distribution, Value, rounded

Space = Mapping[str, Distribution]
History = Sequence[tuple[Mapping[str, Value], float]]
"""Values and scores of the trials before, larger is better."""
Sampler = Callable[[Space, int, int, History], dict[str, Value]]
"""(space, seed, number, history) -> values."""

STARTUP = 10
"""Trials that are drawn at random before TPE has something to go by, as many as Optuna takes."""


def random(space: Space, seed: int, number: int, history: History = ()) -> dict[str, Value]:
    """Independent draws, the same for every arch; a setting more or less in the space does not move the others."""
    draws = {key: np.random.default_rng([seed, number, zlib.crc32(key.encode())]).random() for key in space}
    return {key: space[key].at(quantile) for key, quantile in draws.items()}


def tpe(space: Space, seed: int, number: int, history: History = ()) -> dict[str, Value]:
    """The tree-structured Parzen estimator (Bergstra et al. 2011) of Optuna, after STARTUP random trials.

    The study is made anew from the history for each trial; what a search leaves on disk are its run folders alone.
    """
    optuna = require_optuna()
    if number < STARTUP or not history:
        return random(space, seed, number)
    own_seed = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
    sampler = optuna.samplers.TPESampler(seed=own_seed, n_startup_trials=0)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    scales = {key: _scale(one) for key, one in space.items()}
    for values, score in history:
        params = {key: values[key] for key in space}
        study.add_trial(optuna.trial.create_trial(value=score, params=params, distributions=scales))
    asked = study.ask(scales).params
    return {key: rounded(asked[key], one) for key, one in space.items()}


def require_optuna() -> Any:
    """Optuna, quiet; four seconds to import. Raises UsageError where it is not installed."""
    try:
        import optuna
    except ImportError as error:
        raise UsageError('sampler=tpe needs optuna, which is not installed: pip install "grux[tune]".') from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def _scale(one: Distribution) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if one.kind == "choice":
        return CategoricalDistribution(list(one.arguments))
    low, high = one.bounds
    log = one.kind.startswith("log")
    return IntDistribution(int(low), int(high), log=log) if one.kind in WHOLE else FloatDistribution(low, high, log=log)


SAMPLERS: dict[str, Sampler] = {"random": random, "tpe": tpe}
