"""From a checked config to a finished run folder: the one function that knows all the parts."""

import errno
import math
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np
import yaml
from flax import nnx

from grux import provenance
from grux.config import build
from grux.data.base import Dataset, take_rows
from grux.data.batching import check_batch_size, steps_per_epoch
from grux.errors import GruxError, Interrupted, OutOfMemory
from grux.folder import RunFolder, now
from grux.results.record import RECORD_FORMAT, storage_error, write_atomic, write_json
from grux.training.checkpoint import Checkpoints
from grux.training.flops import RULE as FLOPS_RULE
from grux.training.flops import count_flops
from grux.training.interrupts import StopFlag
from grux.training.logs import MetricsLog, rewind
from grux.training.loop import Loop, Schedule, total_steps
from grux.training.optimizers import make_optimizer
from grux.training.platform import prepare
from grux.training.programs import Programs
from grux.training.progress import Progress, make_progress
from grux.training.score import count_parameters, score, seed_rows
from grux.training.seeds import available_cores, seed_axis

STORAGE_FAILED = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE)
"""What a disk answers when it is full, over quota, read-only or gone, wherever in a run that happens."""


def run(
    config: dict[str, Any], *, choices: dict[str, str], folder: Path, run_id: str, title: str | None = None
) -> dict[str, Any]:
    """Train, score and record one run; gives the record.

    Goes on from the folder's latest checkpoint where there is one. Raises GruxError; Interrupted means that all is
    saved and the same call goes on.
    """
    began = time.perf_counter()
    prepare(seeds=config["seeds"])
    progress = make_progress(config["progress"])
    with StopFlag() as stop, RunFolder(folder, run_id=run_id, choices=choices) as place:
        try:
            record = _run(config, choices, place, run_id, title or run_id, progress, stop, began)
        except (MemoryError, jax.errors.JaxRuntimeError) as error:
            if isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error):
                raise OutOfMemory(
                    f"Memory ran out at batch_size={config['batch_size']} and seeds={config['seeds']}; "
                    "choose a smaller batch_size, accumulate=2, or fewer seeds at a time."
                ) from error
            raise
        except OSError as error:
            if error.errno in STORAGE_FAILED:
                raise storage_error(folder, error) from error
            raise
        finally:
            progress.stop()
        write_json(folder / "result.json", record)
    if stop:
        raise Interrupted("Stopped after this run was finished; start the same command again to go on with the rest.")
    return record


