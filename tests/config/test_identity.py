"""A run's id changes with what can change its result, and with nothing else."""

import re

import pytest

from grux.config import compose, run_id
from grux.config.identity import LATER, MAX_SLUG, slug


def id_of(*overrides: str) -> str:
    composed = compose(overrides)
    return run_id(composed.config, composed.choices)


def test_form():
    assert re.fullmatch(r"gru-first_token-[0-9a-f]{8}", id_of())


@pytest.mark.parametrize(
    "override",
    [
        "runs=elsewhere",
        "group=other",
        "run_dir=here",
        "force=true",
        "progress=none",
        "tensorboard=false",
        "max_to_keep=7",
        "checkpoint_every=3",
        "plugins=[mylab]",
        "clip=1",
        "seeds=1",
        "match_tolerance=0.5",
    ],
)
def test_what_changes_no_result_changes_no_id(override: str):
    assert id_of(override) == id_of()


@pytest.mark.parametrize(
    "override",
    ["seeds=2", "model.features=3", "learning_rate=2e-3", "optimizer=sgd", "flops=1e9", "seconds=3", "role=search"],
)
def test_what_changes_a_result_changes_the_id(override: str):
    assert id_of(override) != id_of()


def test_runs_that_were_named_before_a_setting_came_are_still_found():
    composed = compose()
    before = {key: value for key, value in composed.config.items() if key not in (*LATER, "match_tolerance")}
    assert run_id(before, composed.choices) == id_of()


def test_a_width_that_is_solved_is_no_part_of_the_id():
    matched = ("match=parameters", "budget=1000")
    assert id_of(*matched) == id_of(*matched, "model.features=3") != id_of()
    for word in ("budget=1001", "match_tolerance=0.1", "match_rule=chung", "model.depth=2"):
        assert id_of(*matched, word) != id_of(*matched)


def test_order_of_overrides_does_not_matter():
    assert id_of("seeds=2", "batch_size=8") == id_of("batch_size=8", "seeds=2")


@pytest.mark.parametrize("name", ["../../etc", "a b", "A/B", "x" * 300, "é", "", "con:nul", "-.-"])
def test_slug_is_safe_as_a_file_name(name: str):
    made = slug(name, "data")
    assert re.fullmatch(r"[a-z0-9_]+(-[a-z0-9_]+)*", made) and len(made) <= MAX_SLUG
