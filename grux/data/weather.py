"""Weather: 21 readings every 10 minutes of 2020 at the Max Planck Institute for Biogeochemistry in Jena.

52,696 rows, the copy that the LTSF literature uses since Wu et al. 2021 (Autoformer, NeurIPS), with its faults: one
stamp stands twice, nine rows are missing, and 81 readings are -9999, the mark of a sensor that failed. Protocol of that
literature: 70, 10 and 20 % of the rows in the order of time; stride 1; no batch is dropped; look-back 96.
"""

from typing import Literal

from grux.arguments import PositiveInt
from grux.data.base import Dataset
from grux.data.calendar import calendar_of
from grux.data.card import Card
from grux.data.fetch import File
from grux.data.files import hashes
from grux.data.forecasting import ltsf_parts, read_series, windows_dataset

LICENCE = "none stated (Max Planck Institute for Biogeochemistry, Jena); download only"
TARGET = "OT"  # the channel of the univariate task
DAY = 144  # rows
FILES = (
    File(
        dataset="weather",
        name="weather.csv",
        sha256="34ee981d07313e51da2a50bb600072c8ae4a69cb4b0651f4cb93a069d7a2ba63",
        bytes=7235425,
        licence=LICENCE,
        url="https://raw.githubusercontent.com/junwoopark92/Self-Supervised-Contrastive-Forecsating/main/dataset/weather/"
        "weather.csv",
    ),
)
CARD = Card(
    name="weather",
    task="forecasting",
    summary="Weather in Jena, Germany, every 10 minutes of 2020, 21 channels.",
    sizes={"train": 36696, "validation": 5175, "test": 10444},
    licence=LICENCE,
)
FAILED = -9999.0


def weather(
    *, channels: Literal["multivariate", "univariate"], window: PositiveInt, horizon: PositiveInt, calendar: bool
) -> Dataset:
    """All 21 channels from all 21, or the last, OT, from itself; with `calendar` from the times too."""
    # The literature counts rows, not minutes: the doubled stamp and the gap stay.
    series = read_series(FILES[0].path(), in_order=False)
    if channels == "univariate":
        series = series.select(TARGET)
    failed = int((series.values == FAILED).sum())
    parts = ltsf_parts(len(series.values))
    return windows_dataset(
        name=CARD.name,
        series=series,
        parts=parts,
        window=window,
        horizon=horizon,
        covariates=calendar_of(series.times, train=parts[0], name=CARD.name) if calendar else None,
        season=DAY,
        files=hashes(FILES),
        notes=(f"{failed} readings of {FAILED:g}, which a failed sensor gave, are taken as they stand.",),
    )
