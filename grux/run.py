"""From checked configs to finished run folders: the one place that knows all the parts.

One run is a program of its own; runs that differ in a few numbers may be one program together (`grux.together`).
"""

import contextlib
import errno
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import yaml
from flax import nnx

from grux.config import build
from grux.config.axes import with_values
from grux.counting.model import count
from grux.data.base import Dataset
from grux.data.batching import check_batch_size, steps_per_epoch
from grux.engine.kernels import build as kernels
from grux.errors import Diverged, Interrupted, OutOfMemory, UsageError
from grux.folder import RunFolder, now
from grux.rates import Rate, as_float32
from grux.results.record import storage_error, write_atomic, write_json
from grux.tasks.base import Task
from grux.together import CHECKPOINTS, Plan, Program, alone, elsewhere
from grux.training.checkpoint import Checkpoints
from grux.training.interrupts import StopFlag
from grux.training.logs import MetricsLog, rewind
from grux.training.loop import Loop, Pace, Stopwatch, divergence, total_steps
from grux.training.mesh import any_of, data_mesh, is_first
from grux.training.optimizers import make_optimizer
from grux.training.platform import start_jax
from grux.training.programs import Programs
from grux.training.progress import Progress, make_progress
from grux.training.record import SHARES, make_record, share, spent
from grux.training.schedules import at_peak
from grux.training.score import Scored, score
from grux.training.seeds import SeedAxis, seed_axis
from grux.training.state import Learner, TrainState, Values

STORAGE_FAILED = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE)
"""What a disk answers when it is full, over quota, read-only or gone, wherever in a run that happens."""


def run(
    config: dict[str, Any], *, choices: dict[str, str], folder: Path, run_id: str, title: str | None = None
) -> dict[str, Any]:
    """Train, score and record one run; gives the record.

    Goes on from the folder's latest checkpoint where there is one. Raises GruxError; Interrupted means that all is
    saved and the same call goes on.
    """
    (outcome,) = run_together(alone(Plan(config, choices, run_id, folder)), title=title or run_id)
    if isinstance(outcome, Diverged):
        raise outcome
    return outcome


def run_together(program: Program, *, title: str) -> list[dict[str, Any] | Diverged]:
    """Train, score and record all runs of a program that wait; gives the record of each, or why it has none.

    Everything that ends one run ends all of them, but for a divergence: that is an error of its run alone, unless all
    diverge.
    """
    config = program.waiting[0].config
    start_jax(*(config["mesh"][key] for key in ("hosts", "coordinator", "host")))
    progress = make_progress(config["progress"] if is_first() else "none")
    together = program.folder.name if program.values else None
    with StopFlag() as stop, contextlib.ExitStack() as held:
        if not is_first():  # what it writes of runs is what the first process writes
            program = elsewhere(program, Path(held.enter_context(tempfile.TemporaryDirectory())))
        places = [
            held.enter_context(RunFolder(p.folder, run_id=p.run_id, choices=p.choices, together=together))
            for p in program.waiting
        ]
        try:
            outcomes = _run(program, places, title, progress, stop)
        except (MemoryError, jax.errors.JaxRuntimeError) as error:
            if isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error):
                raise OutOfMemory(
                    f"Memory ran out at batch_size={config['batch_size']} and seeds={config['seeds']}"
                    f"{f', {len(program.names)} runs together' if together else ''}; choose a smaller batch_size, "
                    f"accumulate=2, or fewer seeds {'and runs ' if together else ''}at a time."
                ) from error
            raise
        except OSError as error:
            if error.errno in STORAGE_FAILED:
                raise storage_error(program.folder, error) from error
            raise
        finally:
            progress.stop()
        for place, outcome in zip(places, outcomes, strict=True):
            if isinstance(outcome, Diverged):
                place.failure = outcome
            else:
                write_json(place.path / "result.json", outcome)
    if any_of(bool(stop)):
        raise Interrupted("Stopped after this run was finished; start the same command again to go on with the rest.")
    return outcomes


@dataclass(frozen=True)
class Parts:
    """What a program of one or more runs is put together from."""

    dataset: Dataset
    task: Task
    axis: SeedAxis
    programs: Programs
    steps: int
    """Optimiser steps of the whole run."""
    build_model: Callable[[nnx.Rngs], nnx.Module]


