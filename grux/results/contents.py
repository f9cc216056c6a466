"""What a table holds, before anything is said about how it looks: lines, rows, cells, notes."""

from dataclasses import dataclass

from grux.results.statistics import Summary
from grux.results.units import Unit


@dataclass(frozen=True)
class Cell:
    """One contestant on one line.

    `scores`: seed -> score as in the record (fractions, not percent). `state` is done (all seeds that were asked for),
    partial, or failed, interrupted, running, diverged, damaged, unknown, missing. `notes` are letters of `Table.notes`.
    """

    scores: dict[int, float]
    summary: Summary | None
    state: str
    best: bool = False
    notes: tuple[str, ...] = ()
    parameters: int | None = None
    seconds: float | None = None
    compile_seconds: float | None = None


@dataclass(frozen=True)
class Line:
    """A data set (or other key) on which contestants are compared, and the unit of its scores."""

    name: str
    unit: Unit


@dataclass(frozen=True)
class Row:
    """A contestant: one cell for each line. A baseline was not trained: one score, no seeds, no parameters."""

    name: str
    cells: tuple[Cell, ...]
    baseline: bool = False

    @property
    def parameters(self) -> list[int]:
        """The different parameter counts over the lines (a larger vocabulary makes a larger model), ascending."""
        return sorted({cell.parameters for cell in self.cells if cell.parameters is not None})

    @property
    def seconds(self) -> float | None:
        """Training and evaluation of all the row's runs."""
        seconds = [cell.seconds for cell in self.cells if cell.seconds is not None]
        return sum(seconds) if seconds else None


@dataclass(frozen=True)
class Table:
    """`rows` are contestants whatever way the table is drawn; `transposed` draws them as columns."""

    rows_key: str
    columns_key: str
    lines: tuple[Line, ...]
    rows: tuple[Row, ...]
    notes: tuple[tuple[str, str], ...]
    caption: str
    transposed: bool = False
