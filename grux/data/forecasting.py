"""Shared by the forecasting sets: read a table of numbers strictly, cut it in time, standardise, make windows.

Protocol of Zhou et al. 2021 (Informer) as all later work uses it: the parts follow each other in time; every channel
is standardised by mean and deviation of the *training* rows; windows move by one row; the inputs of the first
validation and test windows reach back into the rows before their part, their targets never do.
"""

import math
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import numpy as np

from grux.batch import Info
from grux.data.base import Dataset, Split, Windows
from grux.data.calendar import Covariates
from grux.data.texts import read_table
from grux.errors import DataError


@dataclass(frozen=True)
class Series:
    """A multivariate series: `values` float64 [N, D], one row per time, channel names in `columns`."""

    columns: tuple[str, ...]
    times: tuple[datetime, ...]
    values: np.ndarray

    def select(self, *columns: str) -> "Series":
        places = [self.columns.index(column) for column in columns]
        return Series(columns, self.times, self.values[:, places])


def read_series(
    path: Path, *, columns: tuple[str, ...] | None = None, encoding: str = "utf-8", in_order: bool = True
) -> Series:
    """A CSV file with a header, a time in the first column and a number in every other cell; or in `columns` only.

    Raises `DataError` with line and column for anything else: ragged rows, missing or non-numeric cells, a missing
    header, doubled columns, and, with `in_order`, times that do not grow.
    """
    rows = read_table(path, encoding)
    header = [cell.strip() for cell in next(rows, (1, []))[1]]
    if len(header) < 2:
        raise DataError(f"{path}: line 1 must name a time column and at least one channel, got {header}.")
    if any(_is_number(cell) or not cell for cell in header):
        raise DataError(f"{path}: line 1 is not a header of column names: {', '.join(header)[:80]!r}; add one.")
    doubled = sorted({cell for cell in header if header.count(cell) > 1})
    if doubled:
        raise DataError(f"{path}: column {doubled[0]!r} stands {header.count(doubled[0])} times in the header.")
    wanted = header[1:] if columns is None else list(columns)
    for name in wanted:
        if name not in header[1:]:
            raise DataError(f"{path}: there is no column {name!r}; the header has {', '.join(header[1:])}.")
    places = [header.index(name, 1) for name in wanted]
    times: list[datetime] = []
    values: list[list[float]] = []
    for line, row in rows:
        where = f"{path}, line {line}"
        if len(row) != len(header):
            raise DataError(f"{where}: {len(row)} cells where the header has {len(header)}.")
        times.append(_time(row[0], where))
        values.append([_number(row[place], f"{where}, column {header[place]!r}") for place in places])
    for number, (before, after) in enumerate(pairwise(times), start=3):
        if in_order and after <= before:
            raise DataError(f"{path}, line {number}: time {after} does not come after {before}; sort the rows.")
    return Series(tuple(wanted), tuple(times), np.array(values, float).reshape(len(values), len(wanted)))


def chronological_parts(rows: int) -> tuple[int, int, int]:
    """70, 10 and 20 % of the rows, in the order of time; what division leaves over goes to the test rows."""
    train, validation = rows * 7 // 10, rows // 10
    return train, validation, rows - train - validation


def ltsf_parts(rows: int) -> tuple[int, int, int]:
    """70, 10 and 20 % of the rows as the code of Wu et al. 2021 (Autoformer) cuts them: validation takes the rest.

    All later work on weather, exchange rate and ILI uses these rows.
    """
    train, test = rows * 7 // 10, rows // 5
    return train, rows - train - test, test


def windows_dataset(
    *,
    name: str,
    series: Series,
    parts: tuple[int, int, int],
    window: int,
    horizon: int,
    season: int,
    files: dict[str, str],
    notes: tuple[str, ...] = (),
    lead: int = 1,
    covariates: Covariates | None = None,
) -> Dataset:
    """Windows over `series`; `parts` are the rows of train, validation and test, later rows are not used.

    The `horizon` begins `lead` rows behind the window. `covariates` has a row for each row of the series.
    """
    train, validation, test = parts
    if covariates is not None and lead > 1:
        raise DataError(f"{name}: what is known ahead goes with forecasts from the next row on, and lead is {lead}.")
    if sum(parts) > len(series.values):
        raise DataError(f"{name}: {sum(parts)} rows are needed, but the series has {len(series.values)}.")
    seen = window + lead - 1
    if seen + horizon > train:
        ahead = f"horizon={horizon}" if lead == 1 else f"a step {lead} rows ahead"
        raise DataError(
            f"{name}: window={window} and {ahead} needs at least {seen + horizon} training rows, but there "
            f"are {train}; choose a shorter window or horizon."
        )
    shortest = min(validation, test)
    if horizon > shortest:
        raise DataError(
            f"{name}: horizon={horizon} needs at least {horizon} rows in each part, but the shortest has {shortest}; "
            f"choose horizon <= {shortest}."
        )
    mean, deviation = series.values[:train].mean(0), series.values[:train].std(0)
    for column, spread in zip(series.columns, deviation, strict=True):
        if spread < 1e-12:
            raise DataError(f"{name}: channel {column!r} is constant over the {train} training rows; leave it out.")
    scaled = (series.values - mean) / deviation
    if season >= train:
        raise DataError(f"{name}: season={season} needs more than {season} training rows, but there are {train}.")
    # The denominator of MASE: the in-sample error of the seasonal naive forecast (Hyndman and Koehler 2006).
    scale = np.abs(scaled[season:train] - scaled[: train - season]).mean(0)
    if not (scale > 0).all():
        raise DataError(f"{name}: a channel repeats itself exactly every season={season} rows: MASE is undefined.")
    bounds = {
        "train": (0, train),
        "validation": (train - seen, train + validation),
        "test": (train + validation - seen, sum(parts)),
    }
    columns = scaled if covariates is None else np.concatenate([scaled, covariates.values], axis=1)
    known = 0 if covariates is None else len(covariates.names)

    def split(start: int, end: int) -> Split:
        starts = np.arange(end - start - seen - horizon + 1, dtype=np.int32)
        rows = columns[start:end].astype(np.float32)
        shape: dict[str, int] = {"window": window, "horizon": horizon, "lead": lead, "covariates": known}
        return Split((Windows(series=rows, starts=starts, ids=starts, **shape),))

    info = Info(
        name=name,
        task="forecasting",
        features=len(series.columns),
        channels=series.columns,
        means=tuple(map(float, mean)),
        deviations=tuple(map(float, deviation)),
        covariates=None if covariates is None else covariates.names,
        covariate_means=None if covariates is None else covariates.means,
        covariate_deviations=None if covariates is None else covariates.deviations,
        window=window,
        horizon=horizon,
        lead=lead,
        season=season,
        mase_scale=tuple(float(value) for value in scale),
    )
    return Dataset(info, {key: split(*bound) for key, bound in bounds.items()}, files, notes=notes)


def _time(cell: str, where: str) -> datetime:
    try:
        return datetime.fromisoformat(cell.strip().replace("/", "-"))
    except ValueError:
        raise DataError(f"{where}: {cell!r} is no time; write it as 2016-07-01 00:00.") from None


def _number(cell: str, where: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        what = "the value is missing" if not cell.strip() else f"{cell!r} is not a finite number"
        raise DataError(f"{where}: {what}; repair or remove the row first.")
    return value


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
