"""MR, sentence polarity data 1.0: 5,331 positive and 5,331 negative snippets of film reviews (Pang and Lee 2005, ACL).

Lower-cased and cut into tokens by their authors. There is no standard split: the literature (Kim 2014, arXiv 1408.5882)
takes the mean of ten folds. Here snippets are ranked by a hash and cut into ten folds; `fold` is the test split, the
next one (after the last, the first) is validation, and the other eight are learned from.
"""

import hashlib
from collections.abc import Sequence
from typing import Annotated

from grux.arguments import PositiveInt, Range
from grux.data.base import Dataset
from grux.data.card import Card
from grux.data.fetch import File
from grux.data.files import hashes
from grux.data.texts import Labelled, classification_dataset, plain, read_lines
from grux.data.tokenise import Kind
from grux.errors import DataError

LICENCE = "none stated; cite Pang and Lee 2005"
ADDRESS = "https://raw.githubusercontent.com/harvardnlp/sent-conv-torch/master/data/raw"
ENCODING = "cp1252"  # the bytes 0x85 and 0x91 to 0x97 are dots, quotes and dashes there, and no characters in latin-1
FOLDS = 10


def _file(part: str, sha256: str, size: int) -> File:
    name = f"rt-polarity.{part}"
    return File(dataset="mr", name=name, sha256=sha256, bytes=size, licence=LICENCE, url=f"{ADDRESS}/{name}")


FILES = (
    _file("neg", "4ace77d558c3714723843f1d65b60c01e3417b208180f0728808d76ad0eeeaca", 612256),
    _file("pos", "2da124ec187a9d5a29c9f04e91c540e02baed5af8868f550a26bd6fd4dbf8bf0", 626139),
)
CARD = Card(
    name="mr",
    task="classification",
    summary="Film review snippets, positive or negative, in ten folds (Pang and Lee 2005).",
    sizes={"train": 8529, "validation": 1066, "test": 1067},
    licence=LICENCE,
)


def mr(
    *,
    fold: Annotated[int, Range(0, FOLDS - 1)],
    tokens: Kind,
    vocabulary_size: PositiveInt | None,
    min_count: PositiveInt,
    lower: bool,
    max_length: PositiveInt | None,
    buckets: PositiveInt,
) -> Dataset:
    """Snippets with class 0 negative, 1 positive. `fold` is the test split and the next one validation."""
    rows: list[Labelled] = []
    for label, file in enumerate(FILES):
        lines = read_lines(file.path(), ENCODING)
        if empty := [number for number, line in enumerate(lines, 1) if not line.strip()]:
            raise DataError(f"{file.path()}, line {empty[0]}: there is no text; get a good copy.")
        rows += [(line.strip(), label) for line in lines]
    places = folds([text for text, _ in rows])
    names = {fold: "test", (fold + 1) % FOLDS: "validation"}
    splits: dict[str, list[Labelled]] = {"train": [], "validation": [], "test": []}
    for row, place in zip(rows, places, strict=True):
        splits[names.get(place, "train")].append(row)
    return classification_dataset(
        name=CARD.name,
        splits=splits,
        classes=("negative", "positive"),
        files=hashes(FILES),
        tokens=tokens,
        vocabulary_size=vocabulary_size,
        min_count=min_count,
        lower=lower,
        max_length=max_length,
        buckets=buckets,
        notes=(
            f"Fold {fold} of {FOLDS} is tested, fold {(fold + 1) % FOLDS} is validation, the others are trained on.",
        ),
    )


def folds(texts: Sequence[str]) -> list[int]:
    """The fold 0..9 of each text: equal texts share one, and folds have equally many different texts, up to one."""
    different = {plain(text) for text in texts}
    ranked = sorted(different, key=lambda text: hashlib.blake2b(text.encode(), digest_size=8).digest())
    place = {text: rank * FOLDS // len(ranked) for rank, text in enumerate(ranked)}
    return [place[plain(text)] for text in texts]
