"""A text in windows: every token is predicted once, and batches go on from one another."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grux.batch import EOS
from grux.data.base import take_rows
from grux.data.batching import epoch_plan, eval_plan, steps_per_epoch
from grux.data.streams import TextWindows, cut_by_share, language_dataset
from grux.errors import DataError


def read(text: str = "abcabd" * 20, *, steps: int = 7, **changes):
    options = {"tokens": "characters", "vocabulary_size": None, "min_count": 1, "lower": False, "end_of_line": False}
    splits = {"train": [text], "validation": [text[:31]], "test": [text[:18]]}
    return language_dataset(
        name="toy", splits=splits, files={}, steps=steps, evaluation_streams=2, **{**options, **changes}
    )


def rows_of(plan, bucket, rows: int):
    """The (input, target) pairs that each row of the batches reads, in the order of the batches."""
    found: list[list[tuple[int, int]]] = [[] for _ in range(rows)]
    for chunk in plan:
        for number in range(chunk.steps):
            index = chunk.index[number] if chunk.index.ndim == 2 else chunk.index[0, number]
            batch = take_rows(bucket, bucket.arrays, index)
            assert (batch.mask == batch.target_mask).all()
            for row in range(rows):
                real = batch.mask[row]
                found[row] += list(
                    zip(batch.inputs[row][real].tolist(), batch.targets[row][real].tolist(), strict=True)
                )
    return found


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 60), st.integers(1, 9), st.integers(1, 6), st.integers(1, 5))
def test_rows_read_the_text_from_end_to_end(size, steps, rows, steps_per_chunk):
    tokens = np.random.default_rng(size).integers(4, 9, size).astype(np.int32)
    bucket = TextWindows(tokens=tokens, steps=steps, streams=None)
    split = type("Split", (), {"buckets": (bucket,)})
    plan = epoch_plan(split, batch_size=rows, seeds=[0, 5], epoch=3, steps_per_chunk=steps_per_chunk)
    assert sum(chunk.steps for chunk in plan) == steps_per_epoch(split, rows)
    # Every token once, from the token before it, in the order of the text from the first row's start to the last's end.
    whole = [pair for row in rows_of(plan, bucket, rows) for pair in row]
    assert whole == list(zip([EOS, *tokens[:-1].tolist()], tokens.tolist(), strict=True))
    assert all((chunk.index[0] == chunk.index[1]).all() for chunk in plan)


def test_validation_is_read_in_as_many_streams_as_was_said():
    dataset = read()
    (bucket,) = dataset.splits["validation"].buckets
    found = rows_of(eval_plan(dataset.splits["validation"], 32), bucket, 2)
    assert [len(row) for row in found] == [
        21,
        10,
    ]  # five windows of 7: three for the first, what is left for the second


def test_lines_end_with_eos_and_the_vocabulary_is_that_of_training():
    dataset = language_dataset(
        name="toy",
        splits={"train": ["a <unk> b", "a"], "validation": ["c a"], "test": ["b"]},
        files={},
        tokens="blanks",
        vocabulary_size=None,
        min_count=1,
        lower=False,
        end_of_line=True,
        steps=4,
        evaluation_streams=1,
    )
    tokens = dataset.splits["train"].buckets[0].arrays["tokens"].tolist()
    a, b = 4, 5
    assert tokens == [EOS, a, 1, b, EOS, a, EOS] and dataset.info.vocabulary == 6
    assert dataset.splits["validation"].buckets[0].arrays["tokens"].tolist() == [EOS, 1, a, EOS]
    assert not dataset.info.characters and dataset.info.continuous and read().info.characters


def test_what_cannot_be_read_is_refused():
    with pytest.raises(DataError, match="toy test: the text has no token"):
        language_dataset(
            name="toy", splits={"train": ["ab"], "validation": ["a"], "test": [""]}, files={}, tokens="characters",
            vocabulary_size=None, min_count=1, lower=False, end_of_line=False, steps=2, evaluation_streams=1,
        )  # fmt: skip
    with pytest.raises(DataError, match="3 characters leave none for test"):
        cut_by_share("abc", 0.1, 0.1, "file")
    assert cut_by_share("abcdefghij", 0.2, 0.1, "file") == {"train": "abcdefg", "validation": "hi", "test": "j"}
