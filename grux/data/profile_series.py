"""The profile of a series: its times, its steps, what is missing, what never changes, and a window that fits."""

import re
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from grux.data.clock import grid_of, instants, read_times
from grux.data.findings import Findings, first_lines
from grux.data.forecasting import chronological_parts
from grux.data.own import Table
from grux.data.own_series import Rows, number, ordered, read_numbers
from grux.data.sniff import Column, Sheet
from grux.data.wording import several

LABEL = re.compile(
    r"anomal|outlier|(?:^|[\W_])(?:is_?)?(?:label|fault|faulty|failure|attack|bad|broken|alarm)s?(?:$|[\W_])",
    re.IGNORECASE,
)
"""Names of columns that mark anomalies."""
WINDOW, HORIZON, BATCH = 96, 24, 32  # of configs/data/csv_series.yaml and configs/train.yaml
SEASONS = 4  # of a window; the horizon is one season: of hours, the numbers above
LONGEST = 96  # rows of a season that is still forecast whole: a day of quarters of an hour
MARKS = (-9999.0, -999.0, -99.0, 999.0, 9999.0, 99999.0)
NAMED = 8  # columns that are named one by one in a command


def series_profile(sheet: Sheet, found: Findings) -> None:
    """Fills in what is to be said; the settings are those with which `csv_series` takes the file."""
    time, *others = sheet.of("time")
    marks = _marks_of(sheet)
    numbers = [column for column in sheet.of("number") if column not in marks]
    found.settings["data.time"] = time.name
    if time.form:
        found.settings["data.time_format"] = time.form
    if sheet.decimal == "comma":
        found.settings["data.decimal"] = "comma"
    for column in (time, *numbers):
        _tell_odd_cells(column, found)
    if time.missing:
        found.odd.append(
            f"Column {time.name!r} lacks {several(time.missing, 'time', 'times')}: repair or remove "
            f"{'this row' if time.missing == 1 else 'these rows'}."
        )
        found.trainable = False
    for column, marked in marks.items():
        found.label = column.name
        found.facts.append(
            f"Column {column.name!r} seems to mark anomalies, {several(marked, 'row', 'rows')} of {len(sheet.rows)}: "
            "it is nothing to forecast."
        )
    for column in sheet.of("class"):
        if LABEL.search(column.name) and {cell.lower() for cell in sheet.cells(column)} <= {"true", "false", ""}:
            found.facts.append(f"Column {column.name!r} would mark anomalies if it had 1 for True and 0 for False.")
    for column in (*others, *sheet.of("class"), *sheet.of("text"), *sheet.of("nothing")):
        found.facts.append(f"Column {column.name!r} holds no numbers and would be left out.")
    odd = {line for column in (time, *numbers) for line, _ in column.odd}
    rows = [(line, row) for line, row in sheet.rows if line not in odd and row[time.place]]
    names = tuple(column.name for column in numbers)
    table = Table(sheet.path, _header(sheet), rows, 0)
    times = _times(sheet, time, table, found)
    series = Rows(names, times, read_numbers(table, names, sheet.decimal), [(sheet.path, line) for line, _ in rows])
    series = _in_order(series, found)
    found.rows = _steps(series, found)
    train, *others = chronological_parts(found.rows)
    _marks(series, found)
    _missing(series, found.rows > len(series), found)
    _constant(series, numbers, min(train, len(series)), found)
    if not fitting(train, min(others), found.season):
        found.odd.append(f"{found.rows} rows are too few for a window and a horizon in each of three parts.")
        found.trainable = False


def _header(sheet: Sheet) -> list[str]:
    return [column.name for column in sheet.columns]


def _tell_odd_cells(column: Column, found: Findings) -> None:
    if column.odd:
        line, cell = column.odd[0]
        what = "times" if column.holds == "time" else "numbers"
        more = f" ({len(column.odd)} cells)" if len(column.odd) > 1 else ""
        found.odd.append(f"Line {line}, column {column.name!r}: {cell!r} is none of its {what}{more}: repair it.")
        found.trainable = False


def _times(sheet: Sheet, time: Column, table: Table, found: Findings) -> list[datetime]:
    """Every time, on one clock; zones that mix are told."""
    cells, lines = [row[time.place] for _, row in table.rows], [line for line, _ in table.rows]
    where, form = str(sheet.path), time.form
    each = [
        read_times([cell], [line], where=where, form=form, zone=None)[0]
        for cell, line in zip(cells, lines, strict=True)
    ]
    bare = [line for at, line in zip(each, lines, strict=True) if at.tzinfo is None]
    offsets = {at.utcoffset() for at in each}
    if len(offsets) == 1:
        return each
    if bare:
        found.odd.append(
            f"Of {len(each)} times {several(len(bare), 'has', 'have')} no time zone ({first_lines(bare)}):"
        )
    else:
        found.odd.append(f"The times are of {len(offsets)} time zones:")
    found.odd[-1] += " name one for all, like data.time_zone=UTC or Europe/Berlin."
    found.settings["data.time_zone"] = "UTC"
    return read_times(cells, lines, where=where, form=form, zone="UTC")


