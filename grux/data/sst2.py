"""SST-2: sentences of film reviews, positive or negative (Socher et al. 2013), in their original text.

Sentence level with the standard splits; neutral sentences left out. No phrase labels are used, so numbers compare with
training from sentences alone.
"""

from pathlib import Path

from grux.arguments import PositiveInt
from grux.data.base import Dataset
from grux.data.card import Card
from grux.data.fetch import File
from grux.data.files import hashes
from grux.data.texts import Labelled, classification_dataset, read_table
from grux.data.tokenise import Kind
from grux.errors import DataError

LICENCE = "none stated (Socher et al. 2013); download only"
ADDRESS = "https://raw.githubusercontent.com/openai/generating-reviews-discovering-sentiment/master/data"


def _file(part: str, sha256: str, size: int) -> File:
    name = f"{part}_binary_sent.csv"
    return File(dataset="sst2", name=name, sha256=sha256, bytes=size, licence=LICENCE, url=f"{ADDRESS}/{name}")


FILES = (
    _file("train", "6003623bcb35aad3a446a265b8931b7ccab61fcc10f2e9c1fec916ff67c7be35", 726331),
    _file("dev", "f34c4987fea208fefc2d62a1b42c83a766cbfc7ce58c2a878ef953cf91f01729", 92802),
    _file("test", "519cea7ed4d22fe7ec4eccbb3d5ba6d88902a3b15ce129f476aa8364463a9fc7", 190431),
)
CARD = Card(
    name="sst2",
    task="classification",
    summary="Film review sentences, positive or negative (Stanford Sentiment Treebank, binary, original text).",
    sizes={"train": 6920, "validation": 872, "test": 1821},
    licence=LICENCE,
)


def sst2(
    *,
    tokens: Kind,
    vocabulary_size: PositiveInt | None,
    min_count: PositiveInt,
    lower: bool,
    max_length: PositiveInt | None,
    buckets: PositiveInt,
) -> Dataset:
    """Sentences with class 0 negative, 1 positive."""
    parts = zip(("train", "validation", "test"), FILES, strict=True)
    return classification_dataset(
        name=CARD.name,
        splits={split: read_labelled(file.path()) for split, file in parts},
        classes=("negative", "positive"),
        files=hashes(FILES),
        tokens=tokens,
        vocabulary_size=vocabulary_size,
        min_count=min_count,
        lower=lower,
        max_length=max_length,
        buckets=buckets,
    )


def read_labelled(path: Path) -> list[Labelled]:
    """Rows of a CSV file with the header `label,sentence` and labels 0 and 1."""
    rows = read_table(path)
    _, header = next(rows, (1, []))
    if header != ["label", "sentence"]:
        raise DataError(f"{path}, line 1: the header is {header}, but label,sentence is needed.")
    found = []
    for line, row in rows:
        if len(row) != 2 or row[0] not in ("0", "1"):
            raise DataError(f"{path}, line {line}: {row} is not a label 0 or 1 and a sentence.")
        found.append((row[1], int(row[0])))
    return found
