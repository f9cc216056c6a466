"""CTC against the sum over every path, and error rates by hand."""

import dataclasses
import importlib.util
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from grux.batch import SPECIAL_TOKENS, Batch, Info
from grux.errors import DataError, UsageError
from grux.tasks.transcription import Transcription

FIRST = len(SPECIAL_TOKENS)
INFO = Info(name="toy", task="transcription", features=2, target_vocabulary=FIRST + 2)


def collapsed(path):
    return [each for each, _ in itertools.groupby(path) if each]


def stripped(labels, gap):
    return [int(each) for each in "".join(map(str, labels)).strip(str(gap))]


def plain_nats(logits, steps, labels):
    """- log of the probability of all paths of classes that collapse to the labels, one path at a time."""
    shares = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    total = 0.0
    for path in itertools.product(range(logits.shape[1]), repeat=steps):
        if collapsed(path) == labels:
            total += math.prod(shares[step, each] for step, each in enumerate(path))
    return -math.log(total)


STEPS, TEXTS = (4, 3, 4, 0), ([1, 2], [2, 2], [1], [])


def data():
    mask = np.arange(4)[None, :] < np.array(STEPS)[:, None]
    targets = np.zeros((4, 3), np.int32)
    for row, labels in zip(targets, TEXTS, strict=True):
        row[: len(labels)] = np.array(labels) + FIRST - 1
    target_mask = np.arange(3)[None, :] < np.array([len(labels) for labels in TEXTS])[:, None]
    outputs = np.random.default_rng(0).normal(size=(4, 4, 3)).astype(np.float32) * 2
    return jnp.asarray(outputs), Batch(*map(jnp.asarray, (np.zeros((4, 4, 2), np.float32), mask, targets, target_mask)))


def test_the_loss_is_the_sum_over_all_paths():
    outputs, batch = data()
    total, count = Transcription(info=INFO, selection="ler").loss(outputs, batch)
    wanted = sum(
        plain_nats(np.asarray(row), steps, labels)
        for row, steps, labels in zip(outputs, STEPS, TEXTS, strict=True)
        if labels
    )
    assert float(total) == pytest.approx(wanted, rel=1e-5) and int(count) == 5


def test_padding_and_fillers_count_for_nothing():
    task, (outputs, batch) = Transcription(info=INFO, selection="ler"), data()
    whole = task.metrics(outputs, batch)["loss"]
    parts = [
        task.metrics(outputs[row : row + 1], jax.tree.map(lambda x, r=row: x[r : r + 1], batch)) for row in range(4)
    ]
    assert float(whole[0]) == pytest.approx(sum(float(part["loss"][0]) for part in parts), rel=1e-5)
    assert [float(value) for value in parts[3]["loss"]] == [0.0, 0.0]
    gradient = jax.grad(lambda x: task.loss(x, batch)[0])(outputs)
    assert jnp.isfinite(gradient).all() and not gradient[3].any() and not gradient[1, 3].any()
    assert gradient[:2, :3].any(-1).all()
    assert [float(value) for value in parts[3]["ler"]] == [0.0, 0]
    assert set(task.summarise(task.metrics(outputs, batch))) == {"loss", "ler"}


def plain_distance(written, wanted):
    """Wagner and Fischer's table, cell by cell."""
    table = [list(range(len(wanted) + 1))]
    for i, each in enumerate(written, 1):
        table.append([i])
        for j, label in enumerate(wanted, 1):
            before = table[i - 1]
            table[i].append(min(before[j] + 1, before[j - 1] + (each != label), table[i][j - 1] + 1))
    return table[-1][-1]


def test_the_label_error_rate_is_the_edit_distance_of_what_paths_collapse_to():
    random = np.random.default_rng(1)
    steps, lengths = random.integers(0, 13, 200), random.integers(0, 7, 200)
    classes, labels = random.integers(0, 4, (200, 12)), random.integers(1, 4, (200, 6))
    rows = list(zip(classes.tolist(), steps, labels.tolist(), lengths, strict=True))
    wanted = sum(plain_distance(collapsed(path[:n]), text[:m]) for path, n, text, m in rows)
    outputs = 5.0 * jax.nn.one_hot(jnp.asarray(classes), 4)
    masks = [np.arange(width) < each[:, None] for width, each in ((12, steps), (6, lengths))]
    targets = np.where(masks[1], labels + FIRST - 1, 0)
    batch = Batch(*map(jnp.asarray, (np.zeros((200, 12, 2), np.float32), masks[0], targets, masks[1])))
    info = Info(name="toy", task="transcription", features=2, target_vocabulary=FIRST + 3)
    errors, count = Transcription(info=info, selection="ler").metrics(outputs, batch)["ler"]
    assert (float(errors), int(count)) == (wanted, lengths.sum()) and 0 < wanted < steps.sum()
    # Class 2 as what stands between words: at the ends it counts for nothing.
    wanted = sum(plain_distance(stripped(collapsed(path[:n]), 2), text[:m]) for path, n, text, m in rows)
    spaced = Transcription(info=dataclasses.replace(info, gap=FIRST + 1), selection="ler")
    assert float(spaced.metrics(outputs, batch)["ler"][0]) == wanted < errors
    assert Transcription(info=info, selection="loss").selection == "loss"


def test_error_rates_by_hand():
    scores, signatures = Transcription(info=INFO, selection="ler").corpus_metrics(
        ["one too", "", "six"], ["one two", "nine", "six six"]
    )
    # Of five words one is replaced and two are left out; of 18 characters w for o ("too"), "nine" and " six" are lost.
    assert scores == {"wer": pytest.approx(3 / 5), "cer": pytest.approx((1 + 4 + 4) / 18)}
    assert set(signatures) == {"wer", "cer"} and "decode:greedy" in signatures["wer"]
    with pytest.raises(DataError, match="1 transcripts cannot be scored against 2 references"):
        Transcription(info=INFO, selection="ler").corpus_metrics(["a"], ["a", "b"])


def test_without_jiwer_it_says_so_before_the_training(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"jiwer, which is not installed; run: pip install \"grux\[speech\]\""):
        Transcription(info=INFO, selection="ler")
