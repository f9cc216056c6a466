"""The weights of a finished run as one file of plain arrays: what using it needs, without optimiser and checkpoints.

    weights.npz      one array for each parameter, [S, ...] with the seeds as first axis: the best weights of each

Its SHA-256 stands in the record, so that a damaged file is never silently used. No pickles.
"""

import hashlib
import io
from pathlib import Path
from typing import Any

import jax
import numpy as np

from grux.errors import DataError
from grux.results.record import write_atomic

FILE = "weights.npz"


def write_weights(folder: Path, params: Any) -> dict[str, str]:
    """Write parameters [S, ...] of a run; gives what its record says of them."""
    content = io.BytesIO()
    arrays = {path: np.asarray(value) for path, value in named(params).items()}
    np.savez(content, **arrays)  # pyright: ignore[reportArgumentType]
    write_atomic(folder / FILE, content.getvalue())
    return {"file": FILE, "sha256": hashlib.sha256(content.getvalue()).hexdigest()}


def read_weights(folder: Path, template: Any, written: dict[str, str], number: int) -> Any:
    """The parameters of seed `number`, counted from 0, in the structure of `template`.

    Raises DataError for a file that is not there, is damaged, or belongs to another model.
    """
    path = folder / Path(written["file"]).name
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); train the run again with force=true.") from error
    if hashlib.sha256(content).hexdigest() != written["sha256"]:
        raise DataError(f"{path} is not what its run has written (another SHA-256); train it again with force=true.")
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        wanted = named(template)
        differing = [name for name in {**wanted, **dict.fromkeys(arrays.files)} if not _fits(name, wanted, arrays)]
        if differing:
            raise DataError(
                f"{path} belongs to another version of this model ({len(differing)} arrays differ, such as "
                f"{differing[0]}); use the grux that trained it, or train it again with force=true."
            )
        values = [arrays[name][number] for name in wanted]
    return jax.tree.unflatten(jax.tree.structure(template), values)


def named(tree: Any) -> dict[str, Any]:
    """Every leaf by its path."""
    return {jax.tree_util.keystr(path): leaf for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]}


def _fits(name: str, wanted: dict[str, Any], arrays: Any) -> bool:
    if name not in wanted or name not in arrays.files:
        return False
    return arrays[name].shape[1:] == tuple(wanted[name].shape) and arrays[name].dtype == wanted[name].dtype
