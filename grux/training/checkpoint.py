"""Checkpoints: Orbax writes, and what Orbax does not promise is added here.

Saves are synchronous: an asynchronous save loses the last checkpoint when a program returns early, and reports a full
disk one save late. Leaves are named by their path and travel with a manifest of shape, type and SHA-256, and the
manifest with a hash of its own, since Orbax restores a flipped bit silently and casts types without a word. A damaged
step is put aside by name, never deleted, and the step before is taken; where steps existed and none is sound, that is
an error and never a quiet new start.
"""

import hashlib
import json
import logging
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from orbax.checkpoint import v1 as ocp

from grux.errors import CheckpointError, StorageError
from grux.training.weights import named

FORMAT = 1
QUARANTINE = ".damaged"
PROBE = ".probe"

log = logging.getLogger(__name__)


class Checkpoints:
    """The checkpoints of one run; a context manager, so that Orbax is always closed.

    Where a run has several processes, each calls all of this with the same values and sees the same folder; the first
    one writes.
    """

    def __init__(self, folder: Path, *, max_to_keep: int, owner: str):
        """`owner` names the configuration; a checkpoint of another owner is refused."""
        self._folder = folder.resolve()  # Orbax takes a relative path and fails at the first save
        self._owner = owner
        policies = ocp.training.save_decision_policies
        # Orbax's policies are typed for another class than its checkpointer hands them; they read `step` alone.
        self._orbax = ocp.training.Checkpointer(
            str(self._folder),
            # The default policy skips saves silently when they come fast.
            save_decision_policy=policies.FixedIntervalPolicy(1),  # pyright: ignore[reportArgumentType]
            preservation_policy=ocp.training.preservation_policies.LatestN(max_to_keep),  # pyright: ignore
            cleanup_tmp_directories=True,
        )

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *_: object) -> None:
        self._orbax.close()

    def save(self, step: int, state: Any, position: dict[str, Any]) -> None:
        """Write state and position as one step; the save is on disk when this returns."""
        if any(c.step == step for c in self._orbax.checkpoints):
            return  # an evaluation and an interruption can fall on the same step
        leaves = _leaves(state)
        manifest = {
            "format": FORMAT,
            "owner": self._owner,
            "position": position,
            "leaves": {path: _describe(value) for path, value in leaves.items()},
        }
        text = json.dumps(manifest)
        arrays = {_name(number): value for number, value in enumerate(leaves.values())}
        try:
            # Where Orbax cannot make its folder, its threads wait minutes for it, also after the error.
            if jax.process_index() == 0:
                probe = self._folder / f"{step}{PROBE}"
                probe.mkdir(exist_ok=True)
                probe.rmdir()
            saved = self._orbax.save_checkpointables(
                step, {"state": arrays, "manifest": {"json": text, "sha256": _hash(text.encode())}}
            )
        except (OSError, ValueError) as error:  # a full disk is a ValueError (RESOURCE_EXHAUSTED) in tensorstore
            raise StorageError(
                f"The checkpoint of step {step} could not be written to {self._folder} ({_first_line(error)}); "
                "free some space or check the folder, then start the same command again to go on."
            ) from error
        if not saved:
            raise CheckpointError(f"Orbax did not save step {step} in {self._folder}; remove stray files there.")

    def restore(self, template: Any) -> tuple[int, Any, dict[str, Any]] | None:
        """(step, state as numpy arrays in the structure of `template`, position) of the latest sound step.

        None where there is no checkpoint. Raises CheckpointError for a checkpoint of another configuration or another
        architecture, and where steps exist but all are damaged.
        """
        steps = sorted((c.step for c in self._orbax.checkpoints), reverse=True)
        for step in steps:
            try:
                state, position = self._read(step, template)
            except _DamagedError as damage:
                aside = self._put_aside(step)
                log.warning("checkpoint of step %d is damaged (%s); it is now %s", step, damage, aside.name)
                continue
            return step, state, position
        aside = len(list(self._folder.glob(f"*{QUARANTINE}*")))
        if aside:
            raise CheckpointError(
                f"None of the {aside} checkpoints in {self._folder} is sound; they were put aside as *{QUARANTINE}. "
                "Remove that folder to train from the start."
            )
        return None

    def _read(self, step: int, template: Any) -> tuple[Any, dict[str, Any]]:
        manifest = self._manifest(step)
        self._refuse_foreign(step, manifest, template)
        try:
            arrays = self._orbax.load_checkpointables(step)["state"]
        except Exception as error:  # whatever Orbax, zarr or tensorstore raise on damaged files
            raise _DamagedError(_first_line(error)) from error
        values = []
        for number, (path, expected) in enumerate(manifest["leaves"].items()):
            value = np.asarray(arrays[_name(number)]) if _name(number) in arrays else None
            if value is None or _describe(value) != expected:
                raise _DamagedError(f"leaf {path}")
            values.append(value)
        return jax.tree.unflatten(jax.tree.structure(template), values), manifest["position"]

    def _manifest(self, step: int) -> dict[str, Any]:
        try:
            saved = self._orbax.load_checkpointables(step, {"manifest": None})["manifest"]
            text, expected = saved["json"], saved["sha256"]
        except Exception as error:
            raise _DamagedError(f"manifest: {_first_line(error)}") from error
        if _hash(text.encode()) != expected:
            raise _DamagedError("manifest")
        return json.loads(text)

    def _refuse_foreign(self, step: int, manifest: dict[str, Any], template: Any) -> None:
        where = f"The checkpoint of step {step} in {self._folder}"
        if manifest["format"] > FORMAT:
            raise CheckpointError(
                f"{where} has format {manifest['format']} and this version of grux reads up to {FORMAT}; update grux."
            )
        saved = {path: (tuple(d["shape"]), d["dtype"]) for path, d in manifest["leaves"].items()}
        wanted = {path: (tuple(v.shape), str(v.dtype)) for path, v in named(template).items()}
        differing = [path for path in {**wanted, **saved} if wanted.get(path) != saved.get(path)]
        if differing:
            shown = "; ".join(
                f"{path}: saved {_shape(saved.get(path))}, needed {_shape(wanted.get(path))}" for path in differing[:5]
            )
            raise CheckpointError(
                f"{where} belongs to another architecture ({len(differing)} arrays differ: {shown}); "
                "choose another run_dir, or remove that folder to train from the start."
            )
        if manifest["owner"] != self._owner:
            raise CheckpointError(
                f"{where} was written by run {manifest['owner']} and this is {self._owner}; choose another run_dir."
            )

    def _put_aside(self, step: int) -> Path:
        source = self._folder / str(step)
        target = source.with_name(source.name + QUARANTINE)
        number = 1
        while target.exists():
            number += 1
            target = source.with_name(f"{source.name}{QUARANTINE}{number}")
        if jax.process_index() == 0:
            source.rename(target)
        if jax.process_count() > 1:
            multihost_utils.sync_global_devices(f"damaged {step}")
        self._orbax.reload()
        return target


class _DamagedError(Exception):
    pass


def _leaves(tree: Any) -> dict[str, np.ndarray]:
    return {path: np.asarray(leaf) for path, leaf in named(tree).items()}


def _name(number: int) -> str:
    return f"leaf{number:05d}"


def _describe(value: np.ndarray) -> dict[str, Any]:
    return {"shape": list(value.shape), "dtype": str(value.dtype), "sha256": _hash(value.tobytes())}


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _shape(described: tuple[tuple[int, ...], str] | None) -> str:
    return "nothing" if described is None else f"{described[1]}{list(described[0])}"


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:200]