def assemble(config: dict[str, Any], values: Mapping[str, Sequence[float | None]] | None = None) -> Parts:
    """The parts that a config names; reads the data and compiles nothing.

    `values`: the numbers of several runs that are one program, by the key of the config in which they differ.
    """
    plugins, batch_size = config["plugins"], config["batch_size"]
    runs = len(next(iter(values.values()))) if values else 1
    devices = data_mesh(config["mesh"]["data"], config["mesh"]["hosts"])
    axis = seed_axis(runs * config["seeds"], config["seed_strategy"], devices)
    dataset: Dataset = build(config["data"], plugins=plugins)
    check_batch_size(dataset, batch_size)
    task = build(config["task"], plugins=plugins)(info=dataset.info)
    steps = total_steps(dataset, batch_size=batch_size, epochs=config["epochs"], steps=config["steps"])

    def learner(values: Values) -> Learner:
        """What a member trains whose `values` stand in the place of the config's numbers."""
        nodes = {key: Rate(value) if _is_rate(key) else value for key, value in values.items()}
        own = with_values(config, nodes)
        make_model, layer = (build(own[node], plugins=plugins) for node in ("model", "arch"))
        varied = "learning_rate" in values
        peak = 1.0 if varied else config["learning_rate"]
        schedule = build(own["schedule"], plugins=plugins, learning_rate=peak, total_steps=steps)
        return Learner(
            build_model=lambda rngs: make_model(info=dataset.info, layer=layer, rngs=rngs),
            optimizer=make_optimizer(
                build(own["optimizer"], plugins=plugins),
                at_peak(schedule, values["learning_rate"]) if varied else schedule,
                clip=own["clip"],
            ),
            initial_scale=own["initial_scale"],
        )

    shared = learner({})
    members = {key: np.repeat(_as_float32(key, each), config["seeds"]) for key, each in (values or {}).items()}
    for key in members:
        _check_axis(learner, key)
    programs = Programs(
        learner=learner if members else lambda _: shared,
        task=task,
        axis=axis,
        accumulate=config["accumulate"],
        values=members,
    )
    return Parts(dataset, task, axis, programs, steps, shared.build_model)


def _is_rate(key: str) -> bool:
    """Whether the number under this key is a rate of dropout, the only kind that models and cells have as an axis."""
    return key.split(".")[0] in ("model", "arch")


def _as_float32(key: str, numbers: Sequence[float | None]) -> np.ndarray:
    """The numbers of some runs as inputs of a program; a `clip` of null is a norm that nothing reaches."""
    given = [np.inf if number is None else number for number in numbers]
    return np.array([as_float32(number) for number in given] if _is_rate(key) else given, np.float32)


def _check_axis(learner: Callable[[Values], Learner], key: str) -> None:
    """UsageError where a part of the run asks for the value of a number while the program is made."""

    def first_update(values: Values) -> Any:
        made = learner(values)
        _, _, params = nnx.split(made.build_model(nnx.Rngs(0)), Rate, ...)
        return made.optimizer.update(params, made.optimizer.init(params), params, value=0.0)

    try:
        jax.eval_shape(first_update, {key: jax.ShapeDtypeStruct((), np.float32)})
    except jax.errors.ConcretizationTypeError as error:
        raise UsageError(
            f"together={key}: what takes {key} decides by its value what it does, so runs that differ in it cannot be "
            "one program; leave it out of together, and its values are trained one after another."
        ) from error


