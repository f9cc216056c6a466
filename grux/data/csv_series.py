"""A series of one's own: a CSV file with a column of times and columns of numbers, forecast from their past.

Protocol: 70, 10 and 20 % of the rows train, validate and test, in the order of time, or a file for each; every channel
is standardised by the training rows; windows move by one row. What is odd in a file is refused with its line, and the
sentence names the setting that answers it.
"""

from dataclasses import replace

import numpy as np

from grux.arguments import PositiveInt
from grux.data.base import Dataset
from grux.data.calendar import FEATURES, Covariates, calendar_of, known_columns
from grux.data.card import Card
from grux.data.clock import grid_of
from grux.data.forecasting import Series, chronological_parts, windows_dataset
from grux.data.own import Empty, Separator, Table, own_hashes, own_paths, read_own
from grux.data.own_series import (
    Decimal,
    Impute,
    Irregular,
    Repeated,
    Rows,
    Unsorted,
    columns_of_numbers,
    imputed,
    joined,
    ordered,
    read_rows,
    regular,
)
from grux.data.wording import several
from grux.errors import DataError, UsageError

CARD = Card(
    name="csv_series",
    task="forecasting",
    summary="Your own CSV file with a column of times: data.path=FILE data.time=COLUMN data.target=[COLUMN,COLUMN].",
    sizes={},
    licence="your own",
)


def csv_series(
    *,
    path: str | None,
    validation: str | None,
    test: str | None,
    time: str | None,
    target: str | list[str] | None,
    known: str | list[str] | None,
    calendar: bool,
    window: PositiveInt,
    horizon: PositiveInt,
    season: PositiveInt | None,
    impute: Impute | None,
    irregular: Irregular,
    unsorted: Unsorted,
    repeated: Repeated,
    empty: Empty,
    time_format: str | None,
    time_zone: str | None,
    separator: Separator | None,
    decimal: Decimal,
    encoding: str,
) -> Dataset:
    """The next `horizon` rows of the target columns from their last `window` rows; the yaml says what a choice does.

    Columns that are `known` ahead, and with `calendar` the places of the times in it, are inputs of window and horizon.
    """
    paths = own_paths(path, validation, test, CARD.name)
    tables = {part: read_own(file, encoding=encoding, separator=separator, empty=empty) for part, file in paths.items()}
    first = tables["train"]
    time = first.header[0] if time is None else time
    ahead = _known(first, time, known)
    columns, notes = _columns(first, time, target, decimal, ahead)
    names = [*columns, *ahead]
    parts = [
        ordered(read_rows(table, time, names, time_format, time_zone, decimal), unsorted=unsorted, repeated=repeated)
        for table in tables.values()
    ]
    rows = joined(parts)
    grid = grid_of(rows.times)
    there = len(rows)
    rows, sizes = regular(rows, [len(part) for part in parts], grid, irregular)
    if len(rows) > there and impute is None:
        raise UsageError(
            f"data.irregular=fill adds {several(len(rows) - there, 'row', 'rows')} without values; say what "
            "stands in them by data.impute=previous, linear or mean."
        )
    train, validate, tested = chronological_parts(len(rows)) if len(sizes) == 1 else sizes
    rows = imputed(rows, (train, validate, tested), impute)
    values, covariates = rows.values[:, : len(columns)], None
    if window + horizon <= train:  # else that is what to say first, and `windows_dataset` does
        _check_constant(replace(rows, columns=tuple(columns), values=values), train)
        covariates = _covariates(rows, len(columns), train, calendar)
    if season is None:
        season = _season(values[:train], grid.season)
        notes.append(f"season={season} was taken for a step of {grid.name}.")
    return windows_dataset(
        name=CARD.name,
        series=Series(tuple(columns), tuple(rows.times), values),
        covariates=covariates,
        parts=(train, validate, tested),
        window=window,
        horizon=horizon,
        season=season,
        files=own_hashes(list(paths.values())),
        notes=(*notes, *(note for table in tables.values() for note in table.skip_notes()), *rows.notes),
    )


def _season(values: np.ndarray, customary: int) -> int:
    """The customary season, or 1 where the training rows [N, D] are too few for it or repeat themselves exactly."""
    apart = values[customary:] - values[:-customary]
    return customary if len(apart) and np.abs(apart).max(0).all() else 1


def _known(table: Table, time: str, known: str | list[str] | None) -> list[str]:
    """The columns that are known ahead."""
    names = [] if known is None else [known] if isinstance(known, str) else known
    for name in names:
        table.column(name, "data.known")
        if name == time:
            raise UsageError(f"data.known names {name!r}, the column of times; data.calendar=true reads those.")
        if name in FEATURES:
            raise UsageError(f"data.known names {name!r}, which is what data.calendar calls one of its own; rename it.")
        if names.count(name) > 1:
            raise UsageError(f"data.known names {name!r} twice; name each column once.")
    return names


def _covariates(rows: Rows, targets: int, train: int, calendar: bool) -> Covariates | None:
    """What is known ahead: the columns behind the targets, and the calendar."""
    names = rows.columns[targets:]
    columns = known_columns(names, rows.values[:, targets:], train=train, name=CARD.name) if names else None
    places = calendar_of(rows.times, train=train, name=CARD.name) if calendar else None
    return columns.beside(places) if columns and places else columns or places


def _columns(
    table: Table, time: str, target: str | list[str] | None, decimal: Decimal, known: list[str]
) -> tuple[list[str], list[str]]:
    """The columns to forecast, and notes on those that are none."""
    table.column(time, "data.time")
    if target is None:
        numbers, others = columns_of_numbers(table, decimal, without=time)
        columns = [name for name in numbers if name not in known]
        if not columns:
            raise DataError(f"{table.path}: no column but {time!r} holds numbers; name other ones by data.target.")
        left = ", ".join(map(repr, others))
        return columns, [f"Left out, as no numbers: {left}."] if others else []
    columns = [target] if isinstance(target, str) else target
    if not columns:
        raise UsageError("data.target=[] names no column; name some, or null for every column of numbers.")
    for name in columns:
        table.column(name, "data.target")
        if name == time:
            raise UsageError(f"data.target names {name!r}, the column of times; name columns of numbers.")
        if name in known:
            raise UsageError(f"data.target and data.known both name {name!r}; what is forecast is not known ahead.")
        if columns.count(name) > 1:
            raise UsageError(f"data.target names {name!r} twice; name each column once.")
    return columns, []


def _check_constant(rows: Rows, train: int) -> None:
    still = np.ptp(rows.values[:train], axis=0) == 0
    if still.any():
        name, value = rows.columns[int(still.argmax())], rows.values[0, still.argmax()]
        others = [column for column, same in zip(rows.columns, still, strict=True) if not same]
        left = f"leave it out: data.target=[{','.join(others)}]" if others else "there is nothing to forecast"
        raise DataError(
            f"{rows.places[0][0]}, column {name!r}: it is {value:g} in all {train} training rows, from line "
            f"{rows.places[0][1]} to {rows.places[train - 1][1]}; {left}."
        )
