"""Rows of a series file of one's own: times in order, numbers where numbers are due, values that are missing filled."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np

from grux.data.clock import Grid, instants, read_times
from grux.data.own import MISSING, Table
from grux.data.wording import several
from grux.errors import DataError

Impute = Literal["previous", "linear", "mean"]
Repeated = Literal["refuse", "first", "last", "mean"]
Irregular = Literal["refuse", "keep", "fill"]
Unsorted = Literal["refuse", "sort"]
Decimal = Literal["point", "comma"]
IMPUTE = "data.impute=previous, linear or mean"


@dataclass(frozen=True)
class Rows:
    """Rows of one file, or of several behind each other: `values` float64 [N, D], NaN where there is none."""

    columns: tuple[str, ...]
    times: list[datetime]
    values: np.ndarray
    places: list[tuple[Path, int]]
    """File and line of each row; of a row that was added, those of the row before."""
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.times)

    def where(self, row: int) -> str:
        path, line = self.places[row]
        return f"{path}, line {line}"

    def taken(self, index: Sequence[int], *notes: str) -> "Rows":
        """Some of the rows, in the order of `index`."""
        return replace(
            self,
            times=[self.times[i] for i in index],
            values=self.values[list(index)],
            places=[self.places[i] for i in index],
            notes=(*self.notes, *notes),
        )


def number(cell: str, decimal: Decimal) -> float:
    """The number in a cell, NaN for one of `MISSING`; raises ValueError. `decimal` is "point" or "comma"."""
    if cell.lower() in MISSING:
        return np.nan
    if "_" in cell or (decimal == "comma" and "." in cell):
        raise ValueError(cell)
    value = float(cell.replace(",", ".") if decimal == "comma" else cell)
    if not np.isfinite(value):
        raise ValueError(cell)
    return value


def columns_of_numbers(table: Table, decimal: Decimal, without: str) -> tuple[list[str], list[str]]:
    """The columns that hold some number, and the other ones, but for one."""
    found: tuple[list[str], list[str]] = ([], [])
    for place, name in enumerate(table.header):
        if name != without:
            found[not any(_is_number(row[place], decimal) for _, row in table.rows)].append(name)
    return found


def _is_number(cell: str, decimal: Decimal) -> bool:
    try:
        return not np.isnan(number(cell, decimal))
    except ValueError:
        return False


def read_numbers(table: Table, columns: Sequence[str], decimal: Decimal) -> np.ndarray:
    """float64 [N, D], NaN where a value is missing; raises `DataError` with line and column for what is no number."""
    places = [table.column(name, "data.target") for name in columns]
    values = np.empty((len(table.rows), len(places)))
    for i, (line, row) in enumerate(table.rows):
        for j, place in enumerate(places):
            try:
                values[i, j] = number(row[place], decimal)
            except ValueError:
                where = f"{table.path}, line {line}, column {table.header[place]!r}"
                other: Decimal = "comma" if decimal == "point" else "point"
                hint = (
                    f"set data.decimal={other}"
                    if _is_number(row[place], other)
                    else "repair it, or choose other columns by data.target"
                )
                raise DataError(f"{where}: {row[place]!r} is not a finite number; {hint}.") from None
    return values


def table_rows(
    table: Table, time: str, columns: Sequence[str], form: str | None, zone: str | None, decimal: Decimal
) -> Rows:
    """The rows of a table in the order of the file; raises `DataError` with line and column for what cannot be read."""
    at = table.column(time, "data.time")
    lines = [line for line, _ in table.rows]
    times = read_times([row[at] for _, row in table.rows], lines, where=str(table.path), form=form, zone=zone)
    values = read_numbers(table, columns, decimal)
    return Rows(tuple(columns), times, values, [(table.path, line) for line in lines])


def ordered(rows: Rows, *, unsorted: Unsorted, repeated: Repeated) -> Rows:
    """The rows in the order of time, each time once; raises `DataError` with the line where that was not asked for."""
    clock = instants(rows.times)
    back = [i for i in range(1, len(rows)) if clock[i] < clock[i - 1]]
    if back and unsorted == "refuse":
        raise DataError(
            f"{rows.where(back[0])}: time {rows.times[back[0]]} comes before {rows.times[back[0] - 1]} of the row "
            f"above ({len(back)} in all); sort the file, or have it sorted by data.unsorted=sort."
        )
    if back:
        rows = rows.taken(
            sorted(range(len(rows)), key=clock.__getitem__),
            f"{several(len(back), 'row was', 'rows were')} out of order; all were sorted by time.",
        )
        clock.sort()
    twice = [i for i in range(1, len(rows)) if clock[i] == clock[i - 1]]
    if not twice:
        return rows
    if repeated == "refuse":
        raise DataError(
            f"{rows.where(twice[0])}: time {rows.times[twice[0]]} stands twice ({len(twice)} in all); "
            "remove one, or choose by data.repeated=first, last or mean."
        )
    groups: list[list[int]] = []
    for i in range(len(rows)):
        if i and clock[i] == clock[i - 1]:
            groups[-1].append(i)
        else:
            groups.append([i])
    count = several(len(twice), "row repeats", "rows repeat")
    note = f"{count} the time of another; of each time the {repeated} was taken."
    kept = rows.taken([group[-1 if repeated == "last" else 0] for group in groups], note)
    if repeated == "mean":
        kept = replace(kept, values=np.array([_mean(rows.values[group]) for group in groups]))
    return kept


def _mean(values: np.ndarray) -> np.ndarray:
    """Mean over the rows of [n, D] without NaN; NaN where there is nothing else."""
    known = ~np.isnan(values)
    count = known.sum(0)
    return np.where(count > 0, np.where(known, values, 0.0).sum(0) / np.maximum(count, 1), np.nan)


def joined(parts: Sequence[Rows]) -> Rows:
    """Files behind each other; raises `DataError` where one does not come after the other in time."""
    for before, after in pairwise(parts):
        if (before.times[-1].tzinfo is None) != (after.times[0].tzinfo is None):
            raise DataError(
                f"{after.where(0)}: of time {after.times[0]} and {before.times[-1]} of {before.places[-1][0]} one has "
                "a time zone; name one for all, like data.time_zone=UTC or Europe/Berlin."
            )
        if after.times[0] <= before.times[-1]:
            raise DataError(
                f"{after.where(0)}: time {after.times[0]} does not come after {before.times[-1]}, the last of "
                f"{before.places[-1][0]}; train, validation and test follow each other in time."
            )
    if len(parts) == 1:
        return parts[0]
    return Rows(
        parts[0].columns,
        [time for part in parts for time in part.times],
        np.concatenate([part.values for part in parts]),
        [place for part in parts for place in part.places],
        tuple(note for part in parts for note in part.notes),
    )


def regular(rows: Rows, sizes: Sequence[int], grid: Grid, irregular: Irregular) -> tuple[Rows, list[int]]:
    """The rows, and how many each part has, once it is settled what becomes of steps that differ from the others.

    `sizes` are the rows of each part. Filling adds rows of NaN to the part before a gap. Raises `DataError` with the
    line for the first odd step, or for a time that is off the grid.
    """
    at = [grid.position(time) for time in rows.times]
    odd = [i for i in range(1, len(rows)) if abs(at[i] - at[i - 1] - 1) > 1e-6]
    if not odd:
        return rows, list(sizes)
    first, what = odd[0], f"Not of the usual {grid.name}: {len(odd)} of {len(rows) - 1} steps in time"
    if irregular == "refuse":
        raise DataError(
            f"{rows.where(first)}: {rows.times[first]} comes after {rows.times[first - 1]}, but a step is {grid.name} "
            f"elsewhere (odd steps: {len(odd)} of {len(rows) - 1}); add the missing rows by data.irregular=fill and "
            "data.impute, or count rows, not time, by data.irregular=keep."
        )
    if irregular == "keep":
        return replace(rows, notes=(*rows.notes, f"{what}; rows were counted, not time.")), list(sizes)
    off = next((i for i, place in enumerate(at) if abs(place - round(place)) > 1e-6), None)
    if off is not None:
        raise DataError(
            f"{rows.where(off)}: {rows.times[off]} is off the grid of {grid.name} from {grid.start} on, so nothing "
            "can be filled in; repair the times, or count rows, not time, by data.irregular=keep."
        )
    steps = [round(place) for place in at]
    total = steps[-1] - steps[0] + 1
    if total > 2 * len(rows):
        raise DataError(
            f"{rows.where(first)}: a row for every {grid.name} would be {total} rows for {len(rows)} that are there; "
            "most would be made up: count rows, not time, by data.irregular=keep, or cut the file."
        )
    values = np.full((total, rows.values.shape[1]), np.nan)
    values[[step - steps[0] for step in steps]] = rows.values
    times, places = [], []
    for i, (step, after) in enumerate(zip(steps, [*steps[1:], steps[-1] + 1], strict=True)):
        times += [rows.times[i], *(grid.at(missing) for missing in range(step + 1, after))]
        places += [rows.places[i]] * (after - step)
    starts = [sum(sizes[:part]) for part in range(len(sizes))]
    bounds = [*(steps[start] - steps[0] for start in starts), total]
    note = f"{what}; {several(total - len(rows), 'row was', 'rows were')} added for times that are missing."
    filled = Rows(rows.columns, times, values, places, (*rows.notes, note))
    return filled, [end - start for start, end in pairwise(bounds)]


def imputed(rows: Rows, sizes: Sequence[int], impute: Impute | None, means: Sequence[float] | None = None) -> Rows:
    """The rows with every value known; no part is filled from a later one. `sizes` are the rows of each part.

    previous: the last known value. linear: a straight line between known neighbours of the part, which looks ahead;
    before the first and beyond the last one, their value. mean: that of the first part, the training rows, or the
    `means` where these were others. Raises
    `DataError` with line and column where a value is missing and no way was chosen, or none leads to a value.
    """
    lost = np.isnan(rows.values)
    if not lost.any():
        return rows
    i, j = np.argwhere(lost)[0]
    count = int(lost.sum())
    where = f"{rows.where(i)}, column {rows.columns[j]!r}"
    if impute is None:
        raise DataError(
            f"{where}: the value is missing ({count} of {lost.size} in all); fill them by {IMPUTE}, or repair the file."
        )
    values = rows.values.copy()
    start = 0
    for size in sizes:
        part = slice(start, start + size)
        for column, name in enumerate(rows.columns):
            known = np.flatnonzero(~lost[: sizes[0] if impute == "mean" else part.stop, column])
            known = known if impute != "linear" else known[known >= start]
            gaps = np.flatnonzero(lost[part, column]) + start
            if not len(gaps):
                continue
            if impute == "mean" and means is not None:
                values[gaps, column] = means[column]
                continue
            if not len(known):
                raise DataError(
                    f"{rows.where(gaps[0])}, column {name!r}: no value of the part is known to fill from by "
                    f"data.impute={impute}; leave the column out of data.target."
                )
            if impute == "mean":
                values[gaps, column] = rows.values[known, column].mean()
            elif impute == "linear":
                values[gaps, column] = np.interp(gaps, known, rows.values[known, column])
            else:
                before = np.searchsorted(known, gaps) - 1
                if before[0] < 0:
                    raise DataError(
                        f"{rows.where(gaps[0])}, column {name!r}: the first value is missing, so there is no previous "
                        "one; cut the rows before the first known one, or choose data.impute=linear or mean."
                    )
                values[gaps, column] = rows.values[known[before], column]
        start += size
    ahead = "; a window may see in them what comes after it" if impute == "linear" else ""
    note = f"Filled by impute={impute}, and counted in the scores: {count} of {lost.size} values{ahead}."
    return replace(rows, values=values, notes=(*rows.notes, note))
