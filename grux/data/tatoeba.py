"""Tatoeba: sentences that volunteers translated between English and French, as manythings.org/anki gives them.

142,787 pairs of 2017-09-29, most of them short. One sentence has several translations, so pairs that share a sentence
of either language, and those that share one with these, are a family; a hash of a family's first English sentence
decides its split. So no sentence stands in two splits, in neither direction, and both directions have the same splits.
"""

from collections.abc import Sequence
from typing import Literal

from grux.arguments import PositiveInt
from grux.data.base import Dataset
from grux.data.card import Card
from grux.data.extract import read_member
from grux.data.fetch import File
from grux.data.files import hashes
from grux.data.texts import Pair, hash_splits, plain, translation_dataset
from grux.data.tokenise import Kind
from grux.errors import DataError, UsageError

Language = Literal["en", "fr"]
LICENCE = "CC-BY 2.0 FR; attribution: www.manythings.org/anki and tatoeba.org"
FILES = (
    File(
        dataset="tatoeba",
        name="fra-eng.zip",
        sha256="16c4f7d0df9e7c5e6c54cdb0447f3f4a18a55052ff5e2e0b27dd4a06c0e49d04",
        bytes=2951390,
        licence=LICENCE,
        url="https://raw.githubusercontent.com/genimind/seq2seq/master/fra-eng.zip",
    ),
)
CARD = Card(
    name="tatoeba",
    task="translation",
    summary="Short sentences in English and French, either direction, by volunteers of tatoeba.org.",
    sizes={"train": 137029, "validation": 2979, "test": 2779},
    licence=LICENCE,
)
HELD_OUT = 0.02  # of the families, for validation and for test each: about 2,900 pairs


def tatoeba(
    *,
    source: Language,
    target: Language,
    max_words: PositiveInt | None,
    tokens: Kind,
    vocabulary_size: PositiveInt | None,
    min_count: PositiveInt,
    lower: bool,
    joint: bool,
    max_length: PositiveInt | None,
    buckets: PositiveInt,
) -> Dataset:
    """Pairs from `source` to `target`; those with more than `max_words` words on a side are left out of all splits.

    Words are what stands between blanks. References keep their case whatever `lower` says.
    """
    if source == target:
        raise UsageError(f"source={source} and target={target} are one language; choose en and fr.")
    pairs = read_pairs()
    parts = hash_splits(families(pairs), validation=HELD_OUT, test=HELD_OUT)
    # After the splits: a pair stands where it stands, whatever else is left out.
    kept = {split: [pairs[i] for i in places if _fits(pairs[i], max_words)] for split, places in parts.items()}
    left = sum(map(len, kept.values()))
    notes = ()
    if max_words is not None:
        notes = (
            f"{len(pairs) - left} of {len(pairs)} pairs with more than {max_words} words on a side were left out.",
        )
    if not all(kept.values()):
        raise UsageError(f"max_words={max_words} leaves {left} pairs, too few for three splits; raise it.")
    return translation_dataset(
        name=CARD.name,
        splits={split: [(a, b) if source == "en" else (b, a) for a, b in rows] for split, rows in kept.items()},
        files=hashes(FILES),
        tokens=tokens,
        vocabulary_size=vocabulary_size,
        min_count=min_count,
        lower=lower,
        joint=joint,
        max_length=max_length,
        buckets=buckets,
        notes=notes,
    )


def read_pairs() -> list[Pair]:
    """English and French, in the order of the file."""
    (file,) = FILES
    text = read_member(file.path(), "fra.txt").decode()
    pairs = []
    for number, line in enumerate(text.removesuffix("\n").split("\n"), start=1):
        cells = [cell.strip() for cell in line.split("\t")]
        if len(cells) != 2 or not all(cells):
            raise DataError(f"{file.name}, fra.txt, line {number}: English, a tab and French are needed.")
        pairs.append((cells[0], cells[1]))
    return pairs


def families(pairs: Sequence[Pair]) -> list[str]:
    """For each pair the first English sentence, in alphabetical order, of those that it hangs together with."""
    above: dict[tuple[int, str], tuple[int, str]] = {}

    def first(sentence: tuple[int, str]) -> tuple[int, str]:
        while (other := above.setdefault(sentence, sentence)) != sentence:
            above[sentence] = above[other]
            sentence = other
        return sentence

    for english, french in pairs:
        one, other = sorted((first((0, plain(english))), first((1, plain(french)))))
        above[other] = one
    return [first((0, plain(english)))[1] for english, _ in pairs]


def _fits(pair: Pair, max_words: int | None) -> bool:
    return max_words is None or max(len(text.split()) for text in pair) <= max_words
