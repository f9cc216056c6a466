"""What a time stamp says of its place in the hour, day, week, month and year: covariates that are known ahead.

    minute / 59 - 1/2   hour / 23 - 1/2   weekday / 6 - 1/2   (day - 1) / 30 - 1/2   (day of the year - 1) / 365 - 1/2

each from -1/2 to 1/2, with Monday as weekday 0: the features of GluonTS (Alexandrov et al. 2020) that Zhou et al. 2021
(Informer) and the work after it use. Sine and cosine would have no jump at midnight, at twice the columns.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from grux.errors import DataError

FEATURES: dict[str, Callable[[datetime], float]] = {
    "minute of hour": lambda time: time.minute / 59 - 0.5,
    "hour of day": lambda time: time.hour / 23 - 0.5,
    "day of week": lambda time: time.weekday() / 6 - 0.5,
    "day of month": lambda time: (time.day - 1) / 30 - 0.5,
    "day of year": lambda time: (time.timetuple().tm_yday - 1) / 365 - 0.5,
}


@dataclass(frozen=True)
class Covariates:
    """Columns that are known ahead: `values` float64 [N, C], as models read them."""

    names: tuple[str, ...]
    values: np.ndarray
    means: tuple[float, ...]
    """What was subtracted from each column, 0 for the calendar."""
    deviations: tuple[float, ...]
    """What it was divided by then, 1 for the calendar."""

    def beside(self, other: "Covariates") -> "Covariates":
        """These columns, then the other ones."""
        return Covariates(
            self.names + other.names,
            np.concatenate([self.values, other.values], axis=1),
            self.means + other.means,
            self.deviations + other.deviations,
        )


def calendar_of(times: Sequence[datetime], *, train: int, name: str) -> Covariates:
    """The features that change over the first `train` rows: of weeks, neither minute nor hour nor weekday.

    Raises `DataError` for a series without times, or where nothing changes.
    """
    if not times:
        raise DataError(f"{name}: data.calendar=true reads the times of the rows, and they have none; leave it out.")
    found = {feature: places(times, feature) for feature in FEATURES}
    names = tuple(feature for feature, column in found.items() if np.ptp(column[:train]) > 0)
    if not names:
        raise DataError(f"{name}: no calendar feature changes over the {train} training rows; set data.calendar=false.")
    values = np.stack([found[feature] for feature in names], axis=1)
    return Covariates(names, values, (0.0,) * len(names), (1.0,) * len(names))


def places(times: Sequence[datetime], feature: str) -> np.ndarray:
    """float64 [N]: one of `FEATURES` at each time."""
    return np.array([FEATURES[feature](time) for time in times], float)


def known_columns(names: tuple[str, ...], values: np.ndarray, *, train: int, name: str) -> Covariates:
    """Columns [N, C] of the data, standardised by their first `train` rows. Raises `DataError` for a constant one."""
    mean, deviation = values[:train].mean(0), values[:train].std(0)
    for column, spread in zip(names, deviation, strict=True):
        if spread < 1e-12:
            raise DataError(
                f"{name}: column {column!r} is constant over the {train} training rows; leave it out of data.known."
            )
    return Covariates(names, (values - mean) / deviation, tuple(map(float, mean)), tuple(map(float, deviation)))
