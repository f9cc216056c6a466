"""Exchange rate: daily rates of eight currencies against the US dollar, 1990 to 2016 (Lai et al. 2018, LSTNet, SIGIR).

7,588 rows without dates. Protocol of the LTSF literature since Wu et al. 2021 (Autoformer): 70, 10 and 20 % of the rows
in the order of time; stride 1; no batch is dropped; look-back 96. The season is one row: rates know no other, so the
seasonal naive forecast is the last value, which is hard to beat here.

`protocol=lstnet` is that of Lai et al. 2018: 60, 20 and 20 % of the rows, look-back 168, and of all rows ahead only the
one `horizon` rows behind the window (3, 6, 12 or 24) is forecast and scored, by RSE and CORR. Both are comparable with
the paper's: CORR knows no scale, and RSE is computed in raw units, as there. MSE and MAE are on the standardised scale,
on which the paper has none; it divides each channel by its largest value over all rows, test rows included, which
training here never sees.
"""

import math
from pathlib import Path
from typing import Literal

import numpy as np

from grux.arguments import PositiveInt
from grux.data.base import Dataset
from grux.data.card import Card
from grux.data.fetch import File
from grux.data.files import hashes
from grux.data.forecasting import Series, ltsf_parts, windows_dataset
from grux.data.texts import read_table
from grux.errors import DataError

LICENCE = "none stated (Lai et al. 2018); download only"
# In the order in which the paper names them, which the levels of the first rows bear out.
COLUMNS = ("Australia", "Britain", "Canada", "Switzerland", "China", "Japan", "New Zealand", "Singapore")
TARGET = "Singapore"  # the last column, which the literature calls OT: the channel of the univariate task
FILES = (
    File(
        dataset="exchange_rate",
        name="exchange_rate.txt.gz",
        sha256="6a4fbb561dcdee43f071a83badbeec9223a335552278348656738b556f1c2e9d",
        bytes=177142,
        licence=LICENCE,
        url="https://raw.githubusercontent.com/laiguokun/multivariate-time-series-data/master/exchange_rate/"
        "exchange_rate.txt.gz",
    ),
)
CARD = Card(
    name="exchange_rate",
    task="forecasting",
    summary="Exchange rates of eight currencies against the US dollar, daily, 1990 to 2016.",
    sizes={"train": 5120, "validation": 665, "test": 1422},
    licence=LICENCE,
)


def exchange_rate(
    *,
    channels: Literal["multivariate", "univariate"],
    window: PositiveInt,
    horizon: PositiveInt,
    protocol: Literal["ltsf", "lstnet"],
) -> Dataset:
    """All 8 channels from all 8, or the last from itself: the next `horizon` rows, or in LSTNet's the last of them."""
    series = read_rates(FILES[0].path())
    if channels == "univariate":
        series = series.select(TARGET)
    return windows_dataset(
        name=CARD.name,
        series=series,
        parts=(ltsf_parts if protocol == "ltsf" else lstnet_parts)(len(series.values)),
        window=window,
        horizon=horizon if protocol == "ltsf" else 1,
        lead=1 if protocol == "ltsf" else horizon,
        season=1,
        files=hashes(FILES),
    )


def lstnet_parts(rows: int) -> tuple[int, int, int]:
    """60, 20 and 20 % of the rows, as the code of Lai et al. 2018 cuts them."""
    train, tested = rows * 6 // 10, rows * 8 // 10
    return train, tested - train, rows - tested


def read_rates(path: Path) -> Series:
    """Rows of eight numbers, without header and times."""
    values = []
    for line, row in read_table(path):
        try:
            numbers = [float(cell) for cell in row]
        except ValueError:
            numbers = []
        if len(numbers) != len(COLUMNS) or not all(map(math.isfinite, numbers)):
            raise DataError(f"{path}, line {line}: {row} are not {len(COLUMNS)} numbers; get a good copy.")
        values.append(numbers)
    return Series(COLUMNS, (), np.array(values, float).reshape(len(values), len(COLUMNS)))
