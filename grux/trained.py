"""A finished run, ready to be used: its model with the best weights of one seed, and what turns text into tokens.

Nothing of the training is needed: neither data nor checkpoints. The model is built from the config of the record, which
passes the same allow-list as a command line; the record's plugins are not admitted, only those of the caller.
"""

import dataclasses
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from grux.arguments import PositiveInt
from grux.batch import Info
from grux.config import build
from grux.config.check import check_nodes
from grux.data.tokenise import Tokenizer, read_tokenizer
from grux.errors import DataError, UsageError
from grux.models.stepper import Stepper
from grux.rates import Rate
from grux.results.record import Run, read_run
from grux.results.schema import as_number
from grux.training.weights import read_weights

TOKENIZERS = ("vocabulary.json", "bpe.model")


@dataclass(frozen=True)
class Trained:
    """One seed of a finished run."""

    run: Run
    seed: int
    info: Info
    model: Any
    tokenizers: dict[str, Tokenizer]
    """By the side of the text that they are for, "source" and "target"; by "" where there is one for all."""

    @property
    def title(self) -> str:
        """ "gru on ptb, seed 0"."""
        choices = self.run.choices
        return f"{choices.get('arch', '?')} on {choices.get('data', '?')}, seed {self.seed}"

    def stepper(self, batch_size: PositiveInt = 1) -> Stepper:
        """One step of the model as one compiled call (see `grux.models.stepper`).

        Raises UsageError for a model that reads a whole input first.
        """
        return Stepper(self.model, batch_size)


def load(
    folder: str | os.PathLike, *, seed: int | None = None, task: str | None = None, plugins: Sequence[str] = ()
) -> Trained:
    """The run in `folder` with the weights of a seed; None takes the seed that was best on validation.

    `task`: the only one that the caller can use. Raises UsageError for a run that is not finished, of another task, or
    without such a seed, DataError for weights that are damaged.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}; name that of a finished run, as `grux ls --json` has it.")
    run = read_run(folder)
    if run.record is None:
        raise UsageError(
            f"{folder} is {run.state}{_reason(run)}, and only a finished run can be used; finish it first."
        )
    record = run.record
    if task is not None and record["task"] != task:
        raise UsageError(f"{folder} is a run of {record['task']}, and this is for {task}; name one of those.")
    if not record.get("weights") or not record.get("info"):
        raise UsageError(
            f"{folder} was trained by a grux that kept no weights for use; train it again with force=true."
        )
    number = _seed_number(run, seed)
    info = _info(record["info"])
    config = record["config"]
    check_nodes(config, plugins, groups=("model", "arch"))  # the data of an older grux may have had fewer settings
    make_model, layer = (build(config[node], plugins=plugins) for node in ("model", "arch"))
    graph, rates, params = nnx.split(
        nnx.eval_shape(lambda: make_model(info=info, layer=layer, rngs=nnx.Rngs(0))), Rate, ...
    )
    weights = jax.tree.map(jnp.asarray, read_weights(folder, params, record["weights"], number))
    model = nnx.merge(graph, rates, weights)
    lower = bool(config["data"].get("lower", False))
    return Trained(run, record["seeds"][number]["seed"], info, model, _tokenizers(folder, lower))


def _seed_number(run: Run, seed: int | None) -> int:
    record = run.record or {}
    rows = [(number, row) for number, row in enumerate(record["seeds"]) if row["status"] == "done"]
    if seed is not None:
        if found := [number for number, row in rows if row["seed"] == seed]:
            return found[0]
        known = ", ".join(str(row["seed"]) for _, row in rows) or "none"
        raise UsageError(f"{run.path} has no finished seed {seed}; it has {known}.")
    selection = record["selection"]
    scored = [
        (score, number)
        for number, row in rows
        if (score := as_number((row["scores"].get("validation") or {}).get(selection["metric"]))) is not None
    ]
    if not scored:
        raise UsageError(f"no seed of {run.path} has a validation score; train it again.")
    best = max(score for score, _ in scored) if selection["mode"] == "max" else min(score for score, _ in scored)
    return next(number for score, number in scored if score == best)


def _info(saved: dict[str, Any]) -> Info:
    known = {field.name for field in dataclasses.fields(Info)}
    values: dict[str, Any] = {key: _frozen(value) for key, value in saved.items()}
    if unknown := values.keys() - known:
        raise DataError(
            f"the record says {sorted(unknown)[0]} of its data, which this grux does not know; update grux."
        )
    return Info(**values)


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def _tokenizers(folder: Path, lower: bool) -> dict[str, Tokenizer]:
    found = {}
    for path in sorted((folder / "artifacts").glob("*")):
        side, _, _ = path.name.rpartition(next((name for name in TOKENIZERS if path.name.endswith(name)), "/"))
        if path.name.endswith(TOKENIZERS):
            found[side.rstrip(".")] = read_tokenizer(path.name, path.read_bytes(), lower=lower)
    return found


def _reason(run: Run) -> str:
    return f" ({run.problem})" if run.problem else ""
