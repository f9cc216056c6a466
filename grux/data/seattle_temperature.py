"""Hourly temperature in Seattle over one year, from the pip package vega-datasets (NOAA, public domain).

The values are NOAA's hourly climate normals written as the year 2010 (8,759 hours; the one where summer time begins is
missing): a smooth curve that no weather disturbs, on which yesterday's same hour is almost exact. Good for checks and
for long seasons; for a comparison of models take `seattle_weather`, which was observed. Protocol: the first 70 % of
the hours train, the next 10 % validate, the last 20 % test, in the order of time.
"""

from grux.arguments import PositiveInt
from grux.data.base import Dataset
from grux.data.card import Card
from grux.data.files import hashes
from grux.data.forecasting import chronological_parts, read_series, windows_dataset
from grux.data.packages import PackageFile

DAY = 24
FILES = (
    PackageFile(
        dataset="seattle_temperature",
        name="seattle-temps.csv",
        sha256="c220666521ff4bec4ffb6f0d9acfdc5c1056564b1aad6f78d3b06aa0a0c8b085",
        bytes=192707,
        licence="public domain (NOAA), package MIT",
        distribution="vega-datasets",
        version="0.9.0",
        location="vega_datasets/_data/seattle-temps.csv",
    ),
)
CARD = Card(
    name="seattle_temperature",
    task="forecasting",
    summary="Hourly temperature in Seattle over one year (NOAA normals).",
    sizes={"train": 6012, "validation": 852, "test": 1730},
    licence="public domain (NOAA), package MIT",
)


def seattle_temperature(*, window: PositiveInt, horizon: PositiveInt) -> Dataset:
    """Temperature of the next `horizon` hours from the last `window` hours."""
    series = read_series(FILES[0].path())
    return windows_dataset(
        name=CARD.name,
        series=series,
        parts=chronological_parts(len(series.values)),
        window=window,
        horizon=horizon,
        season=DAY,
        files=hashes(FILES),
    )
