"""Small trainings: a recall task of a few examples, the parts of its run, and whole runs as the command starts them."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from grux.config import build, compose
from grux.data.base import Dataset
from grux.launch.jobs import prepare
from grux.tasks.base import Task
from grux.training.optimizers import make_optimizer
from grux.training.programs import Programs
from grux.training.seeds import SeedAxis
from grux.training.state import Learner

SMALL = (
    *("data=first_token", "data.symbols=4", "data.shortest=3", "data.longest=8"),
    *("data.train=60", "data.validation=24", "data.test=24"),
    *("model.embedding=6", "model.features=8", "batch_size=8", "tensorboard=false", "progress=none"),
)
"""Two buckets (4 and 8 steps), about eight steps an epoch."""


@dataclass(frozen=True)
class Parts:
    """What a run is put together from."""

    dataset: Dataset
    task: Task
    optimizer: Any
    make_model: Any

    def programs(self, axis: SeedAxis, **options: Any) -> Programs:
        learner = Learner(self.make_model, self.optimizer)
        return Programs(learner=lambda _: learner, task=self.task, axis=axis, **options)


def parts(*overrides: str) -> Parts:
    """The parts of the small run, changed by overrides of the command line."""
    config = compose([*SMALL, *overrides]).config
    dataset = build(config["data"])
    make_model, layer = build(config["model"]), build(config["arch"])
    schedule = build(config["schedule"], learning_rate=config["learning_rate"], total_steps=100)
    return Parts(
        dataset=dataset,
        task=build(config["task"])(info=dataset.info),
        optimizer=make_optimizer(build(config["optimizer"]), schedule, clip=config["clip"]),
        make_model=lambda rngs: make_model(info=dataset.info, layer=layer, rngs=rngs),
    )


def train(*overrides: str, folder: Path, **options: Any) -> dict[str, Any]:
    """One whole run in `folder`, in this process: the record."""
    from grux.run import run

    job = prepare([*SMALL, f"run_dir={folder}", *overrides])
    return run(job.config, choices=job.choices, folder=job.folder, run_id=job.run_id, **options)


def lines(folder: Path) -> list[dict[str, Any]]:
    """The rows of metrics.jsonl without what the clock says."""
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


def leaves(folder: Path, step: int | None = None) -> dict[str, np.ndarray]:
    """Every array of the last checkpoint of a run (or of one step), read without grux."""
    from orbax.checkpoint import v1 as ocp

    steps = [int(path.name) for path in (folder / "checkpoints").iterdir() if path.name.isdigit()]
    chosen = folder / "checkpoints" / str(max(steps) if step is None else step)
    return ocp.load_checkpointables(str(chosen.resolve()))["state"]


def same_bits(one: Any, other: Any) -> bool:
    """Whether two trees hold the same arrays, bit for bit, types too."""
    if jax.tree.structure(one) != jax.tree.structure(other):
        return False
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    arrays = ((np.asarray(a), np.asarray(b)) for a, b in pairs)
    return all(a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes() for a, b in arrays)
