"""What a table holds, before anything is said about how it looks: lines, rows, cells, notes."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from grux.results.paired import Comparison
from grux.results.statistics import Summary
from grux.results.suite import Aggregate
from grux.results.units import Unit


@dataclass(frozen=True)
class Reported:
    """A score that a paper prints, as a fraction where grux keeps fractions. It is shown beside, never mixed in."""

    score: float
    spread: float | None
    source: str
    status: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cell:
    """One contestant on one line.

    `scores`: seed -> score as in the record (fractions, not percent). `state` is done (all seeds that were asked for),
    partial, or failed, interrupted, running, diverged, damaged, unknown, missing. `best`: the best mean of the line, or
    not told from it. `notes` are letters of `Table.notes`. `facts`: what the runs cost, by `grux.results.facts`.
    """

    scores: dict[int, float]
    summary: Summary | None
    state: str
    best: bool = False
    notes: tuple[str, ...] = ()
    facts: Mapping[str, float | str] = field(default_factory=dict)
    versus: Comparison | None = None
    """Against the reference of the table, on this line."""
    reported: Reported | None = None
    method: str = ""
    """Whose score it is, where a row holds those of several methods."""

    @property
    def mean(self) -> float:
        """NaN without a score."""
        return self.summary.mean if self.summary else math.nan

    def fact(self, name: str) -> float | None:
        """A fact that is a number."""
        value = self.facts.get(name)
        return value if isinstance(value, (int, float)) else None


@dataclass(frozen=True)
class Line:
    """A data set (or other key) on which contestants are compared, and the unit of its scores.

    `best` is the row with the best mean where one may be named, see `grux.results.contest`.
    """

    name: str
    unit: Unit
    best: str | None = None
    named: bool = False
    """Its name is no value of the key, but one that the experiment gives it."""


@dataclass(frozen=True)
class Row:
    """A contestant: one cell for each line. A baseline was not trained: one score, no seeds, no parameters."""

    name: str
    cells: tuple[Cell, ...]
    baseline: bool = False

    @property
    def parameters(self) -> list[int]:
        """The different parameter counts over the lines (a larger vocabulary makes a larger model), ascending."""
        return sorted({int(count) for cell in self.cells if (count := cell.fact("parameters")) is not None})

    @property
    def seconds(self) -> float | None:
        """Training and evaluation of all the row's runs."""
        seconds = [found for cell in self.cells if (found := cell.fact("seconds")) is not None]
        return sum(seconds) if seconds else None


@dataclass(frozen=True)
class Extra:
    """A column beside the scores: for each row or line the facts of its cells as one text, and a number to sort by."""

    name: str
    texts: tuple[str, ...]
    values: tuple[float | None, ...]


@dataclass(frozen=True)
class Table:
    """`rows` are contestants whatever way the table is drawn; `transposed` draws them as columns.

    `caption` lacks the sentence on how the best is marked: that depends on the format. `reference` is the row that
    `Cell.versus` compares with, `aggregates` each trained row over all lines, in normalised scores; `select` is the
    selection rule. `line_extras` are of the lines, where these are drawn as rows.
    """

    rows_key: str
    columns_key: str
    lines: tuple[Line, ...]
    rows: tuple[Row, ...]
    notes: tuple[tuple[str, str], ...]
    caption: str
    transposed: bool = False
    extras: tuple[Extra, ...] = ()
    line_extras: tuple[Extra, ...] = ()
    reference: str | None = None
    versus_caption: str = ""
    aggregates: Mapping[str, Aggregate] = field(default_factory=dict)
    aggregates_caption: str = ""
    select: str = "best_val"

    @property
    def any_best(self) -> bool:
        return any(cell.best for row in self.rows for cell in row.cells)
