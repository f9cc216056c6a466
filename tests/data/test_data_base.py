"""Buckets: the same batch from numpy and from a compiled step; host-side checks answer for bad data."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from grux.batch import Info
from grux.data.base import Dataset, LabelledSequences, Split, TokenPairs, Windows, take_rows
from grux.data.rolls import Rolls
from grux.errors import DataError

TOKENS = np.array([[4, 5, 6], [5, 0, 0], [6, 4, 0]], np.int32)
LENGTHS = np.array([3, 1, 2], np.int32)
IDS = np.arange(3, dtype=np.int32)
LABELS = np.array([0, 1, 1], np.int32)
CLASSIFY = Info(name="toy", task="classification", vocabulary=7, classes=("no", "yes"))
TRANSLATE = Info(name="toy", task="translation", vocabulary=7, target_vocabulary=7, max_target_length=3)
FORECAST = Info(name="toy", task="forecasting", features=2, window=3, horizon=2, season=1, mase_scale=(1.0, 1.0))


def labelled(**changes):
    given = {"tokens": TOKENS, "lengths": LENGTHS, "labels": LABELS, "ids": IDS}
    return LabelledSequences(**given | changes)


def pairs(**changes):
    given = {"sources": TOKENS, "source_lengths": LENGTHS, "targets": TOKENS, "target_lengths": LENGTHS, "ids": IDS}
    return TokenPairs(**given | changes)


def windows(**changes):
    given = {"series": np.arange(14, dtype=np.float32).reshape(7, 2), "starts": IDS, "window": 3, "horizon": 2}
    return Windows(**given | changes, ids=IDS)


def dataset(bucket, info=CLASSIFY, **changes):
    split = Split((bucket,))
    return Dataset(info, {"train": split, "validation": split, "test": split} | changes, files={})


def rolls():
    frames = np.zeros((3, 5, 2), np.uint8)
    frames[0, 1:5, 0] = frames[1, 1, 1] = frames[2, 1:3, 1] = 1
    return Rolls(frames=frames, lengths=np.array([4, 1, 2], np.int32), ids=IDS)


@pytest.mark.parametrize("bucket", [labelled(), pairs(), windows(), rolls()], ids=lambda bucket: type(bucket).__name__)
def test_numpy_and_compiled_agree(bucket):
    index = np.array([2, -1, 0], np.int32)
    plain = take_rows(bucket, bucket.arrays, index)
    arrays = {key: jnp.asarray(value) for key, value in bucket.arrays.items()}
    compiled = jax.jit(lambda arrays, index: take_rows(bucket, arrays, index))(arrays, index)
    assert jax.tree.structure(plain) == jax.tree.structure(compiled)
    for a, b in zip(jax.tree.leaves(plain), jax.tree.leaves(compiled), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    assert plain.mask.dtype == plain.target_mask.dtype == bool
    np.testing.assert_array_equal(plain.inputs[1], plain.inputs[2])  # a filler row reads example 0
    assert not plain.mask[1].any()
    assert not plain.target_mask[1].any()
    assert plain.mask[0].any()
    assert plain.target_mask[0].any()


def test_seeds_map_over_take_rows():
    bucket = labelled()
    index = np.array([[2, -1], [0, 1]], np.int32)
    arrays = {key: jnp.asarray(value) for key, value in bucket.arrays.items()}
    batch = jax.vmap(lambda index: take_rows(bucket, arrays, index))(index)
    np.testing.assert_array_equal(batch.mask.sum(-1), [[2, 0], [3, 1]])


def test_labelled_sequences():
    batch = take_rows(labelled(), labelled().arrays, np.array([1, 0], np.int32))
    assert batch.inputs.tolist() == [[5, 0, 0], [4, 5, 6]]
    assert batch.mask.tolist() == [[True, False, False], [True, True, True]]
    assert batch.targets.tolist() == [1, 0]
    assert batch.target_mask.tolist() == [True, True]


def test_windows_hold_past_and_future():
    bucket = windows()
    batch = bucket.take(bucket.arrays, np.array([0, 2], np.int32))
    assert batch.inputs[:, :, 0].tolist() == [[0, 2, 4], [4, 6, 8]]
    assert batch.targets[:, :, 1].tolist() == [[7, 9], [11, 13]]


def bad_series(value):
    series = windows().arrays["series"].copy()
    series[4, 1] = value
    return series


BAD = {
    "id above": (labelled(tokens=np.where(TOKENS == 6, 7, TOKENS)), CLASSIFY, "example 0 has token id 7, outside 0..6"),
    "id below": (labelled(tokens=np.where(TOKENS == 6, -1, TOKENS)), CLASSIFY, "token id -1"),
    "label above": (labelled(labels=LABELS + 1), CLASSIFY, "example 1 has class 2, outside 0..1"),
    "label below": (labelled(labels=LABELS - 1), CLASSIFY, "class -1"),
    "zero length": (labelled(lengths=LENGTHS * [1, 1, 0]), CLASSIFY, "example 2 has no token"),
    "length beyond": (labelled(lengths=LENGTHS + 1), CLASSIFY, "a length of 4"),
    "left padding": (labelled(lengths=LENGTHS - [1, 0, 0]), CLASSIFY, "example 0 has tokens after its end"),
    "doubled ids": (labelled(ids=IDS * 0), CLASSIFY, "each once"),
    "empty": (labelled(tokens=TOKENS[:0], lengths=LENGTHS[:0], labels=LABELS[:0], ids=IDS[:0]), CLASSIFY, "is empty"),
    "target id": (pairs(targets=np.where(TOKENS == 6, 9, TOKENS)), TRANSLATE, "target: example 0 has token id 9"),
    "nan": (windows(series=bad_series(np.nan)), FORECAST, "row 4, channel 1 is nan"),
    "infinite": (windows(series=bad_series(np.inf)), FORECAST, "row 4, channel 1 is inf"),
    "channels": (windows(), dataclasses.replace(FORECAST, features=3), "3 channels and 0 covariates are declared"),
    "window": (windows(), dataclasses.replace(FORECAST, window=4), "windows of"),
    "start": (windows(starts=IDS + 1), FORECAST, "window 2 starts at row 3, outside 0..2"),
}


@pytest.mark.parametrize(("bucket", "info", "message"), BAD.values(), ids=BAD)
def test_bad_data_are_refused(bucket, info, message):
    with pytest.raises(DataError, match=message):
        dataset(bucket, info)


def test_missing_split_and_references():
    split = Split((labelled(),))
    with pytest.raises(DataError, match="the test split is missing"):
        Dataset(CLASSIFY, {"train": split, "validation": split}, files={})
    with pytest.raises(DataError, match="1 references for 3 examples"):
        dataset(pairs(), TRANSLATE, test=Split((pairs(),), references=("a",)))


def test_artifact_hashes():
    made = dataclasses.replace(dataset(labelled()), artifacts={"a": b"abc"})
    assert made.artifact_hashes["a"].startswith("ba7816bf")
