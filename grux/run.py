"""From checked configs to finished run folders: the one place that knows all the parts.

One run is a program of its own; runs that differ in a few numbers may be one program together (`grux.together`).
"""

import contextlib
import errno
import math
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import yaml

from grux.assembly import assemble
from grux.data.batching import steps_per_epoch
from grux.engine.kernels import build as kernels
from grux.errors import Diverged, Interrupted, OutOfMemory, Quit
from grux.folder import RunFolder, now
from grux.matching import keep, kept, sentence
from grux.results.record import storage_error, write_atomic, write_json
from grux.results.select import SEEDS, WITHOUT_EFFECT, leaves
from grux.results.units import with_unit
from grux.together import CHECKPOINTS, Plan, Program, alone, elsewhere
from grux.training.checkpoint import Checkpoints
from grux.training.interrupts import StopFlag
from grux.training.logs import MetricsLog, rewind
from grux.training.loop import Loop, Pace, Stopwatch, divergence
from grux.training.mesh import any_of, is_first
from grux.training.platform import start_jax
from grux.training.progress import Progress, make_progress
from grux.training.record import SHARES, make_record, share, spent
from grux.training.score import Scored, score
from grux.training.state import TrainState
from grux.training.weights import write_weights

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
        except Interrupted as error:
            error.by = stop.name
            raise
        except SystemExit as error:  # of a part: the exit codes of a run are grux's own
            raise Quit(error.code) from error
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
    lost = not program.values and isinstance(outcomes[0], Diverged)  # the caller says that
    if any_of(bool(stop)) and not lost:
        raise Interrupted("Stopped after this run was finished; start the same command again to go on with the rest.")
    return outcomes


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
    # Runs of one program have the same model, and so the same width.
    solved = next((found for place in places if (found := kept(place.path, config))), None)
    parts = assemble(config, program.values, matching=solved)
    dataset, task, axis, programs, steps = parts.dataset, parts.task, parts.axis, parts.programs, parts.length.steps
    plans = tuple(plan and replace(plan, config=parts.settled(plan.config)) for plan in program.plans)
    program = replace(program, plans=plans)
    if parts.matching:
        progress.note(f"{title}: {sentence(parts.matching)}")
    for place, plan in zip(places, program.waiting, strict=True):
        if parts.matching:
            keep(place.path, parts.matching)
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
                test_at_evaluations=config["test_weights"] == "every" and config["role"] != "search",
                seconds=parts.length.seconds,
            ),
            checkpoints=checkpoints,
            logs=_by_run(program, logs),
            progress=progress,
            stop=stopped,
            on_checkpoint=reached,
            shown=with_unit,
        )
        if restored:
            progress.note(f"{title}: going on from step {restored[0]}" + (f" of {steps}" if steps else ""))
            going = np.repeat([plan is not None for plan in program.plans], config["seeds"])
            state = loop.go_on(replace(restored[1], active=restored[1].active & going), restored[2])
        whole = (steps, "step") if steps else (math.ceil(config["seconds"]), "second")
        progress.start(title, loop.done(), *whole, compiling=lambda: programs.compile_seconds)
        state = loop.train(state)
        lost = [divergence(state, members) for _, members in _members(program)]
        if all(lost):
            return [error for error in lost if error]
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
        known = {
            **{"dataset": dataset, "task": task, "axis": axis, "counts": parts.counts, "length": parts.length},
            "matching": asdict(parts.matching) if parts.matching else None,
        }
        outcomes = _outcomes(program, state, scored, spent(programs, loop.position), known)
        for log, plan, outcome in zip(logs, program.waiting, outcomes, strict=True):
            if not isinstance(outcome, Diverged):
                log.summary(plan.run_id, _settings(plan.config, plan.choices), _final_scores(outcome))
    best = axis.real(state.best_params)
    for place, outcome, (_, members) in zip(places, outcomes, _members(program), strict=True):
        for name, texts in scored.of(members).examples.items():
            write_atomic(place.path / f"{name}_output.txt", "\n".join(texts) + "\n")
        if not isinstance(outcome, Diverged):
            outcome["weights"] = write_weights(place.path, jax.tree.map(lambda x, own=members: x[own], best))
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


def _by_run(program: Program, logs: Sequence[MetricsLog]) -> list[MetricsLog | None]:
    """The logs of the runs that wait, with None for the others."""
    left = iter(logs)
    return [None if plan is None else next(left) for plan in program.plans]


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
