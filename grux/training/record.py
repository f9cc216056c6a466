"""What a finished run writes down about itself: the content of `result.json`."""

import dataclasses
from typing import Any

import jax

from grux import provenance
from grux.data.base import Dataset
from grux.data.batching import steps_per_epoch
from grux.results.record import RECORD_FORMAT
from grux.tasks.base import Task
from grux.training.length import Length, budget_record
from grux.training.loop import Position
from grux.training.programs import Programs
from grux.training.score import Scored, seed_rows
from grux.training.seeds import SeedAxis
from grux.training.state import TrainState

SHARES = (
    "the runs were one program, and `whole` are its seconds: those of training are divided by the optimiser steps of "
    "each run, the others in equal parts, so that the seconds of all runs add up to the whole"
)


def spent(programs: Programs, position: Position) -> dict[str, float]:
    """Wall time: compiling, training, evaluating and scoring, writing checkpoints; a resumed run's add up."""
    return {
        "compile": programs.compile_seconds,
        "train": position.train_seconds,
        "evaluate": position.evaluate_seconds,
        "checkpoint": position.checkpoint_seconds,
    }


def share(seconds: dict[str, float], part: float, runs: int) -> dict[str, float]:
    """What one of several runs of one program spent; `part` of all steps are its own."""
    return {name: value * part if name == "train" else value / runs for name, value in seconds.items()}


def make_record(
    *,
    run_id: str,
    group: str,
    created: str,
    config: dict[str, Any],
    choices: dict[str, str],
    seeds: list[int],
    batch_size: int,
    dataset: Dataset,
    task: Task,
    counts: dict[str, Any],
    matching: dict[str, Any] | None,
    length: Length,
    kernels: str,
    axis: SeedAxis,
    state: TrainState,
    members: slice,
    seconds: dict[str, float],
    scored: Scored,
) -> dict[str, Any]:
    """All that a table, a plot or a doubt may ask of a run; plain values for JSON.

    `matching` says how the width was found, by `grux.counting.match`; None where it was given.
    `counts` are what the model costs, by `grux.counting.model`: its parameters, recurrence and flops.
    `state`, of which the run's seeds are the `members`, and `scored`, of the run alone. `seconds` are those of
    `spent`, or the run's share of them.
    """
    rows = seed_rows(state, members, seeds, scored)
    train = dataset.splits["train"]
    epochs = sum(row["steps"] for row in rows) / steps_per_epoch(train, batch_size)
    commit, diff = provenance.commit()
    return {
        "format": RECORD_FORMAT,
        "run_id": run_id,
        "experiment": group,
        "created": created,
        "task": task.name,
        "choices": choices,
        "config": config,
        "metric": {
            "primary": task.primary,
            "higher_is_better": task.higher_is_better,
            "directions": {**task.directions, **task.corpus_directions},
        },
        "selection": {
            "metric": task.selection,
            "split": "validation",
            "mode": "max" if task.selection_higher_is_better else "min",
            "rule": f"best validation {task.selection} of each seed",
        },
        "matching": matching,
        "budget": budget_record(
            length,
            taken=max(row["steps"] for row in rows),
            seconds=seconds["train"],
            patience=config["patience"],
            metric=task.selection,
        ),
        "seeds": rows,
        "baselines": scored.baselines,
        "signatures": scored.signatures,
        **scored.probes,
        **counts,
        "seconds": {name: round(value, 3) for name, value in {**seconds, "total": sum(seconds.values())}.items()},
        "examples_per_second": round(epochs * train.size / max(seconds["train"], 1e-9), 1),
        "seed_strategy": axis.strategy,
        "mesh": {"data": axis.data.size if axis.data else 1, "hosts": jax.process_count()},
        "versions": provenance.versions(),
        "commit": commit,
        "diff": diff,
        "info": {key: _plain(value) for key, value in dataclasses.asdict(dataset.info).items()},
        "sources": provenance.sources(config),
        "data": dataset.files,
        "data_notes": list(dataset.notes),
        "artifacts": dataset.artifact_hashes,
        "device": {**provenance.device(jax.local_devices(), provenance.available_cores()), "kernels": kernels},
    }


def _plain(value: Any) -> Any:
    """Tuples as lists: what JSON gives back is then what was written."""
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
