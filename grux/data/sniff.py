"""What a file is before anything is asked of it: encoding, line ends, separator, header, and what its columns hold.

Nothing is refused here but a file that is empty or not there: oddities are kept, to be told.
"""

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Literal

from grux.data.clock import form_of
from grux.data.extract import decompress
from grux.data.own import MISSING, SEPARATORS, separator_of
from grux.data.own_series import Decimal, number
from grux.errors import DataError

Kind = Literal["csv_series", "csv_text", "tsv_pairs", "tsv_turns", "text", "table"]
Holds = Literal["time", "number", "class", "text", "nothing"]
TIME_NAME = re.compile(r"time|date|stamp|year|month|\bday\b|\bds\b", re.IGNORECASE)
MOST = 0.8
"""The share of rows, or of cells, that decides what a file, or a column, is; the others are odd."""
MAX_CLASSES = 50
WORDS = 3
"""Words of an average cell from which on a column of texts is one to learn from."""

TURN = ("dialogue", "speaker", "text")
TURN_NAME = re.compile(r"dialog|conversation|speaker|turn|utterance", re.IGNORECASE)
"""What a header of dialogues has, which `tsv_turns` leaves out as one of a single turn."""
SPOKEN = 2
"""Words of an average turn at least: a few sentences that come again and again are no classes."""
TURNS = 1.5
"""Turns of an average dialogue at least."""


@dataclass(frozen=True)
class Column:
    """One column of a table."""

    name: str
    place: int
    holds: Holds
    missing: int
    distinct: int
    form: str | None = None
    """How times are written; None for ISO 8601."""
    odd: tuple[tuple[int, str], ...] = ()
    """Line and content of cells that are not what the others are."""


@dataclass(frozen=True)
class Sheet:
    """A file that was looked at."""

    path: Path
    kind: Kind
    text: str
    encoding: str
    marked: bool
    """A byte order mark stands at the start."""
    ending: str
    """What ends its lines: LF, CRLF, CR, or "mixed"."""
    separator: str | None
    """Its name; None for a text without columns."""
    decimal: Decimal
    columns: tuple[Column, ...]
    rows: tuple[tuple[int, list[str]], ...]
    """Line and cells of each row that has as many as most; without the header."""
    blank: tuple[int, ...]
    """Lines that are empty, but for those at the end."""
    ragged: tuple[tuple[int, int], ...]
    """Line and cells of each row that has more or fewer than most."""

    def of(self, holds: Holds) -> list[Column]:
        return [column for column in self.columns if column.holds == holds]

    def cells(self, column: Column) -> list[str]:
        return [row[column.place] for _, row in self.rows]


def sniff(path: Path) -> Sheet:
    """Look at a file; raises `DataError` where there is nothing to look at."""
    content = decompress(path) if path.suffix == ".gz" else path.read_bytes()
    text, encoding, marked = _decoded(content)
    if "\0" in text:
        raise DataError(f"{path} is no text (it has null characters); a profile is of texts and tables.")
    if not text.strip():
        raise DataError(f"{path} is empty; there is nothing to look at.")
    ends = {end for end in ("\r\n", "\n", "\r") if end in (text if end == "\r\n" else text.replace("\r\n", ""))}
    ending = {"\r\n": "CRLF", "\n": "LF", "\r": "CR"}[ends.pop()] if len(ends) == 1 else "mixed" if ends else "LF"
    mark = separator_of(text.strip("\r\n").splitlines()[0])
    lines = _cut(text, mark)
    while lines and not any(lines[-1][1]):
        lines.pop()
    rows = [(line, row) for line, row in lines if any(row)]
    if not rows:
        raise DataError(f"{path} has separators and nothing between them; there is nothing to look at.")
    (width, count), *_ = Counter(len(row) for _, row in rows).most_common(1)
    blank = tuple(line for line, row in lines if not any(row))
    base = {"path": path, "text": text, "encoding": encoding, "marked": marked, "ending": ending, "blank": blank}
    if width < 2 or count < MOST * len(rows):
        return Sheet(**base, kind="text", separator=None, decimal="point", columns=(), rows=(), ragged=())
    ragged = tuple((line, len(row)) for line, row in rows if len(row) != width)
    even = [(line, row) for line, row in rows if len(row) == width]
    decimal = _decimal([row for _, row in even])
    turns = mark == "\t" and _are_turns(even, decimal)
    headed = len(even) > 1 and not turns and _is_header(even, decimal, mark)
    unnamed = TURN if turns else [f"column {place}" for place in range(1, width + 1)]
    names = even[0][1] if headed else unnamed
    below = even[1:] if headed else even
    columns = tuple(_column(name, place, below, decimal) for place, name in enumerate(names))
    bare = "tsv_turns" if turns else "tsv_pairs" if _are_pairs(columns, mark) else "table"
    kind = _kind(columns, below) if headed else bare
    name = next(name for name, sign in SEPARATORS.items() if sign == mark)
    return Sheet(**base, kind=kind, separator=name, decimal=decimal, columns=columns, rows=tuple(below), ragged=ragged)


