"""Pairs of one's own: a text file with a source, a tab and its target on each line, as for a translation.

One file is divided by a hash of each source (80, 10, 10 %), so that equal sources stand in one split; or a file for
each split. There is no header and no quoting. What is odd in a file is refused with its line, and the sentence names
the setting that answers it.
"""

from pathlib import Path

from grux.arguments import PositiveInt
from grux.data.base import Dataset
from grux.data.card import Card
from grux.data.own import KEPT_OUT, Empty, own_hashes, own_paths, read_own_lines
from grux.data.own_texts import Example, Leaks, divided
from grux.data.texts import translation_dataset
from grux.data.tokenise import Kind
from grux.data.wording import several
from grux.errors import DataError, UsageError

CARD = Card(
    name="tsv_pairs",
    task="translation",
    summary="Your own file with source, tab, target on each line: data.path=FILE.",
    sizes={},
    licence="your own",
)


def tsv_pairs(
    *,
    path: str | None,
    validation: str | None,
    test: str | None,
    source: PositiveInt,
    target: PositiveInt,
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
    """Pairs from column `source` to column `target`, counted from 1."""
    if source == target:
        raise UsageError(f"data.source and data.target are both column {source}; a pair has two.")
    paths = own_paths(path, validation, test, CARD.name)
    files, notes = {}, []
    for part, file in paths.items():
        files[part], lost = read_pairs(file, source, target, encoding=encoding, empty=empty)
        notes += (
            [f"Left out: {several(lost, 'line', 'lines')} of {file.name} without a source or a target."] if lost else []
        )
    parts, found = divided(files, leaks, "source")
    return translation_dataset(
        name=CARD.name,
        splits={part: [(row.key, row.value) for row in rows] for part, rows in parts.items()},
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


def read_pairs(path: Path, source: int, target: int, *, encoding: str, empty: Empty) -> tuple[list[Example[str]], int]:
    """Each source with its target, and how many lines that lack one were left out."""
    found, lost, width = [], 0, None
    for line, text in read_own_lines(path, encoding):
        cells = [cell.strip() for cell in text.split("\t")]
        if not any(cells):
            if empty == "refuse":
                raise DataError(f"{path}, line {line}: the line is empty; {KEPT_OUT}.")
            lost += 1
            continue
        width = width or len(cells)
        needed = max(source, target)
        if len(cells) < needed or len(cells) != width:
            what = f"line 1 has {width}" if len(cells) >= needed else f"{needed} are needed, with a tab between them"
            raise DataError(f"{path}, line {line}: {_cells(len(cells))} where {what}; repair the line.")
        if not (cells[source - 1] and cells[target - 1]):
            if empty == "refuse":
                side = "source" if not cells[source - 1] else "target"
                raise DataError(f"{path}, line {line}: the {side} is empty; {KEPT_OUT}.")
            lost += 1
            continue
        found.append(Example(cells[source - 1], cells[target - 1], path, line))
    if not found:
        raise DataError(
            f"{path}: no line has a source and a target; name their columns by data.source and data.target."
        )
    return found, lost


def _cells(count: int) -> str:
    return "one cell" if count == 1 else f"{count} cells"
