"""A table as a grid of printable texts: what text, Markdown, LaTeX and HTML share, before each escapes and draws it."""

import re
import unicodedata
from dataclasses import dataclass

from grux.results.contents import Cell, Line, Row, Table
from grux.results.paired import TEST
from grux.results.select import titled

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


def best_sentence(table: Table, mark: str) -> str:
    """How the best is marked and what that means, with a space before it; "" where nothing is marked."""
    if not table.any_best:
        return ""
    return f" {mark}: best mean, and what is not told from it ({TEST} over common seeds, Holm, 5 %)."


def make_grid(table: Table) -> Grid:
    """The grid that a person reads, turned round where the table is transposed."""
    trained = [row for row in table.rows if not row.baseline]
    most = max((cell.summary.n for row in trained for cell in row.cells if cell.summary), default=1)
    head, units = [Item(table.rows_key)], [Item()]
    costs: list[tuple[Item, ...]] = []  # of each line
    no_cost = tuple(Item() for _ in table.line_extras)
    body = [[Item(printable(row.name), quiet=row.baseline)] for row in table.rows]
    for at, line in enumerate(table.lines):
        cells = [row.cells[at] for row in table.rows]
        name = printable(line.name if table.transposed or line.named else titled(table.columns_key, line.name))
        head.append(Item(name))
        units.append(Item(line.unit.label))
        costs.append(tuple(Item(printable(e.texts[at]), value=e.values[at]) for e in table.line_extras))
        for items, row, cell in zip(body, table.rows, cells, strict=True):
            items.append(_item(row, cell, line, most))
        if any(cell.reported for cell in cells):
            head.append(Item(name))
            units.append(Item("reported"))
            costs.append(no_cost)
            for items, cell in zip(body, cells, strict=True):
                items.append(_reported(cell, line))
    scores = len(head) - 1
    for extra in table.extras:
        head.append(Item(printable(extra.name.replace("_", " "))))
        units.append(Item())
        costs.append(no_cost)
        for items, text, value in zip(body, extra.texts, extra.values, strict=True):
            items.append(Item(printable(text), value=value))
    if table.transposed:
        first, *rest = zip(head, units, *body, strict=True)
        names = (table.columns_key, "metric", *(item.text for item in first[2:]))
        names += tuple(printable(extra.name.replace("_", " ")) for extra in table.line_extras)
        rules = frozenset({scores} if scores < len(rest) else ())
        return Grid(
            tuple((name,) for name in names),
            tuple(a + b for a, b in zip(rest, costs, strict=True)),
            labels=2,
            rules=rules,
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
    tail, number = f" ({printable(cell.method)})" if cell.method else "", line.unit.number
    if cell.summary.half_width is not None:
        tail += f" ± {number(cell.summary.half_width)}"
    elif cell.summary.interval is not None:
        low, high = cell.summary.interval
        tail += f" [{number(low)}, {number(high)}]"
    if not row.baseline and cell.summary.n != most:
        tail += f" (n={cell.summary.n})"
    mean = cell.summary.mean
    return Item(number(mean), tail, cell.notes, cell.best, value=mean * line.unit.scale)


def _reported(cell: Cell, line: Line) -> Item:
    if (found := cell.reported) is None:
        return Item()
    tail = "" if found.spread is None else f" ± {line.unit.number(found.spread)}"
    return Item(line.unit.number(found.score), tail, found.notes, quiet=True, value=found.score * line.unit.scale)
