"""Sound from files, or from a microphone through a pipe: blocks of one channel of floats at the rate asked for.

Several channels become their mean; another rate is changed by soxr, block by block, so that the sound of a file is the
same in one piece and in many.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from grux.errors import DataError, UsageError

WHOLE = 1 << 16
"""Samples of a block where nobody waits for the next."""


class Sound:
    """A file of sound: WAV, FLAC, OGG, MP3 and what else libsndfile reads."""

    def __init__(self, path: Path):
        """Raises UsageError without the extra `speech`, DataError for what is no sound."""
        soundfile = _package("soundfile", "A file of sound is read by")
        if path.is_dir():
            raise DataError(f"{path} is a folder; name the files of sound in it, like {path / '*.wav'}.")
        if not path.is_file():
            raise DataError(f"{path} is not there; name a file of sound.")
        try:
            self._file: Any = soundfile.SoundFile(str(path))
        except (soundfile.LibsndfileError, RuntimeError) as error:
            raise DataError(f"{path} cannot be read as sound ({error}); name a WAV, FLAC or OGG file.") from error
        self.path = path
        self.rate: int = self._file.samplerate
        self.channels: int = self._file.channels

    def blocks(self, rate: int, size: int = WHOLE) -> Iterator[np.ndarray]:
        """float64 [n] of the mean of the channels at `rate`; each but the last comes of `size` samples of the file."""
        with self._file as file:
            yield from at_rate((_mean(rows, self.path) for rows in self._read(file, size)), self.rate, rate)

    def _read(self, file: Any, size: int) -> Iterator[np.ndarray]:
        while len(rows := file.read(size, dtype="float64", always_2d=True)):
            yield rows

    def samples(self, rate: int) -> np.ndarray:
        """All of it, float64 [N]."""
        return np.concatenate([np.zeros(0), *self.blocks(rate)])


def raw_blocks(stream: IO[bytes], given: int, rate: int, size: int) -> Iterator[np.ndarray]:
    """The same of raw sound as it comes in: 16-bit little-endian samples of one channel, `given` of them a second."""

    def read() -> Iterator[np.ndarray]:
        while content := stream.read(2 * size):
            yield np.frombuffer(content[: len(content) // 2 * 2], "<i2") / 32768.0

    yield from at_rate(read(), given, rate)


def at_rate(blocks: Iterator[np.ndarray], given: int, rate: int) -> Iterator[np.ndarray]:
    """Blocks float64 [n] of `given` samples a second at another rate. Raises UsageError without the extra `speech`."""
    if given == rate:
        yield from blocks
        return
    resampler = _package("soxr", f"Sound of {given} Hz is brought to {rate} Hz by").ResampleStream(
        given, rate, 1, dtype="float64"
    )
    for block in blocks:
        yield resampler.resample_chunk(block)
    yield resampler.resample_chunk(np.zeros(0), last=True)


def _mean(rows: np.ndarray, path: Path) -> np.ndarray:
    if not np.isfinite(rows).all():
        raise DataError(f"{path} has a sample that is not finite; write the file again.")
    return rows.mean(1)


def _package(name: str, what: str) -> Any:
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UsageError(f'{what} {name}, which is not installed; run: pip install "grux[speech]"') from error
