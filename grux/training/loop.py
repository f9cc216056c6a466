"""The training loop: a loop, not a framework of callbacks.

It walks through the plan of each epoch, one dispatch at a time, evaluates when due, saves, and stops when every seed
has stopped. Metrics are read one dispatch behind, so the device never waits for the host. Everything that decides
about the numbers is in the state and in the position; a run that goes on from a checkpoint repeats the straight run
bit for bit.
"""

import dataclasses
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import jax
import numpy as np

from grux.data.base import Dataset
from grux.data.batching import epoch_plan, steps_per_epoch
from grux.errors import Diverged, Interrupted
from grux.tasks.base import Task
from grux.training.checkpoint import Checkpoints
from grux.training.logs import MetricsLog, Row
from grux.training.mesh import any_of
from grux.training.programs import Programs, keep_best
from grux.training.progress import Progress
from grux.training.seeds import SeedAxis
from grux.training.state import TrainState
from grux.training.step import TRAIN_METRICS


@dataclass
class Position:
    """Where the loop stands between two dispatches; plain numbers, part of every checkpoint."""

    epoch: int = 0
    chunk: int = 0
    offset: int = 0
    """Steps of the chunk already taken: an evaluation may fall inside a chunk."""
    step: int = 0
    evaluations: int = 0
    train_seconds: float = 0.0
    evaluate_seconds: float = 0.0
    checkpoint_seconds: float = 0.0
    compile_seconds: float = 0.0
    time_is_up: bool = False
    """The seconds of the run were used when the last dispatch was looked at; its evaluation is the last."""


@dataclass(frozen=True)
class Pace:
    """How long to train and how often to look."""

    batch_size: int
    total_steps: int | None
    """None: `seconds` decide."""
    eval_every: int
    patience: int | None
    steps_per_dispatch: int
    checkpoint_every: int
    test_at_evaluations: bool = False
    """Log the scores of the test splits at each evaluation; nothing is decided by them."""
    seconds: float | None = None
    """Of training; the run ends at the first dispatch past them."""


class Stopwatch:
    """Seconds since the last lap, without those that `excluded` counts."""

    def __init__(self, excluded: Callable[[], float]):
        self._excluded = excluded
        self._start = self._now()

    def elapsed(self) -> float:
        return self._now() - self._start

    def lap(self) -> float:
        seconds = self.elapsed()
        self._start += seconds
        return seconds

    def _now(self) -> float:
        return time.perf_counter() - self._excluded()


