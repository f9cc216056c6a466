"""Next tokens: cross-entropy, perplexity and bits per character against numpy and by hand."""

import math

import jax.numpy as jnp
import numpy as np
import pytest

from grux.batch import Batch, Info
from grux.errors import UsageError
from grux.tasks.language_modelling import LanguageModelling


def task(characters: bool = False, selection="loss") -> LanguageModelling:
    info = Info(name="toy", task="language_modelling", vocabulary=8, continuous=True, characters=characters)
    return LanguageModelling(info=info, selection=selection)


def batch(mask) -> Batch:
    mask = jnp.array(mask, bool)
    targets = jnp.asarray(np.random.default_rng(1).integers(0, 8, mask.shape).astype(np.int32))
    return Batch(targets, mask, targets, mask)


def test_numbers_are_those_of_numpy_and_padding_counts_nothing():
    logits = np.random.default_rng(0).normal(size=(2, 3, 8)).astype(np.float32)
    given = batch([[1, 1, 1], [1, 0, 0]])
    shares = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    wanted = -sum(math.log(shares[b, t, given.targets[b, t]]) for b, t in np.argwhere(given.mask))
    total, count = task().loss(jnp.asarray(logits), given)
    assert (float(total), int(count)) == (pytest.approx(wanted, rel=1e-5), 4)
    found = task(characters=True).summarise(task().metrics(jnp.asarray(logits), given))
    assert found["loss"] == pytest.approx(wanted / 4, rel=1e-5)
    assert found["perplexity"] == pytest.approx(math.exp(wanted / 4), rel=1e-5)
    assert found["bits_per_character"] == pytest.approx(wanted / 4 / math.log(2), rel=1e-5)


def test_knowing_nothing_of_eight_tokens_is_three_bits():
    found = task(characters=True).summarise(task().metrics(jnp.zeros((2, 3, 8)), batch([[1, 1, 1]] * 2)))
    assert found["bits_per_character"] == pytest.approx(3.0) and found["perplexity"] == pytest.approx(8.0)


def test_tables_show_bits_where_tokens_are_characters_and_perplexity_elsewhere():
    assert task(characters=True).primary == "bits_per_character" and task().primary == "perplexity"
    assert "bits_per_character" not in task().summarise(task().metrics(jnp.zeros((1, 1, 8)), batch([[1]])))
    with pytest.raises(UsageError, match="needs one character for each token"):
        task(selection="bits_per_character")
    assert not task(characters=True, selection="bits_per_character").selection_higher_is_better
