"""Which hyperparameters matter: the share of the variance of the score that each explains, over the whole space.

Functional ANOVA on a random forest (Hutter et al. 2014, "An efficient approach for assessing hyperparameter
importance"), as Optuna implements it. A setting counts on the scale on which it is drawn: a log-uniform one by its
logarithm.
"""

import math
import warnings
from collections.abc import Mapping, Sequence

from grux.errors import UsageError
from grux.results.space import Distribution, Value

FEWEST = 4
"""Trials below which a forest has nothing to say."""
TREES = 64


def importance(
    space: Mapping[str, Distribution], trials: Sequence[tuple[Mapping[str, Value], float]]
) -> dict[str, float]:
    """Setting -> share, largest first; shares add up to 1. `trials`: values and score of each.

    {} where the trials are too few or all scores the same. Raises UsageError where Optuna is missing.
    """
    if len(trials) < FEWEST or len({score for _, score in trials}) < 2:
        return {}
    try:
        import optuna
        import sklearn  # noqa: F401 (what the forest is made of; Optuna asks for it too late)
        from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
    except ImportError as error:
        raise UsageError(
            'the importance of hyperparameters needs optuna and scikit-learn: pip install "grux[tune]".'
        ) from error

    def scale(key: str) -> BaseDistribution:
        one = space[key]
        if one.kind == "choice":
            return CategoricalDistribution(list(one.arguments))
        low, high = one.bounds
        return (
            FloatDistribution(math.log(low), math.log(high))
            if one.kind.startswith("log")
            else FloatDistribution(low, high)
        )

    def place(key: str, value: Value) -> Value:
        return math.log(value) if space[key].kind.startswith("log") and isinstance(value, (int, float)) else value

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    scales = {key: scale(key) for key in space}
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for values, score in trials:
        params = {key: place(key, values[key]) for key in space}
        study.add_trial(optuna.trial.create_trial(value=score, params=params, distributions=scales))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of parts of Optuna that it calls experimental
        evaluator = optuna.importance.FanovaImportanceEvaluator(n_trees=TREES, seed=0)
        shares = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return {key: float(share) for key, share in shares.items()}
