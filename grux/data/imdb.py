"""IMDb: 50,000 whole film reviews, positive or negative (Maas et al. 2011, ACL).

25,000 for training and 25,000 for testing, of different films, as many positive (7 to 10 stars) as negative (1 to 4).
No validation split comes with them: a tenth of the training reviews, chosen by a hash of the text, is held out.
Reviews have 230 words on average and up to 2,500, so that here, other than in sets of sentences, `max_length` cuts the
reviews of every split. Line breaks in the markup of the web (<br />) are blanks.
"""

import re
from pathlib import Path

from grux.arguments import PositiveInt
from grux.data.base import Dataset
from grux.data.card import Card
from grux.data.extract import contents
from grux.data.fetch import File
from grux.data.files import hashes
from grux.data.texts import Kept, Labelled, classification_dataset, hash_splits
from grux.data.tokenise import Kind
from grux.errors import DataError

LICENCE = "none stated; cite Maas et al. 2011"
FILES = (
    File(
        dataset="imdb",
        name="aclImdb_labelled.tar.gz",  # the official archive without its 50,000 unlabelled reviews
        sha256="44be6e1e98c58f6559c688a4ccbf865bfe279c3220c0c2d9f729e425b027a3a3",
        bytes=27675003,
        licence=LICENCE,
        url="https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz",
        others=("c40f74a18d3b61f90feba1e17730e0d38e8b97c05fde7008942e91923d1658fe",),
    ),
)
CARD = Card(
    name="imdb",
    task="classification",
    summary="Whole film reviews of IMDb, positive or negative (Maas et al. 2011).",
    sizes={"train": 22520, "validation": 2480, "test": 25000},
    licence=LICENCE,
)
CLASSES = ("negative", "positive")
OF_CLASS = 12_500
"""Reviews of each class in training and in test."""
MEMBER = re.compile(r"aclImdb/(train|test)/(neg|pos)/(\d+)_(\d+)\.txt")
FOLDERS = re.compile(r"aclImdb/(train|test)/(neg|pos)/")
STARS = {"neg": range(1, 5), "pos": range(7, 11)}
BREAK = re.compile(r"(<br ?/?>\s*)+")


def imdb(
    *,
    tokens: Kind,
    vocabulary_size: PositiveInt | None,
    min_count: PositiveInt,
    lower: bool,
    max_length: PositiveInt | None,
    keep: Kept,
    buckets: PositiveInt,
) -> Dataset:
    """Reviews with class 0 negative, 1 positive; those longer than `max_length` tokens are cut, `keep` stays."""
    path = FILES[0].path()
    found = read_reviews(path)
    for split, rows in found.items():
        for label, name in enumerate(CLASSES):
            if (count := sum(own == label for _, own in rows)) != OF_CLASS:
                raise DataError(f"{path}: {count} {name} reviews of {split}, not {OF_CLASS}; get a good copy.")
    parts = hash_splits([text for text, _ in found["train"]], validation=0.1, test=0.0)
    return classification_dataset(
        name=CARD.name,
        splits={
            **{split: [found["train"][i] for i in parts[split]] for split in ("train", "validation")},
            "test": found["test"],
        },
        classes=CLASSES,
        files=hashes(FILES),
        tokens=tokens,
        vocabulary_size=vocabulary_size,
        min_count=min_count,
        lower=lower,
        max_length=max_length,
        keep=keep,
        buckets=buckets,
    )


def read_reviews(path: Path) -> dict[str, list[Labelled]]:
    """The reviews of train and test in the order of their numbers, out of the archive.

    Raises `DataError` for a file in the folders of labelled reviews that is none, or that is empty or not UTF-8.
    """
    found: dict[str, list[tuple[int, int, str]]] = {"train": [], "test": []}
    for name, content in contents(path, ""):
        if not FOLDERS.match(name):
            continue
        match = MEMBER.fullmatch(name)
        if match is None or int(match[4]) not in STARS[match[2]]:
            raise DataError(f"{path}: {name!r} is not named NUMBER_STARS.txt as a review of its folder is.")
        try:
            text = " ".join(BREAK.sub(" ", content.decode()).split())
        except UnicodeDecodeError as error:
            raise DataError(f"{path}: byte {error.start} of {name!r} is not UTF-8; get a good copy.") from None
        if not text:
            raise DataError(f"{path}: {name!r} is empty; get a good copy.")
        found[match[1]].append((int(match[3]), CLASSES.index({"neg": "negative", "pos": "positive"}[match[2]]), text))
    return {split: [(text, label) for _, label, text in sorted(rows)] for split, rows in found.items()}
