"""From a checked config to a finished run folder: the one function that knows all the parts."""

import errno
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import jax
import yaml
from flax import nnx

from grux.config import build
from grux.counting.match import Matching
from grux.counting.model import count
from grux.data.base import Dataset
from grux.data.batching import check_batch_size, steps_per_epoch
from grux.engine.kernels import build as kernels
from grux.errors import Interrupted, OutOfMemory
from grux.folder import RunFolder, now
from grux.matching import keep, kept, matched, of_width, sentence
from grux.matching.times import REPEATS
from grux.results.record import storage_error, write_atomic, write_json
from grux.results.select import SEEDS, WITHOUT_EFFECT, leaves
from grux.tasks.base import Task
from grux.training.checkpoint import Checkpoints
from grux.training.interrupts import StopFlag
from grux.training.length import Length, length_of
from grux.training.logs import MetricsLog, rewind
from grux.training.loop import Loop, Pace, Stopwatch
from grux.training.optimizers import make_optimizer
from grux.training.platform import start_jax
from grux.training.programs import Programs
from grux.training.progress import Progress, make_progress
from grux.training.record import make_record
from grux.training.score import score
from grux.training.seeds import SeedAxis, seed_axis
from grux.training.timing import time_step

STORAGE_FAILED = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE)
"""What a disk answers when it is full, over quota, read-only or gone, wherever in a run that happens."""


def run(
    config: dict[str, Any], *, choices: dict[str, str], folder: Path, run_id: str, title: str | None = None
) -> dict[str, Any]:
    """Train, score and record one run; gives the record.

    Goes on from the folder's latest checkpoint where there is one. Raises GruxError; Interrupted means that all is
    saved and the same call goes on.
    """
    start_jax()
    progress = make_progress(config["progress"])
    with StopFlag() as stop, RunFolder(folder, run_id=run_id, choices=choices) as place:
        try:
            record = _run(config, choices, place, run_id, title or run_id, progress, stop)
        except (MemoryError, jax.errors.JaxRuntimeError) as error:
            if isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error):
                raise OutOfMemory(
                    f"Memory ran out at batch_size={config['batch_size']} and seeds={config['seeds']}; "
                    "choose a smaller batch_size, accumulate=2, or fewer seeds at a time."
                ) from error
            raise
        except Interrupted as error:
            error.by = stop.name
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


@dataclass(frozen=True)
class Parts:
    """What a run is put together from."""

    config: dict[str, Any]
    """As given, with the width that was solved."""
    matching: Matching | None
    dataset: Dataset
    task: Task
    axis: SeedAxis
    programs: Programs
    length: Length
    counts: dict[str, Any]
    """What the model costs, by `grux.counting.model`."""


def assemble(config: dict[str, Any], matching: Matching | None = None) -> Parts:
    """The parts that a config names; reads the data and compiles nothing.

    `matching`: how the width was found when the run began; None solves it here where the config asks for it.
    """
    plugins, batch_size = config["plugins"], config["batch_size"]
    axis = seed_axis(config["seeds"], config["seed_strategy"])
    dataset: Dataset = build(config["data"], plugins=plugins)
    check_batch_size(dataset, batch_size)
    task = build(config["task"], plugins=plugins)(info=dataset.info)
    matching = matching or matched(config, dataset, task, lambda width: step_times(config, dataset, task, axis, width))
    config = of_width(config, matching.features) if matching else config
    counts = count(nnx.eval_shape(lambda: _model(config, dataset, nnx.Rngs(0))), task, dataset)
    length = length_of(
        dataset,
        batch_size=batch_size,
        **{key: config[key] for key in ("epochs", "steps", "flops", "seconds")},
        flops_per_example=counts["flops"]["training_per_example"],
    )
    programs = _programs(config, dataset, task, axis, length.steps)
    return Parts(config, matching, dataset, task, axis, programs, length, counts)


def step_times(config: dict[str, Any], dataset: Dataset, task: Task, axis: SeedAxis, width: int) -> list[float]:
    """Milliseconds of training steps of all seeds with this width of the recurrent layers, measured here and now."""
    return time_step(
        _programs(of_width(config, width), dataset, task, axis, total_steps=1),
        dataset,
        axis,
        seeds=range(config["seeds"]),
        batch_size=config["batch_size"],
        steps_per_dispatch=config["steps_per_dispatch"],
        repeats=REPEATS,
    )


def _programs(
    config: dict[str, Any], dataset: Dataset, task: Task, axis: SeedAxis, total_steps: int | None
) -> Programs:
    optimizer = make_optimizer(
        build(config["optimizer"], plugins=config["plugins"]),
        build(
            config["schedule"],
            plugins=config["plugins"],
            learning_rate=config["learning_rate"],
            total_steps=total_steps,
        ),
        clip=config["clip"],
    )
    return Programs(
        build_model=lambda rngs: _model(config, dataset, rngs),
        task=task,
        optimizer=optimizer,
        axis=axis,
        accumulate=config["accumulate"],
    )


