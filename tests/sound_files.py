"""Files of sound and archives of them, as the data sets of speech have them."""

import io
import tarfile
import wave
from collections.abc import Mapping
from pathlib import Path

import numpy as np


def wav(samples, channels: int = 1, rate: int = 8000) -> bytes:
    """A WAV file of 16-bit samples."""
    out = io.BytesIO()
    with wave.open(out, "wb") as sound:
        sound.setnchannels(channels)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes(np.asarray(samples, "<i2").tobytes())
    return out.getvalue()


def archive(path: Path, files: Mapping[str, bytes]) -> Path:
    """A tar file with these members."""
    with tarfile.open(path, "w") as bundle:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            bundle.addfile(info, io.BytesIO(content))
    return path
