"""Shared by the sets for anomaly detection in one series: cut in time, standardise, lay windows over it.

Training rows are taken to be normal, but for those that are labelled otherwise. A window of T rows is judged in its
last S rows alone, those before are what has gone before them. Training windows move by one row; those of validation
and test by S, so that each row of the part is judged exactly once, and reach back into the rows before it.
"""

import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from grux.batch import Info, Marks
from grux.data.base import Dataset, Split
from grux.data.stretches import Stretches
from grux.data.texts import read_lines
from grux.errors import DataError, UsageError

CLASSES = ("normal", "anomaly")


def judged_rows(
    series: np.ndarray, normal: np.ndarray, start: int, window: int, stride: int
) -> tuple[Stretches, np.ndarray]:
    """Windows that judge each row from `start` on once, and their items int32 [n, T] for `Marks`, row `start` being 0.

    series float32 [N, D] and normal bool [N], N at least `window`. The last window ends with the rows, and judges those
    that are left.
    """
    ends = np.minimum(np.arange(start + stride, len(series) + stride, stride), len(series))
    starts = (ends - window).astype(np.int32)
    judged = (np.concatenate([[start], ends[:-1]]) - starts).astype(np.int32)
    steps = np.arange(window, dtype=np.int32)[None, :]
    items = np.where(steps >= judged[:, None], starts[:, None] + steps - start, -1).astype(np.int32)
    first = starts[0]
    bucket = Stretches(
        series=series[first:], normal=normal[first:], starts=starts - first, judged=judged, window=window
    )
    return bucket, items


def judged_sequences(values: np.ndarray, normal: np.ndarray) -> tuple[Stretches, np.ndarray]:
    """Sequences float [n, T] of one channel, each judged as a whole, and their items; normal bool [n]."""
    count, steps = values.shape
    bucket = Stretches(
        series=values.reshape(-1, 1).astype(np.float32),
        normal=np.repeat(normal, steps),
        starts=np.arange(count, dtype=np.int32) * steps,
        judged=np.zeros(count, np.int32),
        window=steps,
    )
    return bucket, np.repeat(np.arange(count, dtype=np.int32)[:, None], steps, axis=1)


def read_sequences(path: Path, steps: int) -> np.ndarray:
    """float64 [n, T]: a sequence of `steps` numbers on each line, apart by commas, semicolons, tabs or blanks.

    Raises `DataError` with the line for anything else.
    """
    lines, rows = read_lines(path), []
    while lines and not lines[-1].strip():
        lines.pop()
    for number, line in enumerate(lines, start=1):
        cells = re.split(r"[,;\t ]+", line.strip())
        try:
            row = [float(cell) for cell in cells]
        except ValueError:
            raise DataError(
                f"{path}, line {number}: {line[:40]!r} are not {steps} numbers; give a sequence on each line, without "
                "a header."
            ) from None
        if len(row) != steps or not all(map(math.isfinite, row)):
            hint = "; leave out the class in front" if len(row) == steps + 1 else ""
            raise DataError(f"{path}, line {number}: {len(row)} values where {steps} finite ones are needed{hint}.")
        rows.append(row)
    if not rows:
        raise DataError(f"{path} is empty; a sequence of {steps} numbers on each line is needed.")
    return np.array(rows)


def series_dataset(
    *,
    name: str,
    columns: Sequence[str],
    values: np.ndarray,
    labels: np.ndarray | None,
    parts: tuple[int, int, int],
    window: int,
    stride: int,
    files: dict[str, str],
    notes: tuple[str, ...] = (),
) -> Dataset:
    """values float64 [N, D]; labels bool [N] or None; `parts` are the rows of train, validation and test."""
    train, validation, _ = parts
    if stride > window:
        raise UsageError(
            f"data.stride={stride} judges more rows than data.window={window} has; choose one <= {window}."
        )
    if train < window or min(parts) < 1:
        raise DataError(
            f"{name}: window={window} needs at least {window} training rows and one of validation and test, but there "
            f"are {', '.join(map(str, parts))}; choose a shorter window."
        )
    mean, deviation = values[:train].mean(0), values[:train].std(0)
    for column, spread in zip(columns, deviation, strict=True):
        if spread < 1e-12:
            raise DataError(f"{name}: channel {column!r} is constant over the {train} training rows; leave it out.")
    scaled = ((values - mean) / deviation).astype(np.float32)
    normal = np.ones(len(scaled), bool) if labels is None else ~labels
    for part, rows in {
        "training": slice(window - stride, train),
        "validation": slice(train, train + validation),
    }.items():
        if not normal[rows].any():
            raise DataError(f"{name}: every judged {part} row is labelled an anomaly; normal rows are what is learnt.")
    starts = np.arange(train - window + 1, dtype=np.int32)
    judged = np.full(len(starts), window - stride, np.int32)
    bucket = Stretches(series=scaled[:train], normal=normal[:train], starts=starts, judged=judged, window=window)
    splits = {"train": Split((bucket,))}
    for split, start, end in (("validation", train, train + validation), ("test", train + validation, sum(parts))):
        bucket, items = judged_rows(scaled[:end], normal[:end], start, window, stride)
        splits[split] = Split((bucket,), marks=Marks(items, None if labels is None else labels[start:end]))
    info = Info(
        name=name,
        task="anomaly",
        classes=None if labels is None else CLASSES,
        features=len(columns),
        channels=tuple(columns),
        means=tuple(map(float, mean)),
        deviations=tuple(map(float, deviation)),
        window=window,
        stride=stride,
    )
    return Dataset(info, splits, files, notes=notes)
