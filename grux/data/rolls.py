"""A bucket of 0/1 sequences whose every step foretells the next frame, such as piano rolls."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from grux.batch import Batch, Info
from grux.data.base import Bucket
from grux.errors import DataError


class Rolls(Bucket):
    """n sequences of frames; step t reads frame t and foretells frame t + 1."""

    def __init__(self, *, frames: np.ndarray, lengths: np.ndarray, ids: np.ndarray):
        """frames uint8 [n, T + 1, D] of 0 and 1, zero after the end; lengths int32 [n], in steps; ids int32 [n]."""
        # Bytes, made floats in `take`: a fourth of the memory.
        self.arrays = {"frames": frames, "lengths": lengths}
        self.ids = ids

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.arrays["frames"].shape[1] - 1,)

    def take(self, arrays: Mapping[str, Any], index: Any) -> Batch:
        frames = arrays["frames"][index].astype(np.float32)
        steps = np.arange(frames.shape[1] - 1, dtype=np.int32)
        mask = steps[None, :] < arrays["lengths"][index][:, None]
        return Batch(inputs=frames[:, :-1], mask=mask, targets=frames[:, 1:], target_mask=mask)

    def check(self, info: Info, where: str) -> None:
        frames, lengths = self.arrays["frames"], self.arrays["lengths"]
        if frames.ndim != 3 or frames.shape[2] != info.features or len(lengths) != len(frames):
            raise DataError(
                f"{where}: frames {frames.shape} and lengths {lengths.shape} do not fit {info.features} channels."
            )
        outside = np.flatnonzero((lengths < 1) | (lengths > self.shape[0]))
        if len(outside):
            row = outside[0]
            raise DataError(f"{where}: sequence {self.ids[row]} has {lengths[row]} steps, outside 1..{self.shape[0]}.")
        wrong = np.flatnonzero((frames > 1).any((1, 2)))
        if len(wrong):
            raise DataError(f"{where}: sequence {self.ids[wrong[0]]} has a value other than 0 and 1.")
        padding = np.arange(frames.shape[1])[None, :] > lengths[:, None]
        stray = np.flatnonzero((padding & frames.any(2)).any(1))
        if len(stray):
            raise DataError(f"{where}: sequence {self.ids[stray[0]]} goes on after its end.")
