"""Arrays in safetensors files: names, shapes and numbers, and nothing that could run (unlike a pickle)."""

import os
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import numpy as np

from grux.errors import DataError, StorageError, UsageError
from grux.interop.arrays import few

# What PyTorch writes is a pickle, alone or in a zip file.
PICKLED = (".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle")


def read_safetensors(path: str | os.PathLike[str], *, prefix: str = "") -> dict[str, np.ndarray]:
    """The arrays whose names start with `prefix`, without it: prefix="encoder.rnn." of a whole model's file.

    Raises UsageError for a pickle, DataError for a file that is absent, damaged or has no such names.
    """
    path = Path(path)
    if path.suffix.lower() in PICKLED:
        raise UsageError(
            f"{path} is a pickle, which can run code when it is read, so it is not; make safetensors of it where "
            "PyTorch is installed: safetensors.torch.save_file({name: value.clone() for name, value in "
            f"torch.load('{path.name}', map_location='cpu', weights_only=True).items()}}, "
            f"'{path.with_suffix('.safetensors').name}')."
        )
    if not path.is_file():
        raise DataError(f"There is no file {path}; give the path of a safetensors file.")
    library = _library()
    try:
        arrays = library.numpy.load_file(path)
    except (library.SafetensorError, OSError, TypeError, KeyError) as error:
        raise DataError(f"{path} cannot be read as safetensors of floats ({error}); write it anew.") from error
    found = {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
    if not found:
        raise DataError(f"{path} has no names that start with {prefix!r}; it has {few(sorted(arrays)) or 'none'}.")
    return found


def write_safetensors(path: str | os.PathLike[str], arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays under flat names. The file appears whole or not at all; StorageError where it cannot be written."""
    library = _library()
    path = Path(path)
    # The library writes memory as it lies, without a look at strides.
    content = library.numpy.save({name: np.ascontiguousarray(array) for name, array in arrays.items()})
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(content)
        os.replace(part, path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise StorageError(f"{path} cannot be written ({error.strerror}); choose another place.") from error


def _library() -> ModuleType:
    try:
        import safetensors
        import safetensors.numpy
    except ImportError:
        raise UsageError(
            'Weights as files need safetensors, which is not installed; run: pip install "grux[interop]"'
        ) from None
    return safetensors
