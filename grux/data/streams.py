"""One long text that goes on from batch to batch: what truncated back-propagation through time reads.

A text is cut into windows of T steps. A batch of B rows reads B streams, each an equal stretch of the text, and the
next batch the next windows of the same streams, so that a model that carries its state along has read the whole stream
before (Mikolov et al. 2010, "Recurrent neural network based language model"; Zaremba et al. 2014, arXiv 1409.2329).
Every token is predicted once, the first one from EOS.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from grux.batch import EOS, Batch, Info
from grux.data.base import Bucket, Dataset, Split
from grux.data.tokenise import Kind, learn_tokenizer
from grux.errors import DataError


class TextWindows(Bucket):
    """The windows of a text in their order; the last one may be shorter."""

    def __init__(self, *, tokens: np.ndarray, steps: int, streams: int | None):
        """tokens int32 [N]. `streams`: how many are read side by side, None for as many as a batch has rows."""
        # Window w predicts tokens w T to (w + 1) T - 1, each from the token before it.
        self.arrays = {"tokens": np.concatenate([[EOS], tokens]).astype(np.int32)}
        self.steps = steps
        self.in_order, self.streams = True, streams
        self.ids = np.arange(-(-len(tokens) // steps), dtype=np.int32)

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.steps,)

    def take(self, arrays: Mapping[str, Any], index: Any) -> Batch:
        tokens = arrays["tokens"]
        at = index[:, None] * self.steps + np.arange(self.steps, dtype=np.int32)[None, :]
        real = at < len(tokens) - 1
        at = at * real  # any place, where the text has ended
        return Batch(tokens[at] * real, real, tokens[at + 1] * real, real)

    def check(self, info: Info, where: str) -> None:
        tokens, size = self.arrays["tokens"], info.vocabulary or 0
        bad = np.flatnonzero((tokens < 0) | (tokens >= size))
        if len(bad):
            raise DataError(f"{where}: token {bad[0]} has id {tokens[bad[0]]}, outside 0..{size - 1}.")


def language_dataset(
    *,
    name: str,
    splits: Mapping[str, Iterable[str]],
    files: dict[str, str],
    tokens: Kind,
    vocabulary_size: int | None,
    min_count: int,
    lower: bool,
    end_of_line: bool,
    steps: int,
    evaluation_streams: int,
) -> Dataset:
    """Texts in windows of `steps`; a split is a list of lines, or one text as its only line.

    With `end_of_line` every line ends with EOS. Validation and test are read in `evaluation_streams` streams.
    """
    texts = {split: list(lines) for split, lines in splits.items()}
    tokenizer = learn_tokenizer(tokens, texts["train"], size=vocabulary_size, min_count=min_count, lower=lower)
    end = [EOS] * end_of_line
    made = {}
    for split, lines in texts.items():
        ids = np.array([number for line in lines for number in (*tokenizer.encode(line), *end)], np.int32)
        if not len(ids):
            raise DataError(f"{name} {split}: the text has no token; give it text.")
        streams = None if split == "train" else evaluation_streams
        made[split] = Split((TextWindows(tokens=ids, steps=steps, streams=streams),))
    info = Info(
        name=name,
        task="language_modelling",
        vocabulary=tokenizer.size,
        continuous=True,
        characters=tokens == "characters",
    )
    return Dataset(info, made, files, artifacts={tokenizer.file_name: tokenizer.save()})


def cut_by_share(text: str, validation: float, test: float, where: str) -> dict[str, str]:
    """Train, validation and test: beginning, middle and end of a text, by their shares of its characters."""
    ends = [round(len(text) * (1 - validation - test)), round(len(text) * (1 - test))]
    parts = {"train": text[: ends[0]], "validation": text[ends[0] : ends[1]], "test": text[ends[1] :]}
    for name, part in parts.items():
        if not part:
            raise DataError(f"{where}: {len(text)} characters leave none for {name}; give a longer text.")
    return parts