def _run(
    config: dict[str, Any],
    choices: dict[str, str],
    place: RunFolder,
    run_id: str,
    title: str,
    progress: Progress,
    stop: StopFlag,
    began: float,
) -> dict[str, Any]:
    seeds = [config["first_seed"] + number for number in range(config["seeds"])]
    batch_size = config["batch_size"]
    axis = seed_axis(len(seeds), config["seed_strategy"])
    dataset: Dataset = build(config["data"], plugins=config["plugins"])
    check_batch_size(dataset, batch_size)
    task = build(config["task"], plugins=config["plugins"])(info=dataset.info)
    make_model, layer = (build(config[node], plugins=config["plugins"]) for node in ("model", "arch"))
    steps = total_steps(dataset, batch_size=batch_size, epochs=config["epochs"], steps=config["steps"])
    optimizer = make_optimizer(
        build(config["optimizer"], plugins=config["plugins"]),
        build(config["schedule"], plugins=config["plugins"], learning_rate=config["learning_rate"], total_steps=steps),
        clip=config["clip"],
    )
    programs = Programs(
        build_model=lambda rngs: make_model(info=dataset.info, layer=layer, rngs=rngs),
        task=task,
        optimizer=optimizer,
        axis=axis,
        accumulate=config["accumulate"],
    )
    write_atomic(place.path / "config.yaml", yaml.safe_dump(config, sort_keys=False))
    place.write_artifacts(dataset.artifacts)
    for note in dataset.notes:
        progress.note(f"{dataset.info.name}: {note}")
    state = programs.initial(seeds)
    with Checkpoints(place.path / "checkpoints", max_to_keep=config["max_to_keep"], owner=run_id) as checkpoints:
        restored = checkpoints.restore(state)
        rewind(place.path, restored[0] if restored else -1)
        log = MetricsLog(place.path, tensorboard=config["tensorboard"])
        try:
            loop = Loop(
                programs=programs,
                dataset=dataset,
                task=task,
                axis=axis,
                seeds=seeds,
                schedule=Schedule(
                    batch_size=batch_size,
                    total_steps=steps,
                    eval_every=config["eval_every"] or steps_per_epoch(dataset.splits["train"], batch_size),
                    patience=config["patience"],
                    steps_per_dispatch=config["steps_per_dispatch"],
                    checkpoint_every=config["checkpoint_every"],
                ),
                checkpoints=checkpoints,
                log=log,
                progress=progress,
                stop=lambda: bool(stop),
                on_checkpoint=lambda step: place.reached(step, steps),
            )
            if restored:
                progress.note(f"{title}: going on from step {restored[0]} of {steps}")
                state = loop.go_on(restored[1], restored[2])
            progress.start(title, loop.position.step, steps)
            state = loop.train(state)
            tick, compiled = time.perf_counter(), programs.compile_seconds
            scored = score(
                programs, state, dataset, task, batch_size=batch_size, count=len(seeds), stop=lambda: bool(stop)
            )
            compiled = programs.compile_seconds - compiled
            at = loop.position
            at.evaluate_seconds += time.perf_counter() - tick - compiled
            rows = seed_rows(state, seeds, scored)
            primary = [row["scores"].get("test", {}).get(task.primary) for row in rows]
            log.summary(
                _settings(config, choices),
                {f"test/{task.primary}": float(np.mean([v for v in primary if v is not None] or [math.nan]))},
            )
        finally:
            log.close()
    for name, texts in scored.examples.items():
        write_atomic(place.path / f"{name}_output.txt", "\n".join(texts) + "\n")
    trained = sum(row["steps"] for row in rows) * dataset.splits["train"].size
    seconds = {"compile": programs.compile_seconds, "train": at.train_seconds, "evaluate": at.evaluate_seconds}
    commit, diff = provenance.commit()
    return {
        "format": RECORD_FORMAT,
        "run_id": run_id,
        "experiment": config["group"],
        "created": now(),
        "task": task.name,
        "choices": choices,
        "config": config,
        "metric": {"primary": task.primary, "higher_is_better": task.higher_is_better},
        "selection": {
            "metric": task.selection,
            "split": "validation",
            "mode": "max" if task.selection_higher_is_better else "min",
            "rule": f"best validation {task.selection} of each seed",
        },
        "seeds": rows,
        "baselines": scored.baselines,
        "signatures": scored.signatures,
        "parameters": count_parameters(jax.tree.map(lambda x: x[0], state.params)),
        "flops": {"forward_per_example": _forward_flops(programs, dataset, state, batch_size), "rule": FLOPS_RULE},
        "seconds": {name: round(value, 3) for name, value in {**seconds, "total": sum(seconds.values())}.items()},
        "wall_seconds_of_last_start": round(time.perf_counter() - began, 3),
        "examples_per_second": round(
            trained / steps_per_epoch(dataset.splits["train"], batch_size) / max(at.train_seconds, 1e-9), 1
        ),
        "seed_strategy": axis.strategy,
        "versions": provenance.versions(),
        "commit": commit,
        "diff": diff,
        "data": dataset.files,
        "data_notes": list(dataset.notes),
        "artifacts": dataset.artifact_hashes,
        "device": provenance.device(jax.local_devices(), available_cores()),
    }


def _forward_flops(programs: Programs, dataset: Dataset, state: Any, batch_size: int) -> float:
    """Operations of the forward pass per training example, over the padded shapes of all buckets."""
    params = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype), state.params)
    total = 0
    for bucket in dataset.splits["train"].buckets:
        batch = take_rows(bucket, bucket.arrays, np.zeros(batch_size, np.int32))
        flops = count_flops(lambda p, b: nnx.merge(programs.graph, p)(b, key=None), params, batch)
        total += flops / batch_size * bucket.size
    return total / dataset.splits["train"].size


def _settings(config: dict[str, Any], choices: dict[str, str]) -> dict[str, Any]:
    """Choices and plain settings, as TensorBoard's HParams shows them."""
    plain = {k: v for k, v in config.items() if isinstance(v, int | float | str | bool)}
    return {**plain, **choices}


__all__ = ["GruxError", "run"]
