"""ETT: oil temperature and load of two electricity transformers in China, 2016-2018 (Zhou et al. 2021, AAAI).

h1 and h2 are hourly, m1 and m2 the same at 15 minutes. Protocol of the LTSF literature: 12, 4 and 4 months of 30 days
for train, validation and test, later rows unused; stride 1; no batch is dropped.
"""

from typing import Literal

from grux.arguments import PositiveInt
from grux.data.base import Dataset
from grux.data.calendar import calendar_of
from grux.data.card import Card
from grux.data.fetch import File
from grux.data.files import hashes
from grux.data.forecasting import read_series, windows_dataset

LICENCE = "CC BY-ND 4.0"
ADDRESS = "https://raw.githubusercontent.com/zhouhaoyi/ETDataset/main/ETT-small"
TARGET = "OT"  # oil temperature, the channel of the univariate task


def _file(name: str, sha256: str, size: int) -> File:
    return File(dataset="ett", name=name, sha256=sha256, bytes=size, licence=LICENCE, url=f"{ADDRESS}/{name}")


FILES = (
    _file("ETTh1.csv", "f18de3ad269cef59bb07b5438d79bb3042d3be49bdeecf01c1cd6d29695ee066", 2589657),
    _file("ETTh2.csv", "a3dc2c597b9218c7ce1cd55eb77b283fd459a1d09d753063f944967dd6b9218b", 2417960),
    _file("ETTm1.csv", "6ce1759b1a18e3328421d5d75fadcb316c449fcd7cec32820c8dafda71986c9e", 10360719),
    _file("ETTm2.csv", "db973ca252c6410a30d0469b13d696cf919648d0f3fd588c60f03fdbdbadd1fd", 9677236),
)
CARD = Card(
    name="ett",
    task="forecasting",
    summary="Electricity transformer temperature and load, hourly (h1, h2) or 15-minute (m1, m2), 7 channels.",
    sizes={"train": 8449, "validation": 2785, "test": 2785},
    licence=LICENCE,
)


def ett(
    *,
    name: Literal["h1", "h2", "m1", "m2"],
    channels: Literal["multivariate", "univariate"],
    window: PositiveInt,
    horizon: PositiveInt,
    calendar: bool,
) -> Dataset:
    """All 7 channels from all 7, or the oil temperature from itself; with `calendar` from the times too."""
    (file,) = (file for file in FILES if file.name == f"ETT{name}.csv")
    series = read_series(file.path())
    if channels == "univariate":
        series = series.select(TARGET)
    day = 24 if name.startswith("h") else 96
    month = 30 * day
    parts = (12 * month, 4 * month, 4 * month)
    return windows_dataset(
        name="ett",
        series=series,
        parts=parts,
        window=window,
        horizon=horizon,
        covariates=calendar_of(series.times, train=parts[0], name="ett") if calendar else None,
        season=day,
        files=hashes((file,)),
    )
