"""From sound to frames of features: log-mel energies or mel-frequency cepstra, of a whole sound or piece by piece.

    x_t     the samples of 25 ms from t * 10 ms on; no frame reaches beyond the end
    P_t(k)  = | sum_n w(n) x_t(n) exp(-2 pi i k n / N) |^2,   w(n) = (1 - cos(2 pi n / window)) / 2   (Hann, periodic)
    E_t(m)  = sum_k F_m(k) P_t(k)          F: triangles of height 1, equally wide in mel, from 0 to half the rate
    logmel  = log(max(E_t, FLOOR))
    mfcc    = DCT-II of logmel, orthonormal, the first coefficients (Davis and Mermelstein 1980, IEEE Trans. ASSP 28)
    mel(f)  = 2595 log10(1 + f / 700)      (O'Shaughnessy 1987; the formula of HTK, not the one of Slaney's toolbox)

N is the power of two at or above the window; the triangles are straight lines in mel, as HTK draws them. Each channel
is then standardised by its mean and deviation over the frames of the training split, and `stack` frames side by side
make one step. All of that reads nothing to come, so pieces of a sound give the steps of the whole, bit for bit.
"""

import dataclasses
import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from grux.errors import DataError, UsageError

WINDOW = 0.025  # seconds; Davis and Mermelstein 1980 have 25.6 ms
HOP = 0.010
FLOOR = 1e-8  # of E, for samples of -1 to 1: about what the rounding to 16 bits leaves in one filter
BLOCK = 2048  # frames at a time: a long sound needs no more memory than a short one

Features = Literal["logmel", "mfcc"]


@dataclass(frozen=True)
class FrontEnd:
    """How sound becomes the steps that a model reads; saved with a run, so that it can listen to other sound."""

    rate: int
    """Samples a second."""
    features: Features
    mels: int
    coefficients: int
    """How many cepstra (mfcc)."""
    stack: int
    """Frames of one step."""
    means: tuple[float, ...] = ()
    """Of each channel over the training frames; empty: not fitted yet."""
    deviations: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Raises UsageError for numbers that do not fit one another."""
        mel_filters(self.rate, self.mels)
        if self.features == "mfcc" and self.coefficients > self.mels:
            raise UsageError(
                f"coefficients={self.coefficients} is more than mels={self.mels}, and a cepstrum has one for each mel "
                "band at most; choose fewer coefficients or more mels."
            )

    @property
    def window(self) -> int:
        """Samples of one frame."""
        return round(WINDOW * self.rate)

    @property
    def hop(self) -> int:
        """Samples from one frame to the next."""
        return round(HOP * self.rate)

    @property
    def delay(self) -> float:
        """Seconds from the start of a step to the moment when its last sample is there."""
        return (self.window + (self.stack - 1) * self.hop) / self.rate

    def frames(self, samples: np.ndarray) -> np.ndarray:
        """float64 [F, D], not standardised, of samples float [N] in -1 to 1; F is 0 below one window."""
        if len(samples) < self.window:
            return np.zeros((0, self.channels))
        cut = np.lib.stride_tricks.sliding_window_view(np.asarray(samples, np.float64), self.window)[:: self.hop]
        return np.concatenate([self._of_frames(cut[start : start + BLOCK]) for start in range(0, len(cut), BLOCK)])

    @property
    def channels(self) -> int:
        """D: numbers of one frame."""
        return self.mels if self.features == "logmel" else self.coefficients

    def fitted(self, frames: Sequence[np.ndarray]) -> "FrontEnd":
        """With the means and deviations of these frames."""
        means, deviations = statistics(frames)
        return dataclasses.replace(self, means=means, deviations=deviations)

    def steps(self, frames: np.ndarray) -> np.ndarray:
        """float32 [F // stack, stack * D]: frames [F, D] standardised and stacked."""
        return stacked(standardised(frames, self.means, self.deviations), self.stack)

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """float32 [T, stack * D] of a whole sound, samples float [N] in -1 to 1."""
        return self.steps(self.frames(samples))

    def stream(self) -> "Stream":
        """The same for a sound that comes in pieces."""
        return Stream(self)

    def save(self) -> bytes:
        """The content of its file."""
        return json.dumps(dataclasses.asdict(self), indent=0).encode()

    def _of_frames(self, cut: np.ndarray) -> np.ndarray:
        window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(self.window) / self.window)
        spectrum = np.fft.rfft(cut * window, n=fft_size(self.rate), axis=-1)
        power = spectrum.real**2 + spectrum.imag**2
        logmel = np.log(np.maximum(_product(power, mel_filters(self.rate, self.mels)), FLOOR))
        if self.features == "logmel":
            return logmel
        return _product(logmel, dct_matrix(self.mels)[: self.coefficients])


