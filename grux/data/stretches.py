"""A bucket of stretches of series of numbers: at each step the value before it, and the value that it has."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from grux.batch import Batch, Info
from grux.data.base import Bucket
from grux.errors import DataError


class Stretches(Bucket):
    """n stretches of T steps. Step t reads x_(t-1), the first one zeros, and its target is x_t.

    So a model that foretells reads the inputs, and one that gives back what it has read reads the targets. In the loss
    count the normal rows, from the step on with which a stretch is judged.
    """

    def __init__(self, *, series: np.ndarray, normal: np.ndarray, starts: np.ndarray, judged: np.ndarray, window: int):
        """series float32 [N, D]; normal bool [N]; starts int32 [n], the first row of each stretch of `window` steps.

        `judged`: int32 [n], the first step of each stretch that is judged; those before it are its past.
        """
        # A row of zeros in front: what stands before the first step of a stretch.
        self.arrays = {
            "series": np.pad(series, ((1, 0), (0, 0))),
            "normal": normal,
            "starts": starts,
            "judged": judged,
        }
        self.window = window
        self.ids = np.arange(len(starts), dtype=np.int32)

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.window,)

    def take(self, arrays: Mapping[str, Any], index: Any) -> Batch:
        steps = np.arange(self.window, dtype=np.int32)[None, :]
        rows = arrays["starts"][index][:, None] + steps
        return Batch(
            inputs=arrays["series"][rows * (steps > 0)],
            mask=np.ones((index.shape[0], self.window), bool),
            targets=arrays["series"][rows + 1],
            target_mask=arrays["normal"][rows] & (steps >= arrays["judged"][index][:, None]),
        )

    def check(self, info: Info, where: str) -> None:
        series, starts, judged = (self.arrays[name] for name in ("series", "starts", "judged"))
        if series.ndim != 2 or series.shape[1] != info.features or len(self.arrays["normal"]) != len(series) - 1:
            raise DataError(f"{where}: the series has shape {series.shape}, but {info.features} channels are declared.")
        if self.window != info.window:
            raise DataError(f"{where}: stretches of {self.window} steps, but {info.window} are declared.")
        bad = np.argwhere(~np.isfinite(series))
        if len(bad):
            row, column = bad[0]
            raise DataError(f"{where}: row {row - 1}, channel {column} is {series[row, column]}; it must be finite.")
        last = len(series) - 1 - self.window
        outside = np.flatnonzero((starts < 0) | (starts > last) | (judged < 0) | (judged >= self.window))
        if len(outside):
            raise DataError(
                f"{where}: stretch {outside[0]} starts at row {starts[outside[0]]} and is judged from step "
                f"{judged[outside[0]]} on; 0..{last} and 0..{self.window - 1} are possible."
            )