def _decoded(content: bytes) -> tuple[str, str, bool]:
    """The text, the encoding that reads it, and whether a byte order mark stood there."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", errors="replace"), "utf-16", True
    marked = content.startswith(codecs.BOM_UTF8)
    try:
        return content.decode("utf-8-sig"), "utf-8", marked
    except UnicodeDecodeError:
        return content.decode("latin-1"), "latin-1", marked


def _cut(text: str, mark: str) -> list[tuple[int, list[str]]]:
    if mark == "\t":  # texts with a tab between them are not quoted, though they may hold quotes
        cut = (line.rstrip("\r").split("\t") for line in text.split("\n"))
        return [(line, [cell.strip() for cell in row]) for line, row in enumerate(cut, start=1)]
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=mark)
    found = []
    try:
        for row in rows:
            found.append((rows.line_num, [cell.strip() for cell in row]))
    except csv.Error:  # a field without end: what was read so far is told
        pass
    return found


def _decimal(rows: Sequence[list[str]]) -> Decimal:
    cells = [cell for row in rows[:1000] for cell in row]
    points, commas = (sum(_is_number(cell, sign) for cell in cells) for sign in ("point", "comma"))
    return "comma" if commas > points else "point"


def _is_header(rows: Sequence[tuple[int, list[str]]], decimal: Decimal, mark: str) -> bool:
    first = rows[0][1]
    if not all(first) or len(set(first)) < len(first):
        return False
    if any(_is_number(cell, decimal) or _is_time(cell) for cell in first):
        return False
    below = [_column(name, place, rows[1:], decimal) for place, name in enumerate(first)]
    return mark != "\t" or not _are_pairs(below, mark)


def _are_pairs(columns: Sequence[Column], mark: str) -> bool:
    """Texts on both sides of a tab."""
    return mark == "\t" and [column.holds for column in columns[:2]] == ["text", "text"]


def _are_turns(rows: Sequence[tuple[int, list[str]]], decimal: Decimal) -> bool:
    """Three cells and no header of a table: a dialogue that stays, speakers who take turns and come again, a text."""
    said = [row for _, row in rows if all(row)]
    if not said or len(said[0]) != len(TURN):
        return False
    dialogue, speaker, text = (_column(name, place, rows, decimal).holds for place, name in enumerate(TURN))
    steps = [(a, b) for a, b in pairwise(said) if a[0] == b[0]]
    answers = sum(a[1] != b[1] for a, b in steps)
    heard = Counter(row[1] for row in said)
    again = sum(heard[row[1]] > 1 for row in said)
    return (
        (dialogue != "time" and speaker != "time" and text in ("text", "class"))
        and sum(len(row[2].split()) for row in said) >= SPOKEN * len(said)
        and (answers >= MOST * len(steps) and len(said) >= TURNS * (len(said) - len(steps)))
        and 2 * again >= len(said)
        and not _is_headed(said)
    )


def _is_headed(said: Sequence[list[str]]) -> bool:
    """Whether the first row names columns that are not those of dialogues: none of its cells is said again."""
    first, rest = said[0], said[1:]
    alone = not any(row[0] == first[0] or row[1] == first[1] for row in rest)
    return alone and not TURN_NAME.search(" ".join(first))


def _column(name: str, place: int, rows: Sequence[tuple[int, list[str]]], decimal: Decimal) -> Column:
    there = [(line, row[place]) for line, row in rows if row[place].lower() not in MISSING]
    distinct = len({cell for _, cell in there})
    common = {"name": name, "place": place, "missing": len(rows) - len(there), "distinct": distinct}
    if not there:
        return Column(**common, holds="nothing")
    if TIME_NAME.search(name) or not _is_number(there[0][1], decimal):
        form = None if _is_time(there[0][1]) else form_of(there[0][1])
        odd = _others(there, lambda cell: _is_time(cell) if form is None else _is_written(cell, form))
        if len(odd) <= (1 - MOST) * len(there):
            return Column(**common, holds="time", form=form, odd=odd)
    odd = _others(there, lambda cell: _is_number(cell, decimal))
    if len(odd) <= (1 - MOST) * len(there):
        return Column(**common, holds="number", odd=odd)
    few = distinct <= max(2, min(MAX_CLASSES, len(there) // 5)) and distinct < len(there)
    return Column(**common, holds="class" if few else "text")


def _others(there: Sequence[tuple[int, str]], fits) -> tuple[tuple[int, str], ...]:
    return tuple((line, cell) for line, cell in there if not fits(cell))


def _kind(columns: Sequence[Column], rows: Sequence[tuple[int, list[str]]]) -> Kind:
    texts = [column for column in columns if column.holds == "text" and words_of(column, rows) >= WORDS]
    if texts and label_of(columns, len(rows)) is not None:
        return "csv_text"
    holds = {column.holds for column in columns}
    if {"time", "number"} <= holds:
        return "csv_series"
    return "csv_text" if "text" in holds and "class" in holds else "table"


def label_of(columns: Sequence[Column], rows: int) -> Column | None:
    """The last column of few classes, names before numbers."""
    named = [column for column in columns if column.holds == "class" and column.distinct > 1]
    few = max(2, min(MAX_CLASSES, rows // 5))
    numbered = [column for column in columns if column.holds == "number" and 1 < column.distinct <= few]
    return (named or numbered or [None])[-1]


def words_of(column: Column, rows: Sequence[tuple[int, list[str]]]) -> float:
    """Words of an average cell."""
    return sum(len(row[column.place].split()) for _, row in rows) / len(rows)


def _is_number(cell: str, decimal: Decimal) -> bool:
    try:
        return number(cell, decimal) == number(cell, decimal)  # NaN stands for a missing value
    except ValueError:
        return False


def _is_time(cell: str) -> bool:
    try:
        datetime.fromisoformat(cell.replace("/", "-"))
    except ValueError:
        return False
    return True


def _is_written(cell: str, form: str) -> bool:
    return form_of(cell) == form
