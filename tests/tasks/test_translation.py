"""Token cross-entropy by hand, perplexity, and the scores that sacrebleu prints."""

import importlib.util

import jax.numpy as jnp
import numpy as np
import pytest

from grux.batch import Batch, Info
from grux.errors import DataError, UsageError
from grux.tasks.translation import Translation

INFO = Info(name="toy", task="translation", vocabulary=7, target_vocabulary=5, max_target_length=9)


def task(label_smoothing=0.0, selection="loss"):
    return Translation(info=INFO, label_smoothing=label_smoothing, selection=selection)


def token_batch(lengths=(4, 2, 0), seed=0):
    targets = np.random.default_rng(seed).integers(0, 5, (len(lengths), 4)).astype(np.int32)
    mask = np.arange(4)[None, :] < np.array(lengths)[:, None]
    return Batch(None, None, jnp.asarray(targets), jnp.asarray(mask))


def random_logits(seed=1):
    return jnp.asarray(np.random.default_rng(seed).normal(size=(3, 4, 5)), jnp.float32)


def by_hand(logits, batch, smoothing):
    """A plain loop over tokens."""
    total = 0.0
    for row, step in zip(*np.nonzero(batch.target_mask), strict=True):
        scores = np.asarray(logits[row, step], np.float64)
        log_p = scores - np.log(np.exp(scores).sum())
        wanted = np.full(5, smoothing / 5)
        wanted[int(batch.targets[row, step])] += 1 - smoothing
        total -= float(wanted @ log_p)
    return total


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_loss_is_a_loop_over_real_tokens(smoothing):
    data, logits = token_batch(), random_logits()
    total, count = task(smoothing).loss(logits, data)
    assert float(total) == pytest.approx(by_hand(logits, data, smoothing), rel=1e-5)
    assert int(count) == 6


def test_metrics_are_not_smoothed_and_perplexity_is_exp_of_the_mean():
    data, logits = token_batch(), random_logits()
    got = task(0.1).summarise(task(0.1).metrics(logits, data))
    assert got["loss"] == pytest.approx(by_hand(logits, data, 0.0) / 6, rel=1e-5)
    assert got["perplexity"] == pytest.approx(np.exp(got["loss"]))
    assert task().summarise(task().metrics(jnp.zeros((3, 4, 5)), data))["perplexity"] == pytest.approx(5.0, rel=1e-5)


def test_what_stands_on_padding_does_not_matter_and_fillers_give_zero():
    data, logits = token_batch(), random_logits()
    noisy = jnp.where(data.target_mask[..., None], logits, jnp.nan)
    assert task(0.1).loss(noisy, data) == task(0.1).loss(logits, data)
    assert task(0.1).loss(logits, token_batch(lengths=(0, 0, 0))) == (0.0, 0)


HYPOTHESES = ["The dog bit the man.", "It wasn't surprising.", "The man had just bitten him."]
REFERENCES = ["The dog bit the man.", "It was not unexpected.", "The man bit him first."]


def test_scores_are_those_that_sacrebleu_prints():
    # printf '%s\n' "The dog bit the man." "It wasn't surprising." "The man had just bitten him." > hypotheses
    # printf '%s\n' "The dog bit the man." "It was not unexpected." "The man bit him first." > references
    # sacrebleu references -i hypotheses -m bleu chrf -w 5
    scores, signatures = task().corpus_metrics(HYPOTHESES, REFERENCES)
    assert scores["bleu"] == pytest.approx(45.06751, abs=1e-5)
    assert scores["chrf"] == pytest.approx(50.04306, abs=1e-5)
    assert signatures["bleu"].startswith("nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:")
    assert signatures["chrf"].startswith("nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:")


def test_a_perfect_translation_scores_100():
    scores, _ = task().corpus_metrics(REFERENCES, REFERENCES)
    assert scores == pytest.approx({"bleu": 100.0, "chrf": 100.0})


def test_lists_of_different_length_are_refused():
    with pytest.raises(DataError, match="2 translations cannot be scored against 3"):
        task().corpus_metrics(HYPOTHESES[:2], REFERENCES)


def test_a_missing_sacrebleu_is_told_before_training(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"grux\[text\]"):
        task()
