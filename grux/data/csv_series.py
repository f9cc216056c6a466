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
from grux.data.forecasting import Series, chronological_parts, windows_dataset
from grux.data.own import Empty, Separator, own_hashes, own_paths
from grux.data.own_rows import Reading, check_constant, read_rows
from grux.data.own_series import Decimal, Impute, Irregular, Repeated, Rows, Unsorted, imputed
from grux.errors import UsageError

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
    reading = Reading(
        time=time,
        impute=impute,
        irregular=irregular,
        unsorted=unsorted,
        repeated=repeated,
        empty=empty,
        time_format=time_format,
        time_zone=time_zone,
        separator=separator,
        decimal=decimal,
        encoding=encoding,
    )
    ahead = [] if known is None else [known] if isinstance(known, str) else known
    for name in ahead:
        if name in FEATURES:
            raise UsageError(f"data.known names {name!r}, which is what data.calendar calls one of its own; rename it.")
    found = read_rows(paths, target, reading, known=ahead)
    notes, sizes = list(found.notes), found.sizes
    rows, count = found.rows, len(found.rows.columns) - len(ahead)
    train, validate, tested = chronological_parts(len(rows)) if len(sizes) == 1 else sizes
    rows = imputed(rows, (train, validate, tested), impute)
    columns, values, covariates = rows.columns[:count], rows.values[:, :count], None
    if window + horizon <= train:  # else that is what to say first, and `windows_dataset` does
        check_constant(replace(rows, columns=columns, values=values), train)
        covariates = _covariates(rows, count, train, calendar)
    if season is None:
        season = _season(values[:train], found.grid.season)
        notes.append(f"season={season} was taken for a step of {found.grid.name}.")
    return windows_dataset(
        name=CARD.name,
        series=Series(columns, tuple(rows.times), values),
        covariates=covariates,
        parts=(train, validate, tested),
        window=window,
        horizon=horizon,
        season=season,
        files=own_hashes(list(paths.values())),
        notes=(*notes, *found.skipped, *rows.notes),
    )


def _season(values: np.ndarray, customary: int) -> int:
    """The customary season, or 1 where the training rows [N, D] are too few for it or repeat themselves exactly."""
    apart = values[customary:] - values[:-customary]
    return customary if len(apart) and np.abs(apart).max(0).all() else 1


def _covariates(rows: Rows, targets: int, train: int, calendar: bool) -> Covariates | None:
    """What is known ahead: the columns behind the targets, and the calendar."""
    names = rows.columns[targets:]
    columns = known_columns(names, rows.values[:, targets:], train=train, name=CARD.name) if names else None
    places = calendar_of(rows.times, train=train, name=CARD.name) if calendar else None
    return columns.beside(places) if columns and places else columns or places