class Loop:
    """Trains all members of a program: the seeds of one run, or of several runs that are trained together.

    `train` gives the state at the end; `position` says what it took.
    """

    def __init__(
        self,
        *,
        programs: Programs,
        dataset: Dataset,
        task: Task,
        axis: SeedAxis,
        seeds: list[int],
        pace: Pace,
        checkpoints: Checkpoints,
        logs: Sequence[MetricsLog | None],
        progress: Progress,
        stop: Callable[[], bool],
        on_checkpoint: Callable[[int], None],
        shown: Callable[[str, float], str],
    ):
        """`seeds`: one for each member. `logs`: one for each run, in the order of its members; None writes nothing.

        `shown`: the finite value of a metric as a person reads it.
        """
        self.position = Position()
        self._programs, self._dataset, self._task, self._axis, self._seeds = programs, dataset, task, axis, seeds
        self._pace, self._checkpoints, self._logs, self._progress = pace, checkpoints, logs, progress
        self._stop, self._on_checkpoint, self._shown = stop, on_checkpoint, shown
        self._train = dataset.splits["train"]
        self._epoch_steps = steps_per_epoch(self._train, pace.batch_size)
        self._arrays: dict[int, Any] = {}
        self._pending: tuple[Row, dict[str, jax.Array]] | None = None
        self._watch = Stopwatch(lambda: programs.compile_seconds)

    def go_on(self, state: TrainState, position: dict[str, Any]) -> TrainState:
        """Continue from a checkpoint: the state of the real seeds as numpy arrays, and its position."""
        self.position = Position(**position)
        self._programs.compile_seconds += self.position.compile_seconds
        state = self._axis.filled(state)
        return self._axis.place(dataclasses.replace(state, active=state.active & self._axis.is_real()), seeded=True)

    def train(self, state: TrainState) -> TrainState:
        """Run until every seed has stopped or all steps are taken.

        Raises Interrupted after saving when `stop()` turns true.
        """
        at, pace = self.position, self._pace
        self._watch.lap()  # what came before was no training
        active = bool(np.asarray(state.active).any())
        while active and not self._over():
            chunks = epoch_plan(
                self._train,
                batch_size=pace.batch_size,
                seeds=self._seeds,
                epoch=at.epoch,
                steps_per_chunk=pace.steps_per_dispatch,
            )
            if (at.chunk, at.offset) == (0, 0):
                state = self._programs.from_the_start(state)
            while active and at.chunk < len(chunks) and not self._over():
                chunk = chunks[at.chunk]
                until_eval = pace.eval_every - at.step % pace.eval_every
                steps = min(chunk.steps - at.offset, until_eval)
                if pace.total_steps is not None:
                    steps = min(steps, pace.total_steps - at.step)
                bucket = self._train.buckets[chunk.bucket]
                if chunk.bucket not in self._arrays:
                    self._arrays[chunk.bucket] = self._axis.place(bucket.arrays, seeded=False)
                state, metrics = self._programs.train(
                    state, bucket, self._arrays[chunk.bucket], chunk, at.offset, at.offset + steps
                )
                at.step += steps
                at.offset += steps
                if at.offset == chunk.steps:
                    at.chunk, at.offset = at.chunk + 1, 0
                self._flush()
                self._pending = (self._row(), metrics)
                # Asked once for each dispatch and kept, so that no run ends without having been evaluated.
                at.time_is_up = pace.seconds is not None and any_of(self._trained() >= pace.seconds)
                self._progress.advance(self.done())
                if at.step % pace.eval_every == 0 or self._over():
                    self._flush()
                    at.train_seconds += self._watch.lap()
                    state, active = self._evaluate(state)
                    at.evaluate_seconds += self._watch.lap()
                    if not active or self._over() or at.evaluations % pace.checkpoint_every == 0:
                        self._save(state)
                if self._stop():
                    self._flush()
                    at.train_seconds += self._watch.lap()
                    self._save(state)
                    whole = pace.total_steps or f"a training of {pace.seconds:g} seconds"
                    raise Interrupted(
                        f"Stopped at step {at.step} of {whole} and saved; "
                        "start the same command again to go on from there."
                    )
            if at.chunk == len(chunks):
                at.epoch, at.chunk = at.epoch + 1, 0
        at.train_seconds += self._watch.lap()
        at.compile_seconds = self._programs.compile_seconds
        return state

    def done(self) -> int:
        """Steps taken, or seconds where they decide: what the progress shows."""
        return self.position.step if self._pace.seconds is None else int(self._trained())

    def _over(self) -> bool:
        return self.position.time_is_up or self.position.step == self._pace.total_steps

    def _row(self) -> Row:
        at = self.position
        return {"step": at.step, "epoch": round(at.step / self._epoch_steps, 4)}

    def _flush(self) -> None:
        """Write the metrics of the dispatch before: mean loss and gradient norm of its steps, per seed."""
        if self._pending is None:
            return
        row, metrics = self._pending
        self._pending = None
        values = {name: np.asarray(v)[: self._axis.count] for name, v in metrics.items()}
        rows = []
        for number, seed in enumerate(self._seeds):
            taken = values["taken"][number] > 0
            if taken.any():
                means = {name: float(values[name][number][taken].mean()) for name in TRAIN_METRICS}
                rows.append((number, {**row, "seed": seed, "split": "train", "seconds": self._seconds(), **means}))
        self._write(rows)

    def _write(self, rows: Iterable[tuple[int, Row]]) -> None:
        """Rows by their member, each into the log of its run."""
        rows = list(rows)
        each = len(self._seeds) // len(self._logs)
        for run, log in enumerate(self._logs):
            if log is not None:
                log.write(row for member, row in rows if member // each == run)

    def _seconds(self) -> float:
        """Seconds of training so far, evaluations and compilation left out."""
        return round(self._trained(), 3)

    def _trained(self) -> float:
        return self.position.train_seconds + self._watch.elapsed()

    def _evaluate(self, state: TrainState) -> tuple[TrainState, bool]:
        at = self.position
        scores = self._programs.evaluate(state.params, self._dataset.splits["validation"], self._pace.batch_size)
        active = np.asarray(state.active)[: self._axis.count]
        selection = self._task.selection
        state = keep_best(
            state,
            np.array([score[selection] for score in scores]),
            higher_is_better=self._task.selection_higher_is_better,
            patience=self._pace.patience,
            axis=self._axis,
        )
        at.evaluations += 1
        row, seconds = self._row(), round(at.train_seconds, 3)
        self._write(
            (number, {**row, "seed": seed, "split": "validation", "seconds": seconds, **score})
            for number, (seed, score, running) in enumerate(zip(self._seeds, scores, active, strict=True))
            if running
        )
        if self._pace.test_at_evaluations:
            self._log_tests(state, active)
        best = np.asarray(state.best_value)[: self._axis.count]
        now, most = (self._mean(selection, values) for values in ([s[selection] for s in scores], best))
        self._progress.evaluated(self.done(), f"validation {selection} {now} (best {most})")
        return state, bool(np.asarray(state.active).any())

    def _mean(self, metric: str, values: Any) -> str:
        values = np.asarray(values, np.float64)
        finite = values[np.isfinite(values)]
        return self._shown(metric, float(finite.mean())) if finite.size else "not finite"

    def _log_tests(self, state: TrainState, active: np.ndarray) -> None:
        """The test scores of this evaluation's weights, of the seeds that were still training: for averages over k."""
        at = self.position
        for name, split in self._dataset.splits.items():
            if name in ("train", "validation"):
                continue
            scores = self._programs.evaluate(state.params, split, self._pace.batch_size)
            row = {**self._row(), "split": name, "seconds": round(at.train_seconds, 3)}
            self._write(
                (number, {**row, "seed": seed, **score})
                for number, (seed, score, running) in enumerate(zip(self._seeds, scores, active, strict=True))
                if running
            )

    def _save(self, state: TrainState) -> None:
        for log in self._logs:
            if log is not None:
                log.sync()
        self.position.compile_seconds = self._programs.compile_seconds
        self._checkpoints.save(self.position.step, self._axis.real(state), asdict(self.position))
        self._on_checkpoint(self.position.step)
        self.position.checkpoint_seconds += self._watch.lap()


def divergence(state: TrainState, members: slice) -> Diverged | None:
    """The error of a run all of whose members diverged before any had a finite evaluation; None of any other."""
    diverged, best, steps = (np.asarray(x)[members] for x in (state.diverged, state.best_step, state.step))
    if not diverged.all() or (best >= 0).any():
        return None
    return Diverged(
        f"The loss of every seed became infinite or NaN within {steps.max()} steps; "
        "lower learning_rate or set clip=1.0."
    )