def _model(config: dict[str, Any], dataset: Dataset, rngs: nnx.Rngs) -> nnx.Module:
    make_model, layer = (build(config[node], plugins=config["plugins"]) for node in ("model", "arch"))
    return make_model(info=dataset.info, layer=layer, rngs=rngs)


def _run(
    config: dict[str, Any],
    choices: dict[str, str],
    place: RunFolder,
    run_id: str,
    title: str,
    progress: Progress,
    stop: StopFlag,
) -> dict[str, Any]:
    def stopped() -> bool:
        return bool(stop)

    seeds = [config["first_seed"] + number for number in range(config["seeds"])]
    batch_size = config["batch_size"]
    parts = assemble(config, kept(place.path, config))
    config, dataset, task, axis, programs = parts.config, parts.dataset, parts.task, parts.axis, parts.programs
    steps = parts.length.steps
    if parts.matching:
        keep(place.path, parts.matching)
        progress.note(f"{title}: {sentence(parts.matching)}")
    write_atomic(place.path / "config.yaml", yaml.safe_dump(config, sort_keys=False))
    for note in dataset.notes:
        progress.note(f"{dataset.info.name}: {note}")
    state = programs.initial(seeds)
    # The run id knows the settings; a changed file or tokeniser would go on with other numbers under the same ids.
    owner = f"{run_id} on data {dataset.fingerprint}"
    with Checkpoints(place.path / "checkpoints", max_to_keep=config["max_to_keep"], owner=owner) as checkpoints:
        restored = checkpoints.restore(axis.real(state))
        place.write_artifacts(dataset.artifacts)
        rewind(place.path, restored[0] if restored else -1)
        log = MetricsLog(place.path, tensorboard=config["tensorboard"], after=restored[0] if restored else None)
        try:
            loop = Loop(
                programs=programs,
                dataset=dataset,
                task=task,
                axis=axis,
                seeds=seeds,
                pace=Pace(
                    batch_size=batch_size,
                    total_steps=steps,
                    eval_every=config["eval_every"] or steps_per_epoch(dataset.splits["train"], batch_size),
                    patience=config["patience"],
                    steps_per_dispatch=config["steps_per_dispatch"],
                    checkpoint_every=config["checkpoint_every"],
                    test_at_evaluations=config["test_weights"] == "every",
                    seconds=parts.length.seconds,
                ),
                checkpoints=checkpoints,
                log=log,
                progress=progress,
                stop=stopped,
                on_checkpoint=lambda step: place.reached(step, steps),
            )
            if restored:
                progress.note(f"{title}: going on from step {restored[0]}" + (f" of {steps}" if steps else ""))
                state = loop.go_on(restored[1], restored[2])
            whole = (steps, "step") if steps else (math.ceil(config["seconds"]), "second")
            progress.start(title, loop.done(), *whole)
            state = loop.train(state)
            watch = Stopwatch(lambda: programs.compile_seconds)
            scored = score(
                programs,
                state,
                dataset,
                task,
                batch_size=batch_size,
                count=len(seeds),
                stop=stopped,
                last=config["test_weights"] != "best" and config["role"] != "search",
                # A search must not see the test splits: what it never computes cannot leak into a choice or a table.
                splits=("validation",) if config["role"] == "search" else None,
            )
            loop.position.evaluate_seconds += watch.lap()
            record = make_record(
                run_id=run_id,
                group=config["group"],
                created=now(),
                config=config,
                choices=choices,
                seeds=seeds,
                batch_size=batch_size,
                dataset=dataset,
                task=task,
                counts=parts.counts,
                matching=asdict(parts.matching) if parts.matching else None,
                length=parts.length,
                kernels=kernels.state(),
                axis=axis,
                programs=programs,
                state=state,
                position=loop.position,
                scored=scored,
            )
            log.summary(run_id, _settings(config, choices), _final_scores(record))
        finally:
            log.close()
    for name, texts in scored.examples.items():
        write_atomic(place.path / f"{name}_output.txt", "\n".join(texts) + "\n")
    return record


def _settings(config: dict[str, Any], choices: dict[str, str]) -> dict[str, Any]:
    """Choices and every setting that may change a result, as TensorBoard's HParams shows them."""
    plain = {key: value for key, value in leaves(config).items() if isinstance(value, int | float | str | bool)}
    # Runs that differ in their seeds alone are one row each, and not two kinds of run.
    left_out = WITHOUT_EFFECT | SEEDS
    return {k: v for k, v in plain.items() if k.split(".")[0] not in left_out and not k.endswith("_partial_")} | choices


def _final_scores(record: dict[str, Any]) -> dict[int, dict[str, float]]:
    """Seed -> "test/accuracy" and its like, of the seeds that finished."""
    done = [row for row in record["seeds"] if row["status"] == "done"]
    return {
        row["seed"]: {
            f"{split}/{name}": value for split, found in row["scores"].items() for name, value in found.items()
        }
        for row in done
    }
