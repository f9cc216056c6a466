"""Files that `grux demo` shows a trained model: written into the folder of its run."""

import wave
from pathlib import Path

import numpy as np

from grux.results.record import write_atomic

DAYS = 287
BEATS = 8
DIGITS = 4


def weather(folder: Path) -> Path:
    """The last days of the weather in Seattle, which the model was tested on."""
    from grux.data.seattle_weather import FILES

    header, *days = FILES[0].path().read_text().splitlines(keepends=True)
    return _written(folder / "weather.csv", "".join([header, *days[-DAYS:]]))


def beats(folder: Path) -> Path:
    """A few heart beats of the test file, normal ones and others in turn; 140 values on each line."""
    from grux.data.ecg5000 import FILES, read_beats

    values, unusual = read_beats(FILES[1].path())
    turns = [np.flatnonzero(unusual == kind)[: BEATS // 2] for kind in (False, True)]
    rows = [",".join(f"{value:g}" for value in values[place]) for pair in zip(*turns, strict=True) for place in pair]
    return _written(folder / "beats.csv", "\n".join(rows) + "\n")


def digits(folder: Path) -> Path:
    """A WAV file of digits that no training string has a recording of."""
    from grux.data.fsdd import FILES, RATE, divide, recordings
    from grux.data.fsdd_strings import make_strings

    test = divide(recordings(FILES[0].path()), None)["test"]
    ((samples, text),) = make_strings(test, "demo", 1, (DIGITS, DIGITS), (RATE // 10, RATE // 5), seed=0)
    path = folder / "digits.wav"
    with wave.open(str(path), "wb") as sound:
        sound.setparams((1, 2, RATE, 0, "NONE", ""))
        sound.writeframes((samples * 32767).round().astype("<i2").tobytes())
    print(f"{path}: {text}")
    return path


def _written(path: Path, text: str) -> Path:
    write_atomic(path, text)
    return path
