"""A series of one's own to be watched: a CSV file with a column of times and columns of numbers, labelled or not.

The first 70 % of the rows train and are taken to be normal (but for rows that the label column marks), the next 10 %
validate and decide the threshold, the last 20 % are the test; or a file for each. Without a column of labels nothing
can say how well anomalies are found, so only the error is scored; `grux detect` flags rows of other files all the
same. What is odd in a file is refused with its line, as by `csv_series`.
"""

import numpy as np

from grux.arguments import PositiveInt
from grux.data.anomaly import series_dataset
from grux.data.base import Dataset
from grux.data.card import Card
from grux.data.forecasting import chronological_parts
from grux.data.own import Empty, Separator, own_hashes, own_paths
from grux.data.own_rows import Reading, check_constant, read_rows
from grux.data.own_series import Decimal, Impute, Irregular, Repeated, Rows, Unsorted, imputed
from grux.data.wording import several
from grux.errors import DataError

CARD = Card(
    name="csv_anomaly",
    task="anomaly",
    summary="Your own series to find anomalies in: data.path=FILE data.time=COLUMN, data.label=COLUMN where known.",
    sizes={},
    licence="your own",
)


def csv_anomaly(
    *,
    path: str | None,
    validation: str | None,
    test: str | None,
    time: str | None,
    target: str | list[str] | None,
    label: str | None,
    window: PositiveInt,
    stride: PositiveInt,
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
    """The target columns, in windows of `window` rows of which the last `stride` are judged."""
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
    found = read_rows(paths, target, reading, label=label)
    rows, labels, notes = found.rows, None, []
    if label is not None:
        rows, labels, notes = without_labels(rows)
    train, validate, tested = chronological_parts(len(rows)) if len(found.sizes) == 1 else found.sizes
    rows = imputed(rows, (train, validate, tested), impute)
    if window <= train:  # else that is what to say first, and `series_dataset` does
        check_constant(rows, train)
    return series_dataset(
        name=CARD.name,
        columns=rows.columns,
        values=rows.values,
        labels=labels,
        parts=(train, validate, tested),
        window=window,
        stride=stride,
        files=own_hashes(list(paths.values())),
        notes=(*found.notes, *found.skipped, *rows.notes, *notes),
    )


def without_labels(rows: Rows) -> tuple[Rows, np.ndarray, list[str]]:
    """The rows without their last column, bool [N] of that column, and a note where labels are missing.

    A label that is missing is that of a normal row. Raises `DataError` with the line for one that is neither 0 nor 1.
    """
    values, given = rows.values[:, :-1], rows.values[:, -1]
    missing = np.isnan(given)
    # The mean of rows with the same time may lie between: then one of them is an anomaly.
    wrong = np.flatnonzero(~missing & ((given < 0) | (given > 1)))
    if len(wrong):
        row = wrong[0]
        raise DataError(
            f"{rows.where(row)}, column {rows.columns[-1]!r}: {given[row]:g} is no label; 1 marks an anomaly, 0 or "
            "nothing a normal row."
        )
    notes = [f"Taken to be normal: {several(int(missing.sum()), 'row', 'rows')} without a label."]
    kept = Rows(rows.columns[:-1], rows.times, values, rows.places, rows.notes)
    return kept, np.where(missing, 0.0, given) > 0, notes if missing.any() else []
