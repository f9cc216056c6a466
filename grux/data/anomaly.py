"""Shared by the sets for anomaly detection in one series: cut in time, standardise, lay windows over it.

Training rows are taken to be normal, but for those that are labelled otherwise. A window of T rows is judged in its
last S rows alone, those before are what has gone before them. Training windows move by one row; those of validation
and test by S, so that each row of the part is judged exactly once, and reach back into the rows before it.
"""

from collections.abc import Sequence

import numpy as np

from grux.batch import Info, Marks
from grux.data.base import Dataset, Split
from grux.data.stretches import Stretches
from grux.errors import DataError, UsageError

CLASSES = ("normal", "anomaly")


def judged_windows(start: int, end: int, window: int, stride: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Windows that judge each of the rows start..end-1 once: (starts, judged, items).

    starts int32 [n], the first row of each; judged int32 [n], the first step that it judges; items int32 [n, T], the
    row of each judged step counted from `start`, -1 elsewhere. The last window ends with the rows. `end` is at least
    `window`.
    """
    ends = np.minimum(np.arange(start + stride, end + stride, stride), end)
    starts = np.maximum(ends - window, 0).astype(np.int32)
    judged = (np.concatenate([[start], ends[:-1]]) - starts).astype(np.int32)
    steps = np.arange(window, dtype=np.int32)[None, :]
    items = np.where(
        (steps >= judged[:, None]) & (starts[:, None] + steps < ends[:, None]), starts[:, None] + steps - start, -1
    )
    return starts, judged, items.astype(np.int32)


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
        raise UsageError(f"data.stride={stride} judges more rows than data.window={window} has; choose one <= {window}.")
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
    starts = np.arange(train - window + 1, dtype=np.int32)
    judged = np.full(len(starts), window - stride, np.int32)
    bucket = Stretches(series=scaled[:train], normal=normal[:train], starts=starts, judged=judged, window=window)
    splits = {"train": Split((bucket,))}
    for split, start, end in (("validation", train, train + validation), ("test", train + validation, sum(parts))):
        starts, judged, items = judged_windows(start, end, window, stride)
        rows = slice(starts[0], end)
        starts = starts - starts[0]
        bucket = Stretches(series=scaled[rows], normal=normal[rows], starts=starts, judged=judged, window=window)
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