def _run(
    program: Program, places: Sequence[RunFolder], title: str, progress: Progress, stop: StopFlag
) -> list[dict[str, Any] | Diverged]:
    def stopped() -> bool:
        return any_of(bool(stop))

    def reached(step: int) -> None:
        for place in places:
            place.reached(step, steps)

    config = program.waiting[0].config
    seeds = [config["first_seed"] + number for number in range(config["seeds"])] * len(program.names)
    batch_size = config["batch_size"]
    parts = assemble(config, program.values)
    dataset, task, axis, programs, steps = parts.dataset, parts.task, parts.axis, parts.programs, parts.steps
    # Before training: a model that cannot be counted costs seconds, not the record of hours.
    counts = count(nnx.eval_shape(lambda: parts.build_model(nnx.Rngs(0))), task, dataset)
    for place, plan in zip(places, program.waiting, strict=True):
        write_atomic(place.path / "config.yaml", yaml.safe_dump(plan.config, sort_keys=False))
    if program.values and is_first():
        program.write_manifest()
    for note in dataset.notes:
        progress.note(f"{dataset.info.name}: {note}")
    state = programs.initial(seeds)
    # The run id knows the settings; a changed file or tokeniser would go on with other numbers under the same ids.
    owner = f"{program.owner} on data {dataset.fingerprint}"
    with (
        Checkpoints(program.folder / CHECKPOINTS, max_to_keep=config["max_to_keep"], owner=owner) as checkpoints,
        contextlib.ExitStack() as opened,
    ):
        restored = checkpoints.restore(axis.real(state))
        logs = []
        for place in places:
            place.write_artifacts(dataset.artifacts)
            rewind(place.path, restored[0] if restored else -1)
            log = MetricsLog(place.path, tensorboard=config["tensorboard"], after=restored[0] if restored else None)
            opened.callback(log.close)
            logs.append(log)
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
            ),
            checkpoints=checkpoints,
            logs=_by_run(program, logs),
            progress=progress,
            stop=stopped,
            on_checkpoint=reached,
        )
        if restored:
            progress.note(f"{title}: going on from step {restored[0]} of {steps}")
            going = np.repeat([plan is not None for plan in program.plans], config["seeds"])
            state = loop.go_on(replace(restored[1], active=restored[1].active & going), restored[2])
        progress.start(title, loop.position.step, steps)
        state = loop.train(state)
        lost = [divergence(state, members) for _, members in _members(program)]
        if all(lost):
            return [error for error in lost if error]
        watch = Stopwatch(lambda: programs.compile_seconds)
        scored = score(programs, state, dataset, task, batch_size=batch_size, count=len(seeds), stop=stopped)
        loop.position.evaluate_seconds += watch.lap()
        known = {"dataset": dataset, "task": task, "counts": counts, "axis": axis}
        outcomes = _outcomes(program, state, scored, spent(programs, loop.position), known)
        for log, plan, outcome in zip(logs, program.waiting, outcomes, strict=True):
            if not isinstance(outcome, Diverged):
                _summarise(log, plan, outcome)
    for place, (_, members) in zip(places, _members(program), strict=True):
        for name, texts in scored.of(members).examples.items():
            write_atomic(place.path / f"{name}_output.txt", "\n".join(texts) + "\n")
    return outcomes


def _members(program: Program) -> list[tuple[Plan, slice]]:
    """The runs that wait, and which members of the program their seeds are."""
    each = program.waiting[0].config["seeds"]
    found = [(plan, slice(number * each, (number + 1) * each)) for number, plan in enumerate(program.plans)]
    return [(plan, members) for plan, members in found if plan is not None]


def _outcomes(
    program: Program, state: TrainState, scored: Scored, seconds: dict[str, float], known: dict[str, Any]
) -> list[dict[str, Any] | Diverged]:
    """The record of each run that waits, or why there is none; `seconds` are those of all runs."""
    taken = np.asarray(state.step)
    outcomes: list[dict[str, Any] | Diverged] = []
    for plan, members in _members(program):
        config = plan.config
        if error := divergence(state, members):
            outcomes.append(error)
            continue
        part = taken[members].sum() / max(taken.sum(), 1)
        record = make_record(
            run_id=plan.run_id,
            group=config["group"],
            created=now(),
            config=config,
            choices=plan.choices,
            seeds=[config["first_seed"] + number for number in range(config["seeds"])],
            batch_size=config["batch_size"],
            kernels=kernels.state(),
            state=state,
            members=members,
            seconds=share(seconds, part, len(program.names)) if program.values else seconds,
            scored=scored.of(members),
            **known,
        )
        if program.values:
            whole = {name: round(value, 3) for name, value in seconds.items()}
            shared = {"runs": program.names, "values": program.values, "whole": whole, "rule": SHARES}
            record["together"] = {"folder": program.folder.name, **shared}
        outcomes.append(record)
    return outcomes


def _summarise(log: MetricsLog, plan: Plan, record: dict[str, Any]) -> None:
    """The run's line in TensorBoard's HParams."""
    rows = [row for row in record["seeds"] if row["status"] == "done"]
    if rows:
        primary = record["metric"]["primary"]
        mean = float(np.mean([row["scores"]["test"][primary] for row in rows]))
        log.summary(_settings(plan.config, plan.choices), {f"test/{primary}": mean})


def _by_run(program: Program, logs: Sequence[MetricsLog]) -> list[MetricsLog | None]:
    """The logs of the runs that wait, with None for the others."""
    left = iter(logs)
    return [None if plan is None else next(left) for plan in program.plans]


def _settings(config: dict[str, Any], choices: dict[str, str]) -> dict[str, Any]:
    """Choices and plain settings, as TensorBoard's HParams shows them."""
    plain = {k: v for k, v in config.items() if isinstance(v, int | float | str | bool)}
    return {**plain, **choices}
