"""How a search chooses: random draws that depend on nothing else, and TPE that learns from the trials before."""

import math

import pytest

from grux.results.space import parse_space
from grux.tuning.samplers import STARTUP, random, tpe

SPACE = parse_space({"rate": "log(1e-4, 1)", "width": "logint(2, 512)", "clip": "choice(1, 5, null)"})


def value(values: dict) -> float:
    """Best at a rate of 0.03 and without clipping."""
    return -abs(math.log10(values["rate"] / 0.03)) - 0.5 * (values["clip"] is not None)


def test_random_draws_are_a_function_of_seed_and_number():
    assert random(SPACE, 0, 3) == random(SPACE, 0, 3) != random(SPACE, 0, 4) != random(SPACE, 1, 3)
    smaller = {key: one for key, one in SPACE.items() if key != "rate"}
    assert random(smaller, 0, 3)["width"] == random(SPACE, 0, 3)["width"]


def test_tpe_learns_and_is_a_function_of_the_trials_before():
    pytest.importorskip("optuna")
    history: list = []
    for number in range(25):
        values = tpe(SPACE, 0, number, history)
        assert values == tpe(SPACE, 0, number, list(history))
        assert (values == random(SPACE, 0, number)) == (number < STARTUP)
        assert set(values) == set(SPACE) and 1e-4 <= values["rate"] <= 1 and type(values["width"]) is int  # type: ignore[operator]
        history.append((values, value(values)))
    early, late = ([score for _, score in part] for part in (history[:STARTUP], history[-10:]))
    assert sum(late) / len(late) > sum(early) / len(early) + 0.2
