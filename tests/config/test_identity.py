"""A run's id changes with what can change its result, and with nothing else."""

import re

import pytest

from grux.config import compose, run_id
from grux.config.identity import MAX_SLUG, slug


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
    ],
)
def test_what_changes_no_result_changes_no_id(override: str):
    assert id_of(override) == id_of()


@pytest.mark.parametrize(
    "override", ["seeds=2", "first_seed=1", "model.features=3", "learning_rate=2e-3", "optimizer=sgd"]
)
def test_what_changes_a_result_changes_the_id(override: str):
    assert id_of(override) != id_of()


def test_order_of_overrides_does_not_matter():
    assert id_of("seeds=2", "batch_size=8") == id_of("batch_size=8", "seeds=2")


@pytest.mark.parametrize("name", ["../../etc", "a b", "A/B", "x" * 300, "é", "", "con:nul", "-.-"])
def test_slug_is_safe_as_a_file_name(name: str):
    made = slug(name, "data")
    assert re.fullmatch(r"[a-z0-9_]+(-[a-z0-9_]+)*", made) and len(made) <= MAX_SLUG
