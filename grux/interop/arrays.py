"""Do the arrays of another framework fit? All names and shapes are checked before any of them is used."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from grux.errors import DataError

SHOWN = 3  # of each complaint; the first ones tell what is wrong


def fitting(arrays: Mapping[str, Any], needed: Mapping[str, tuple[int, ...]], source: str) -> dict[str, np.ndarray]:
    """The arrays as numpy, float32 at least; given as anything that numpy reads, such as tensors of PyTorch on the CPU.

    Raises DataError with the first names that are missing or unexpected and the first arrays of other shapes or types.
    """
    given = {name: _read(name, value) for name, value in arrays.items()}
    both = [name for name in needed if name in given]
    complaints = {
        "missing": [name for name in needed if name not in given],
        "unexpected": [name for name in given if name not in needed],
        "of another shape": [
            f"{name} {given[name].shape} where {needed[name]} is needed"
            for name in both
            if given[name].shape != needed[name]
        ],
        "not of floats": [
            f"{name} ({given[name].dtype})" for name in both if not jnp.issubdtype(given[name].dtype, jnp.floating)
        ],
    }
    if any(complaints.values()):
        listed = "; ".join(f"{what}: {few(names)}" for what, names in complaints.items() if names)
        raise DataError(
            f"The arrays from {source} do not fit the layer ({listed}); make a layer of their sizes, or give others."
        )
    # Sums of biases must not round to 8 or 11 bits.
    return {name: given[name].astype(np.promote_types(given[name].dtype, np.float32)) for name in needed}


def few(names: Sequence[str]) -> str:
    """The first names, and how many there are besides."""
    rest = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def _read(name: str, value: Any) -> np.ndarray:
    try:
        return np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:  # PyTorch: bfloat16, another device, a gradient
        raise DataError(
            f"The array {name} cannot be read by numpy ({error}); give it as float32 in the memory of the host."
        ) from error
