"""Dialogues of one's own: a text file with dialogue, speaker and text, a tab between them, on each line.

    7\tanna\tWhere is the key?
    7\tben\tIn the kitchen.

The lines of a dialogue stand together, in the order in which they were said; its name is any text. There is no header
and no quoting. One file is divided by a hash of each whole dialogue (80, 10, 10 %), so that no dialogue, nor one that
says the same, stands in two splits; or a file for each split. What is odd in a file is refused with its line, and the
sentence names the setting that answers it.
"""

import itertools
from pathlib import Path

from grux.arguments import PositiveInt
from grux.data.base import Dataset
from grux.data.card import Card
from grux.data.own import KEPT_OUT, Empty, near, own_hashes, own_paths, read_own_lines
from grux.data.own_texts import Example, Leaks, divided
from grux.data.sniff import TURN
from grux.data.texts import Pair, translation_dataset
from grux.data.tokenise import Kind
from grux.data.turns import SEPARATOR, joined, pairs_of
from grux.data.wording import several
from grux.errors import DataError

CARD = Card(
    name="tsv_turns",
    task="dialogue",
    summary="Your own dialogues, dialogue, speaker, text on each line: data.path=FILE.",
    sizes={},
    licence="your own",
)
Turn = tuple[int, str, str, str]
"""Line, dialogue, speaker, text."""


def tsv_turns(
    *,
    path: str | None,
    validation: str | None,
    test: str | None,
    context: PositiveInt,
    speaker: str | None,
    leaks: Leaks,
    empty: Empty,
    encoding: str,
    tokens: Kind,
    vocabulary_size: PositiveInt | None,
    min_count: PositiveInt,
    lower: bool,
    joint: bool,
    max_length: PositiveInt | None,
    buckets: PositiveInt,
) -> Dataset:
    """Each turn but the first of a dialogue, after the last `context` turns before it; of one `speaker`, or of all."""
    paths = own_paths(path, validation, test, CARD.name)
    files, notes = {}, []
    for part, file in paths.items():
        turns, lost = read_turns(file, encoding=encoding, empty=empty)
        files[part], alone = dialogues(file, turns, context=context, speaker=speaker, empty=empty)
        for count, what in ((lost, "without a cell"), (alone, "in which nothing is answered")):
            kinds = ("line", "lines") if what == "without a cell" else ("dialogue", "dialogues")
            notes += [f"Left out: {several(count, *kinds)} of {file.name} {what}."] if count else []
    parts, found = divided(files, leaks, "dialogue")
    return translation_dataset(
        name=CARD.name,
        task=CARD.task,
        splits={part: [pair for row in rows for pair in row.value] for part, rows in parts.items()},
        files=own_hashes(list(paths.values())),
        tokens=tokens,
        vocabulary_size=vocabulary_size,
        min_count=min_count,
        lower=lower,
        joint=joint,
        max_length=max_length,
        buckets=buckets,
        notes=(*notes, *found),
    )


def read_turns(path: Path, *, encoding: str, empty: Empty) -> tuple[list[Turn], int]:
    """The turns of a file, and how many lines that lack something were left out."""
    found: list[Turn] = []
    lost = 0
    for line, text in read_own_lines(path, encoding):
        where = f"{path}, line {line}"
        cells = [" ".join(cell.split()) for cell in text.split("\t")]
        if any(cells) and len(cells) != len(TURN):
            count = several(len(cells), "cell", "cells")
            raise DataError(f"{where}: {count} where dialogue, speaker and text are needed, with a tab between them.")
        if not all(cells):
            if empty == "refuse":
                lacks = f"{TURN[cells.index('')]} is" if any(cells) else "line is"
                raise DataError(f"{where}: the {lacks} empty; {KEPT_OUT}.")
            lost += 1
            continue
        if SEPARATOR in cells[2]:
            raise DataError(f"{where}: the text has {SEPARATOR}, which stands between turns; take it out.")
        found.append((line, cells[0], cells[1], cells[2]))
    if not found:
        raise DataError(f"{path}: no line has a dialogue, a speaker and a text.")
    return found, lost


def dialogues(
    path: Path, turns: list[Turn], *, context: int, speaker: str | None, empty: Empty
) -> tuple[list[Example[list[Pair]]], int]:
    """The pairs of each dialogue, and how many dialogues without any were left out."""
    speakers = sorted({turn[2] for turn in turns})
    if speaker is not None and speaker not in speakers:
        raise DataError(f"{path}: nobody is called {speaker!r} (data.speaker); {near(speaker, speakers, 'there are')}")
    found: list[Example[list[Pair]]] = []
    seen: set[str] = set()
    alone = 0
    for name, group in itertools.groupby(turns, key=lambda turn: turn[1]):
        said = list(group)
        line = said[0][0]
        if name in seen:
            raise DataError(
                f"{path}, line {line}: dialogue {name!r} goes on after another has begun; put its lines together."
            )
        seen.add(name)
        texts = [text for *_, text in said]
        pairs = pairs_of(texts, context, [speaker in (None, who) for _, _, who, _ in said])
        if pairs:
            found.append(Example(joined(texts, len(texts)), pairs, path, line))
            continue
        if empty == "refuse":
            by = "" if speaker is None else f" by {speaker}"
            raise DataError(f"{path}, line {line}: in dialogue {name!r} no turn is answered{by}; {KEPT_OUT}.")
        alone += 1
    if not found:
        raise DataError(f"{path}: no dialogue has a turn that answers another one.")
    return found, alone
