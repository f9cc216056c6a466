"""A table as a grid of printable texts: what text, Markdown and LaTeX share, before each escapes and draws it."""

import re
import unicodedata
from dataclasses import dataclass

from grux.results.contents import Cell, Line, Row, Table
from grux.results.units import short_count, short_seconds

LONGEST_NAME = 48


@dataclass(frozen=True)
class Item:
    """One place of the grid: `text` (bold if best), what follows it, letters of footnotes; `quiet` marks a baseline.

    `value` is the number behind the text, unrounded and in the unit of the text; None for a word.
    """

    text: str = ""
    tail: str = ""
    notes: tuple[str, ...] = ()
    best: bool = False
    quiet: bool = False
    value: float | None = None


@dataclass(frozen=True)
class Grid:
    """`header`: lines of each column's head. `labels` columns at the left name the row. Rules stand above `rules`."""

    header: tuple[tuple[str, ...], ...]
    rows: tuple[tuple[Item, ...], ...]
    labels: int
    rules: frozenset[int]


def make_grid(table: Table) -> Grid:
    """The grid that a person reads, turned round where the table is transposed."""
    trained = [row for row in table.rows if not row.baseline]
    most = max((cell.summary.n for row in trained for cell in row.cells if cell.summary), default=1)
    head = [Item(table.rows_key), *(Item(printable(line.name)) for line in table.lines)]
    units = [Item(), *(Item(line.unit.label) for line in table.lines)]
    body = [
        [Item(printable(row.name), quiet=row.baseline)]
        + [_item(row, cell, line, most) for cell, line in zip(row.cells, table.lines, strict=True)]
        for row in table.rows
    ]
    extras = {"parameters": [_parameters(row) for row in table.rows], "seconds": [_seconds(row) for row in table.rows]}
    for name, found in extras.items():
        if any(item.text for item in found):
            head.append(Item(name))
            units.append(Item())
            for items, item in zip(body, found, strict=True):
                items.append(item)
    if table.transposed:
        first, *rest = zip(head, units, *body, strict=True)
        names = (table.columns_key, "metric", *(item.text for item in first[2:]))
        rule = len(table.lines)
        return Grid(
            tuple((name,) for name in names), tuple(rest), labels=2, rules=frozenset({rule} if rule < len(rest) else ())
        )
    header = tuple((name.text, unit.text) for name, unit in zip(head, units, strict=True))
    rules = frozenset({len(trained)} if 0 < len(trained) < len(body) else ())
    return Grid(header, tuple(map(tuple, body)), labels=1, rules=rules)


def printable(text: str, longest: int = LONGEST_NAME) -> str:
    """One line without control, format or private characters (no escape codes, no reversed text), not too long."""
    text = re.sub(r"\s+", " ", text)
    text = "".join("?" if unicodedata.category(character).startswith("C") else character for character in text)
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _item(row: Row, cell: Cell, line: Line, most: int) -> Item:
    if cell.summary is None:
        return Item("–" if cell.state == "missing" else cell.state, notes=cell.notes)
    tail = ""
    if cell.summary.half_width is not None:
        tail += f" ± {line.unit.number(cell.summary.half_width)}"
    if not row.baseline and cell.summary.n != most:
        tail += f" (n={cell.summary.n})"
    mean = cell.summary.mean
    return Item(line.unit.number(mean), tail, cell.notes, cell.best, value=mean * line.unit.scale)


def _parameters(row: Row) -> Item:
    counts = [short_count(count) for count in row.parameters]
    text = "" if not counts else counts[0] if counts[0] == counts[-1] else f"{counts[0]}–{counts[-1]}"
    return Item(text, value=row.parameters[-1] if counts else None)


def _seconds(row: Row) -> Item:
    return Item() if row.seconds is None else Item(short_seconds(row.seconds), value=row.seconds)