def _in_order(rows: Rows, found: Findings) -> Rows:
    clock = instants(rows.times)
    back = [i for i in range(1, len(rows)) if clock[i] < clock[i - 1]]
    if back:
        lines, count = first_lines([rows.places[i][1] for i in back]), several(len(back), "time comes", "times come")
        found.odd.append(f"{count} before that of the row above ({lines}): data.unsorted=sort.")
        found.settings["data.unsorted"] = "sort"
    if twice := len(clock) - len(set(clock)):
        found.odd.append(
            f"{several(twice, 'row repeats', 'rows repeat')} the time of another: data.repeated=first, last or mean."
        )
        found.settings["data.repeated"] = "mean"
    return ordered(rows, unsorted="sort", repeated="mean")


def _steps(rows: Rows, found: Findings) -> int:
    """Rows that there are once gaps are answered."""
    grid = grid_of(rows.times)
    found.season = grid.season
    found.facts.append(
        f"Times: {rows.times[0]} to {rows.times[-1]}, a step of {grid.name}, a season of {grid.season} rows."
    )
    at = [grid.position(time) for time in rows.times]
    odd = [i for i in range(1, len(rows)) if abs(at[i] - at[i - 1] - 1) > 1e-6]
    if not odd:
        return len(rows)
    clock = instants(rows.times)
    longest = max(odd, key=lambda i: clock[i] - clock[i - 1])
    length = timedelta(seconds=clock[longest] - clock[longest - 1])
    first, there = rows.places[odd[0]][1], rows.places[longest][1]
    found.odd.append(
        f"Of {len(rows) - 1} steps {several(len(odd), 'is', 'are')} not of {grid.name} (first before line {first}); "
        f"the longest is {length} before line {there}:"
    )
    total = round(at[-1]) + 1
    if all(abs(place - round(place)) <= 1e-6 for place in at) and total <= 2 * len(rows):
        added = several(total - len(rows), "row", "rows")
        found.odd[-1] += f" data.irregular=fill adds {added} for data.impute, keep counts rows, not time."
        found.settings["data.irregular"] = "fill"
        return total
    found.odd[-1] += " data.irregular=keep counts rows, not time."
    found.settings["data.irregular"] = "keep"
    return len(rows)


def _missing(rows: Rows, filled: bool, found: Findings) -> None:
    lost = np.isnan(rows.values)
    if lost.any():
        i, j = np.argwhere(lost)[0]
        found.odd.append(
            f"Of {lost.size} values {several(int(lost.sum()), 'is', 'are')} missing (first in line "
            f"{rows.places[i][1]}, column {rows.columns[j]!r}): data.impute=previous, linear (looks ahead) or mean."
        )
    if lost.any() or filled:
        found.settings["data.impute"] = "linear" if lost[0].any() else "previous"


def _marks(rows: Rows, found: Findings) -> None:
    """Numbers that often stand for a missing one, further from all others than these are from each other."""
    for name, column in zip(rows.columns, rows.values.T, strict=True):
        others = column[~np.isnan(column) & ~np.isin(column, MARKS)]
        for mark in MARKS:
            count = int((column == mark).sum())
            if count and len(others) and np.abs(others - mark).min() > np.ptp(others):
                found.odd.append(
                    f"Column {name!r} holds {mark:g} {several(count, 'time', 'times')}, far from all else: if it "
                    "stands for a missing value, empty these cells."
                )


def _constant(rows: Rows, numbers: list[Column], train: int, found: Findings) -> None:
    known = [column[~np.isnan(column)] for column in rows.values[:train].T]
    still = [name for name, values in zip(rows.columns, known, strict=True) if len(set(values.tolist())) < 2]
    targets = [column.name for column in numbers if column.name not in still]
    for name in still:
        found.odd.append(f"Column {name!r} never changes in the training rows: leave it out of data.target.")
    if still or found.label or len(targets) <= NAMED:
        found.settings["data.target"] = targets
    if not targets:
        found.odd.append("There is no column of numbers that changes, so there is nothing to forecast.")
        found.trainable = False


def _marks_of(sheet: Sheet) -> dict[Column, int]:
    """The columns whose names say that they mark anomalies, 1 in at most half of their rows, else 0 or nothing."""
    found = {}
    for column in sheet.of("number"):
        if LABEL.search(column.name) and not column.odd:
            values = np.array([number(cell, sheet.decimal) for cell in sheet.cells(column)])
            marked = int((values == 1).sum())
            if np.isin(values[~np.isnan(values)], (0, 1)).all() and 2 * marked <= len(values):
                found[column] = marked
    return found


def _usual(season: int) -> tuple[int, int]:
    """A window and a horizon for rows of such a season; those of the yaml where none is known or it is very long."""
    return (SEASONS * season, season) if 1 < season <= LONGEST else (WINDOW, HORIZON)


def watching(train: int, season: int, label: str | None) -> dict[str, Any]:
    """The label, a window and a stride of `csv_anomaly`, as the season asks for and so many training rows allow."""
    window = min(_usual(season)[0], (train + 1) // 2)
    windows = train - window + 1
    return {
        **({"data.label": label} if label else {}),
        **{"data.window": window, "data.stride": (window + 1) // 2},
        **({"batch_size": windows} if windows < BATCH else {}),
    }


def fitting(train: int, shortest: int, season: int) -> dict[str, int]:
    """A window and a horizon, as the season asks for and parts of so many rows allow; none where none do."""
    window, horizon = _usual(season)
    horizon = min(horizon, shortest // 2 or shortest)
    window = min(window, (train - horizon) // 2)
    if horizon < 1 or window < 1:
        return {}
    windows = train - window - horizon + 1
    return {"data.window": window, "data.horizon": horizon} | ({"batch_size": windows} if windows < BATCH else {})
