"""The history of a series of one's own, after which a finished run forecasts: read as `csv_series` reads, to its end.

Columns are found by their names, in any order; others are left alone. The column of times is the one that was named,
else the first that holds times.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from grux.data.clock import Grid, grid_of, read_times, written
from grux.data.own import Table, near, own_path, read_own
from grux.data.own_rows import Reading
from grux.data.own_series import Rows, imputed, ordered, regular, table_rows
from grux.data.wording import several
from grux.errors import DataError


@dataclass(frozen=True)
class History:
    """Rows in the order of time, on a grid, every value known; and how the file writes times."""

    rows: Rows
    """The columns of the run; those that are known ahead stand behind."""
    ahead: np.ndarray
    """float64 [F, K]: what is known ahead, in the rows after these."""
    grid: Grid
    time: str
    """The column of times."""
    like: str
    """A time as it stands in the file."""
    form: str | None

    def after(self, steps: int) -> datetime:
        """The time so many steps behind the last row."""
        last = self.grid.position(self.rows.times[-1])
        if abs(last - round(last)) > 1e-6:  # data.irregular=keep: rows were counted
            return replace(self.grid, start=self.rows.times[-1]).at(steps)
        return self.grid.at(round(last) + steps)

    def stamp(self, time: datetime) -> str:
        """A time written as in the file, see `written`."""
        return written(time, self.like, self.form)


def read_history(
    path: str,
    *,
    columns: Sequence[str],
    known: Sequence[str] = (),
    least: int,
    coming: int = 0,
    reading: Reading,
    usual: str | None = None,
    means: Sequence[float] | None = None,
) -> History:
    """The history in a file. `columns`: what the run forecasts; `least`: the rows that it sees.

    Of columns that are `known` ahead the file also has `coming` rows after the history, in which those that are
    forecast are empty.

    `means`: those of the training rows, for data.impute=mean. Where `reading.time` is None the column is `usual`, if
    there is one of that name, or else recognised. Raises `DataError` for a file that lacks a column, has too few rows,
    or is odd in a way that no setting answers.
    """
    own = own_path(path, "--input")
    table = read_own(own, encoding=reading.encoding, separator=reading.separator, empty=reading.empty)
    names = [*columns, *known]
    for name in names:
        if name not in table.header:
            others = [other for other in table.header if other not in names]
            hint = near(name, others)
            reads = f" and knows {', '.join(known)} ahead" if known else ""
            raise DataError(
                f"{path}: there is no column {name!r}, and the run forecasts {', '.join(columns)}{reads}; "
                f"{hint if hint.startswith('did') else near(name, table.header)}"
            )
    there = usual if usual in table.header else None
    time = reading.time or there or _time_column(table, names, reading)
    rows = table_rows(table, time, names, reading.time_format, reading.time_zone, reading.decimal)
    rows = ordered(rows, unsorted=reading.unsorted, repeated=reading.repeated)
    grid = grid_of(rows.times)
    rows, _ = regular(rows, [len(rows)], grid, reading.irregular)
    past = _past(rows, len(columns)) if known else len(rows)
    if past < least:
        raise DataError(
            f"{path} has {several(past, 'row', 'rows')} of the past, and the run sees the last {least} before it "
            "forecasts; give a file with more of it."
        )
    if known and len(rows) - past < coming:
        raise DataError(
            f"{path}: {', '.join(known)} must be known of the {several(coming, 'row', 'rows')} that are forecast, and "
            f"the file ends with {len(rows) - past} in which {', '.join(columns)} are empty; add what is missing."
        )
    later = rows.taken(range(past, past + coming))
    later = imputed(replace(later, columns=tuple(known), values=later.values[:, len(columns) :]), [len(later)], None)
    rows = imputed(rows.taken(range(past)), [past], reading.impute, means)
    place = table.column(time, "data.time")
    return History(rows, later.values, grid, time, table.rows[-1][1][place], reading.time_format)


def _past(rows: Rows, columns: int) -> int:
    """How many rows there are up to the last one that has a value to forecast."""
    return int(np.flatnonzero(~np.isnan(rows.values[:, :columns]).all(1)).max(initial=-1)) + 1


def _time_column(table: Table, others: Sequence[str], reading: Reading) -> str:
    line, first = table.rows[0]
    for place, name in enumerate(table.header):
        if name in others:
            continue
        try:
            read_times([first[place]], [line], where="", form=reading.time_format, zone=reading.time_zone)
        except DataError:
            continue
        return name
    raise DataError(
        f"{table.path}: beside the columns that the run reads none holds a time like 2016-07-01 00:00 in line {line}; "
        "name it by data.time=COLUMN, and how it is written by data.time_format='%d.%m.%Y %H:%M' and its like."
    )
