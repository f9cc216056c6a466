"""NAB, the Numenta Anomaly Benchmark: 58 series of numbers with windows around their anomalies, one series at a time.

Lavin and Ahmad 2015, "Evaluating real-time anomaly detection algorithms - the Numenta anomaly benchmark" (ICMLA, arXiv
1510.03336). The first 15 % of a series, 750 rows at most, are its probation, on which no detector is scored and no
window lies: their first four fifths train here, the last fifth validates, and all other rows are the test. A row is
an anomaly where it lies in a window of `labels/combined_windows.json`. Rows are counted, not time: some series have
gaps, or an hour twice, as in the benchmark's own scoring.
"""

import json
from datetime import datetime

import numpy as np

from grux.arguments import PositiveInt
from grux.data.anomaly import series_dataset
from grux.data.base import Dataset
from grux.data.card import Card
from grux.data.files import hashes
from grux.data.forecasting import Series, read_series
from grux.data.nab_files import FILES as BY_NAME
from grux.data.nab_files import LICENCE, WINDOWS
from grux.errors import DataError, UsageError
from grux.nearest import nearest_keys

PROBATION = 0.15
MOST_PROBATION = 750  # rows
FILES = (*BY_NAME.values(), WINDOWS)
CARD = Card(
    name="nab",
    task="anomaly",
    summary="Numenta Anomaly Benchmark: 58 series (taxi rides, machines, traffic, tweets) with anomaly windows.",
    sizes={"train": 505, "validation": 4, "test": 200},
    licence=LICENCE,
)


def nab(*, name: str, window: PositiveInt, stride: PositiveInt) -> Dataset:
    """`name`: folder/series, or the series alone."""
    full = full_name(name)
    file = BY_NAME[full]
    series = read_series(file.path(), in_order=False)
    windows = json.loads(WINDOWS.path().read_text(encoding="utf-8"))[f"{full}.csv"]
    return series_dataset(
        name=CARD.name,
        columns=series.columns,
        values=series.values,
        labels=labels_of(series, windows),
        parts=nab_parts(len(series.values)),
        window=window,
        stride=stride,
        files=hashes((file, WINDOWS)),
    )


def full_name(name: str) -> str:
    """ "realKnownCause/nyc_taxi" of "nyc_taxi"; raises `UsageError` for a series that NAB does not have."""
    short = {full.split("/")[1]: full for full in BY_NAME}
    if name in BY_NAME or name in short:
        return short.get(name, name)
    near = nearest_keys(name, (*short, *BY_NAME))
    raise UsageError(
        f"data.name={name} is no series of NAB; {f'did you mean {near[0]}?' if near else 'like nyc_taxi.'}"
    )


def nab_parts(rows: int) -> tuple[int, int, int]:
    """Rows of train, validation and test."""
    probation = min(int(PROBATION * rows), MOST_PROBATION)
    train = probation * 4 // 5
    return train, probation - train, rows - probation


def labels_of(series: Series, windows: list[list[str]]) -> np.ndarray:
    """bool [N]: the rows from the first to the last time of each window; raises `DataError` where they are no rows."""
    labels = np.zeros(len(series.times), bool)
    places = {time: row for row, time in reversed(list(enumerate(series.times)))}
    for window in windows:
        first, last = (places.get(datetime.fromisoformat(time)) for time in window)
        if first is None or last is None or last < first:
            raise DataError(f"nab: the window {window} begins or ends at no row of its series; get a good copy.")
        labels[first : last + 1] = True
    return labels
