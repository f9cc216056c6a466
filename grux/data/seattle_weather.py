"""Daily weather observed in Seattle, 2012 to 2015, from the pip package vega-datasets (NOAA, public domain).

1,461 days of precipitation, highest and lowest temperature, and wind. Protocol: the first 70 % of the days train, the
next 10 % validate, the last 20 % test, in the order of time. The season is the week, as is customary for daily data and
short enough to lie in a window, though the weather knows none; last value is the stronger of the two baselines.
"""

from typing import Literal

from grux.arguments import PositiveInt
from grux.data.base import Dataset
from grux.data.card import Card
from grux.data.files import hashes
from grux.data.forecasting import chronological_parts, read_series, windows_dataset
from grux.data.packages import PackageFile

WEEK = 7
CHANNELS = {"temperature": ("temp_max", "temp_min"), "all": ("precipitation", "temp_max", "temp_min", "wind")}
FILES = (
    PackageFile(
        dataset="seattle_weather",
        name="seattle-weather.csv",
        sha256="62f0609f787158128aa2bd102967173a4953122dd4f872bf1d502cae1037df0b",
        bytes=47838,
        licence="public domain (NOAA), package MIT",
        distribution="vega-datasets",
        version="0.9.0",
        location="vega_datasets/_data/seattle-weather.csv",
    ),
)
CARD = Card(
    name="seattle_weather",
    task="forecasting",
    summary="Daily temperature (with rain and wind, if asked for) observed in Seattle, 2012 to 2015.",
    sizes={"train": 988, "validation": 140, "test": 287},
    licence="public domain (NOAA), package MIT",
)


def seattle_weather(*, channels: Literal["temperature", "all"], window: PositiveInt, horizon: PositiveInt) -> Dataset:
    """The next `horizon` days from the last `window` days."""
    series = read_series(FILES[0].path(), columns=CHANNELS[channels])
    return windows_dataset(
        name=CARD.name,
        series=series,
        parts=chronological_parts(len(series.values)),
        window=window,
        horizon=horizon,
        season=WEEK,
        files=hashes(FILES),
    )
