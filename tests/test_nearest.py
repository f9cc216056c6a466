"""Which key was meant: dotted keys by their parts."""

import pytest

from grux.nearest import nearest_keys

KEYS = ["arch", "arch.strategy", "arch.cell.input_init", "model", "model.features", "seed_strategy", "seeds"]
KEYS += ["steps", "a_strategy"]


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("strategy", "arch.strategy"),
        ("stratgy", "arch.strategy"),
        ("seed_stratgy", "seed_strategy"),
        ("mdoel.features", "model.features"),
        ("model.feature", "model.features"),
        ("features", "model.features"),
        ("arch.cell.imput_init", "arch.cell.input_init"),
        ("arch.input_init", "arch.cell.input_init"),
        ("seed", "seeds"),
        ("arc", "arch"),
    ],
)
def test_the_key_that_was_meant(key, meant):
    assert nearest_keys(key, KEYS) == [meant]


def test_another_word_is_no_misspelling():
    assert nearest_keys("temperature", KEYS) == []
    assert nearest_keys("model.horizon", KEYS) == []
    assert nearest_keys("seed", KEYS, n=2) == ["seeds"]