FILE_NAME = "front_end.json"


def read_front_end(content: bytes) -> FrontEnd:
    """The inverse of `save`. Raises DataError for what is none."""
    try:
        saved = json.loads(content)
        return FrontEnd(**saved | {key: tuple(saved[key]) for key in ("means", "deviations")})
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{FILE_NAME} holds no front end of this version ({error}); train the run again.") from error


class Stream:
    """A sound in pieces: each `push` gives the steps that are whole by now; the rest waits for the next."""

    def __init__(self, front: FrontEnd):
        self._front = front
        self._samples = np.zeros(0)
        self._frames = np.zeros((0, front.channels))

    def push(self, samples: np.ndarray) -> np.ndarray:
        """float32 [t, stack * D] of the samples float [n] that follow those before; t may be 0."""
        front = self._front
        held = np.concatenate([self._samples, np.asarray(samples, np.float64)])
        new = front.frames(held)
        self._samples = held[len(new) * front.hop :]
        frames = np.concatenate([self._frames, new])
        whole = len(frames) // front.stack * front.stack
        self._frames = frames[whole:]
        return front.steps(frames[:whole])


def statistics(frames: Sequence[np.ndarray]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of each channel over all frames [F, D]; 1 where a channel never changes."""
    together = np.concatenate(frames)
    deviations = together.std(0)
    return tuple(together.mean(0).tolist()), tuple(np.where(deviations > 0, deviations, 1.0).tolist())


def standardised(frames: np.ndarray, means: Sequence[float], deviations: Sequence[float]) -> np.ndarray:
    """float32 [F, D] with mean 0 and deviation 1, where these are those of the frames."""
    return ((frames - np.array(means)) / np.array(deviations)).astype(np.float32)


def stacked(frames: np.ndarray, stack: int) -> np.ndarray:
    """[F // stack, stack * D]: each `stack` frames side by side, earlier ones first; what is left at the end goes."""
    steps = len(frames) // stack
    return frames[: steps * stack].reshape(steps, stack * frames.shape[1])


def mel(frequency: np.ndarray | float) -> np.ndarray:
    """Hertz to mel."""
    return 2595.0 * np.log10(1.0 + np.asarray(frequency) / 700.0)


def fft_size(rate: int) -> int:
    """The power of two at or above the samples of a window."""
    return 1 << (round(WINDOW * rate) - 1).bit_length()


@functools.cache
def mel_filters(rate: int, mels: int) -> np.ndarray:
    """float64 [mels, N / 2 + 1]. Raises UsageError where a filter would lie between two frequencies of the spectrum."""
    size = fft_size(rate)
    bins = mel(np.arange(size // 2 + 1) * rate / size)
    edges = np.linspace(0.0, float(mel(rate / 2)), mels + 2)
    left, centre, right = (edges[start : start + mels, None] for start in range(3))
    filters = np.maximum(0.0, np.minimum((bins - left) / (centre - left), (right - bins) / (right - centre)))
    empty = np.flatnonzero(~filters.any(1))
    if len(empty):
        raise UsageError(
            f"mels={mels} makes band {empty[0] + 1} narrower than the {rate / size:g} Hz of the spectrum at {rate} Hz; "
            "choose fewer mels."
        )
    return filters


@functools.cache
def dct_matrix(size: int) -> np.ndarray:
    """float64 [size, size], the orthonormal DCT-II: sqrt(2 / size) cos(pi k (n + 1/2) / size), row 0 by sqrt 2 less."""
    k, n = np.arange(size)[:, None], np.arange(size)[None, :]
    rows = np.sqrt(2.0 / size) * np.cos(np.pi * k * (n + 0.5) / size)
    rows[0] /= np.sqrt(2.0)
    return rows


def _product(rows: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """rows [F, K] times matrix [M, K], transposed: [F, M].

    By einsum: a BLAS adds up in another order for another F, and then pieces would not be equal to the whole.
    """
    return np.einsum("fk,mk->fm", rows, matrix)
