"""ILI: weekly share of patients with influenza-like illness in the United States, 2002 to 2020 (CDC).

966 weeks, 7 channels, as the LTSF literature uses them since Wu et al. 2021 (Autoformer, NeurIPS). Its protocol: 70,
10 and 20 % of the rows in the order of time; stride 1; no batch is dropped; look-back 36, horizons 24 to 60 weeks.
"""

from typing import Literal

from grux.arguments import PositiveInt
from grux.data.base import Dataset
from grux.data.calendar import calendar_of
from grux.data.card import Card
from grux.data.fetch import File
from grux.data.files import hashes
from grux.data.forecasting import ltsf_parts, read_series, windows_dataset

LICENCE = "public domain (US Centers for Disease Control and Prevention)"
TARGET = "OT"  # the channel of the univariate task
YEAR = 52  # rows
FILES = (
    File(
        dataset="ili",
        name="national_illness.csv",
        sha256="8594cecb98c6f2f9dc014eca11c4d5d1e38ad5ce6ed0592d4abe65b146fce395",
        bytes=66653,
        licence=LICENCE,
        url="https://raw.githubusercontent.com/junwoopark92/Self-Supervised-Contrastive-Forecsating/main/dataset/illness/"
        "national_illness.csv",
    ),
)
CARD = Card(
    name="ili",
    task="forecasting",
    summary="Influenza-like illness in the United States, weekly, 2002 to 2020, 7 channels.",
    sizes={"train": 617, "validation": 74, "test": 170},
    licence=LICENCE,
)


def ili(
    *, channels: Literal["multivariate", "univariate"], window: PositiveInt, horizon: PositiveInt, calendar: bool
) -> Dataset:
    """All 7 channels from all 7, or the last, OT (all patients), from itself; with `calendar` from the times too."""
    series = read_series(FILES[0].path())
    if channels == "univariate":
        series = series.select(TARGET)
    parts = ltsf_parts(len(series.values))
    return windows_dataset(
        name=CARD.name,
        series=series,
        parts=parts,
        window=window,
        horizon=horizon,
        covariates=calendar_of(series.times, train=parts[0], name=CARD.name) if calendar else None,
        season=YEAR,
        files=hashes(FILES),
    )
