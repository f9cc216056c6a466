"""From files of one's own to the rows of one series: the settings of reading, and the whole way."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from grux.data.clock import Grid, grid_of, written
from grux.data.own import Empty, Separator, Table, read_own
from grux.data.own_series import (
    Decimal,
    Impute,
    Irregular,
    Repeated,
    Rows,
    Unsorted,
    columns_of_numbers,
    joined,
    ordered,
    regular,
    table_rows,
)
from grux.data.wording import several
from grux.errors import DataError, UsageError


@dataclass(frozen=True)
class Reading:
    """What answers the oddities of a file; each is a setting of the data sets that read one."""

    time: str | None
    """The column of times; None: the first."""
    impute: Impute | None
    irregular: Irregular
    unsorted: Unsorted
    repeated: Repeated
    empty: Empty
    time_format: str | None
    time_zone: str | None
    separator: Separator | None
    decimal: Decimal
    encoding: str


@dataclass(frozen=True)
class Found:
    """`rows` hold NaN where a value is missing; `sizes`: those of each file; `notes` on columns left out."""

    rows: Rows
    sizes: list[int]
    grid: Grid
    notes: tuple[str, ...]
    skipped: tuple[str, ...]
    """Notes on lines that were left out."""
    stamps: list[str]
    """The time of each row as its file has it; of a row that was filled in, as its file would."""


def read_rows(
    paths: Mapping[str, Path],
    target: str | list[str] | None,
    reading: Reading,
    *,
    known: Sequence[str] = (),
    label: str | None = None,
) -> Found:
    """The rows of all files behind each other: of the target columns, those `known` ahead, and last the `label`'s.

    Raises `DataError` with file, line and column for what is odd and no setting answers.
    """
    tables = [
        read_own(file, encoding=reading.encoding, separator=reading.separator, empty=reading.empty)
        for file in paths.values()
    ]
    first = tables[0]
    time = first.header[0] if reading.time is None else reading.time
    taken = {
        time: "the column of times",
        **dict.fromkeys(known, "which data.known names too"),
        **({label: "the column of labels"} if label else {}),
    }
    _check_taken(first, time, known, label)
    columns, notes = _columns(first, time, target, reading.decimal, taken)
    names = [*columns, *known, *([label] if label else [])]
    parts = [
        ordered(
            table_rows(table, time, names, reading.time_format, reading.time_zone, reading.decimal),
            unsorted=reading.unsorted,
            repeated=reading.repeated,
        )
        for table in tables
    ]
    rows = joined(parts)
    grid = grid_of(rows.times)
    there = len(rows)
    rows, sizes = regular(rows, [len(part) for part in parts], grid, reading.irregular)
    if len(rows) > there and reading.impute is None:
        raise UsageError(
            f"data.irregular=fill adds {several(len(rows) - there, 'row', 'rows')} without values; say what "
            "stands in them by data.impute=previous, linear or mean."
        )
    skipped = tuple(note for table in tables for note in table.skip_notes())
    return Found(rows, sizes, grid, tuple(notes), skipped, _stamps(rows, tables, time, reading.time_format))


def _stamps(rows: Rows, tables: Sequence[Table], time: str, form: str | None) -> list[str]:
    cells = {}
    for table in tables:
        place = table.column(time, "data.time")
        cells |= {(table.path, line): row[place] for line, row in table.rows}
    before = [None, *rows.places]  # a row that was filled in has the place of the row before it
    return [
        cells[place] if place != last else written(at, cells[place], form)
        for at, place, last in zip(rows.times, rows.places, before, strict=False)
    ]


def _check_taken(table: Table, time: str, known: Sequence[str], label: str | None) -> None:
    """Whether the columns that are not forecast are there, each for one thing."""
    table.column(time, "data.time")
    if label is not None:
        table.column(label, "data.label")
        if label == time:
            raise UsageError(f"data.label names {label!r}, the column of times; name one of 0 and 1.")
    for name in known:
        table.column(name, "data.known")
        if name == time:
            raise UsageError(f"data.known names {name!r}, the column of times; data.calendar=true reads those.")
        if known.count(name) > 1:
            raise UsageError(f"data.known names {name!r} twice; name each column once.")


def _columns(
    table: Table, time: str, target: str | list[str] | None, decimal: Decimal, taken: Mapping[str, str]
) -> tuple[list[str], list[str]]:
    """The columns of the series, and notes on those that are none; `taken`: what else columns are."""
    if target is None:
        numbers, others = columns_of_numbers(table, decimal, without=time)
        columns = [name for name in numbers if name not in taken]
        if not columns:
            raise DataError(f"{table.path}: no column but {time!r} holds numbers; name other ones by data.target.")
        left = ", ".join(map(repr, others))
        return columns, [f"Left out, as no numbers: {left}."] if others else []
    columns = [target] if isinstance(target, str) else target
    if not columns:
        raise UsageError("data.target=[] names no column; name some, or null for every column of numbers.")
    for name in columns:
        table.column(name, "data.target")
        if name in taken:
            raise UsageError(f"data.target names {name!r}, {taken[name]}; name columns of numbers.")
        if columns.count(name) > 1:
            raise UsageError(f"data.target names {name!r} twice; name each column once.")
    return columns, []


def check_constant(rows: Rows, train: int) -> None:
    """Raises `DataError` for a column that never changes over the training rows."""
    still = np.ptp(rows.values[:train], axis=0) == 0
    if still.any():
        name, value = rows.columns[int(still.argmax())], rows.values[0, still.argmax()]
        others = [column for column, same in zip(rows.columns, still, strict=True) if not same]
        left = f"leave it out: data.target=[{','.join(others)}]" if others else "there is nothing to forecast"
        raise DataError(
            f"{rows.places[0][0]}, column {name!r}: it is {value:g} in all {train} training rows, from line "
            f"{rows.places[0][1]} to {rows.places[train - 1][1]}; {left}."
        )
