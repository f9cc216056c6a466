"""Stanford Sentiment Treebank: sentences of film reviews with a class for every phrase (Socher et al. 2013, EMNLP).

The sentences come as binary trees whose nodes are the phrases, each with one of five classes; the standard splits have
8,544, 1,101 and 2,210 of them (SST-5). With `classes: 2` neutral texts are left out and the others are positive or
negative (SST-2: 6,920, 872 and 1,821 sentences). With `phrases` a model learns from every phrase of the training trees,
as Socher et al. and Tai et al. 2015 (arXiv 1503.00075) do; validation and test are whole sentences always.

Tokens are those of the trees: punctuation stands alone, "it 's", "do n't". A text of one's own is written so too.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from grux.arguments import PositiveInt
from grux.data.base import Dataset
from grux.data.card import Card
from grux.data.fetch import File
from grux.data.files import hashes
from grux.data.texts import Labelled, classification_dataset, read_lines
from grux.data.tokenise import Kind
from grux.errors import DataError

LICENCE = "none stated (Socher et al. 2013); download only"
ADDRESS = "https://raw.githubusercontent.com/prrao87/fine-grained-sentiment/master/data/sst/raw_data"
NAMES = {
    5: ("very negative", "negative", "neutral", "positive", "very positive"),
    2: ("negative", "positive"),
}
NEUTRAL = 2
MARK = re.compile(r"[()]|[^ ()]+")  # a word may hold a no-break space: "8 1/2"
# How the Penn Treebank writes characters that mean something in its own files; a pair of words for a pair of brackets.
WRITTEN = {"-LRB-": "(", "-RRB-": ")", "-LSB-": "[", "-RSB-": "]", "-LCB-": "{", "-RCB-": "}"}


def _file(part: str, sha256: str, size: int) -> File:
    name = f"{part}.txt"
    return File(dataset="sst", name=name, sha256=sha256, bytes=size, licence=LICENCE, url=f"{ADDRESS}/{name}")


FILES = (
    _file("train", "e2f3f41b0b1e6d4dddc0effe3bfc2d27ed8928079aa9a03d652311614fc5feb7", 2160058),
    _file("dev", "0e9336aed6e4730e19f58d00a77b3f0297efdb755f7b5e598c98a05e3f97ea40", 280825),
    _file("test", "6e54806dee95cf80cd918e7dfb3f6770f6df24bf826f289a4d1f709e1c8f6761", 559614),
)
CARD = Card(
    name="sst",
    task="classification",
    summary="Film review sentences in five classes or two, and all phrases of their trees (SST-5, SST-2).",
    sizes={"train": 8544, "validation": 1101, "test": 2210},
    licence=LICENCE,
)


def sst(
    *,
    classes: Literal[5, 2],
    phrases: bool,
    tokens: Kind,
    vocabulary_size: PositiveInt | None,
    min_count: PositiveInt,
    lower: bool,
    max_length: PositiveInt | None,
    buckets: PositiveInt,
) -> Dataset:
    """`classes`: 5 from very negative to very positive, or 2 without neutral ones.

    `phrases`: learn from each different phrase of the training trees, whole sentences among them; the vocabulary is
    that of the sentences all the same.
    """
    trees = {split: read_trees(file.path()) for split, file in zip(("train", "validation", "test"), FILES, strict=True)}
    splits = {split: [of_class(tree[-1], classes) for tree in found] for split, found in trees.items()}
    sentences = {split: [row for row in rows if row is not None] for split, rows in splits.items()}
    notes: tuple[str, ...] = ()
    learned: dict[str, Sequence[Labelled]] = dict(sentences)
    if phrases:
        learned["train"] = distinct_phrases(trees["train"], classes)
        nodes = sum(map(len, trees["train"]))
        which = "different phrases" if classes == 5 else "different phrases that are not neutral,"
        notes = (
            f"Trained on the {len(learned['train'])} {which} of {nodes} tree nodes, each once, whole sentences among "
            "them.",
        )
    return classification_dataset(
        name=CARD.name,
        splits=learned,
        vocabulary_of=[text for text, _ in sentences["train"]],
        classes=NAMES[classes],
        files=hashes(FILES),
        tokens=tokens,
        vocabulary_size=vocabulary_size,
        min_count=min_count,
        lower=lower,
        max_length=max_length,
        buckets=buckets,
        notes=notes,
    )


def of_class(phrase: Labelled, classes: int) -> Labelled | None:
    """The phrase with its class out of so many; None for a neutral one where there are two."""
    text, label = phrase
    if classes == 5:
        return phrase
    return None if label == NEUTRAL else (text, int(label > NEUTRAL))


def distinct_phrases(trees: Sequence[Sequence[Labelled]], classes: int) -> list[Labelled]:
    """Every different phrase of the trees with its class, in the order in which they come first.

    Were there a phrase with other classes in other trees (there is none), it would be kept with each of them.
    """
    found = (of_class(phrase, classes) for tree in trees for phrase in tree)
    return list(dict.fromkeys(phrase for phrase in found if phrase is not None))


def read_trees(path: Path) -> list[list[Labelled]]:
    """The phrases of each tree, (text, class 0..4), children before their parent, so that the sentence is the last.

    A line is `(3 (2 It) (4 (2 's) (4 good)))`: a class, and one word or two nodes. Raises `DataError` for another.
    """
    return [_phrases(line, f"{path}, line {number}") for number, line in enumerate(read_lines(path), 1)]


def _phrases(line: str, where: str) -> list[Labelled]:
    words: list[str] = []
    found: list[Labelled] = []
    opened: list[tuple[int, list[str]]] = []  # (number of words before it, what stands in it: its class and children)
    for mark in MARK.findall(line):
        if not opened and (mark != "(" or found):
            raise DataError(f"{where}: {mark!r} stands outside the tree; one line is one tree in brackets.")
        if mark == "(":
            opened.append((len(words), []))
        elif mark != ")":
            inside = opened[-1][1]
            if not inside and mark not in ("0", "1", "2", "3", "4"):
                raise DataError(f"{where}: {mark!r} stands where a class 0 to 4 is needed.")
            if inside:
                words.append(_word(mark))
                mark = "word"
            inside.append(mark)
        else:
            start, inside = opened.pop()
            if inside[1:] not in (["word"], ["node", "node"]):
                text = " ".join(words[start:])
                raise DataError(f"{where}: the node of {text!r} holds neither one word nor two nodes after its class.")
            found.append((" ".join(words[start:]), int(inside[0])))
            if opened:
                if not opened[-1][1]:
                    raise DataError(f"{where}: a node stands where a class 0 to 4 is needed.")
                opened[-1][1].append("node")
    if opened or not found:
        raise DataError(f"{where}: {'the tree is not closed' if opened else 'there is no tree'}; repair the file.")
    return found


def _word(written: str) -> str:
    return WRITTEN.get(written, written.replace("\\/", "/").replace("\\*", "*"))
