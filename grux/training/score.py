"""The numbers of a finished training: every split, for the best parameters of each seed."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from grux.data.base import Dataset, Split
from grux.errors import DataError, Interrupted
from grux.tasks.base import Task
from grux.training.programs import Programs
from grux.training.state import TrainState

Scores = dict[str, dict[str, float]]
"""Split to metric to value."""


@dataclass
class Scored:
    """Scores of each member, of the methods without training, and how corpus metrics were computed."""

    seeds: list[Scores]
    baselines: dict[str, Scores] = field(default_factory=dict)
    signatures: dict[str, str] = field(default_factory=dict)
    texts: list[dict[str, list[str]]] = field(default_factory=list)
    """Each member's decoded strings of each test split, one per example."""

    @property
    def examples(self) -> dict[str, list[str]]:
        """The first seed's decoded strings of each test split."""
        return self.texts[0] if self.texts else {}

    def of(self, members: slice) -> "Scored":
        """The scores of some members."""
        return replace(self, seeds=self.seeds[members], texts=self.texts[members])


def score(
    programs: Programs,
    state: TrainState,
    dataset: Dataset,
    task: Task,
    *,
    batch_size: int,
    count: int,
    stop: Callable[[], bool],
) -> Scored:
    """Score validation and all test splits; decoding only on test splits, once, at the very end.

    Raises Interrupted between splits when `stop()` turns true.
    """
    scored = Scored([{} for _ in range(count)], texts=[{} for _ in range(count)])
    for name, split in dataset.splits.items():
        if stop():
            raise Interrupted("Stopped before the scores were complete; start the same command again to finish.")
        if name == "train":
            continue
        for seed, values in zip(scored.seeds, programs.evaluate(state.best_params, split, batch_size), strict=True):
            seed[name] = values
        if name == "validation":
            continue
        for method, values in programs.baselines(split, batch_size).items():
            scored.baselines.setdefault(method, {})[name] = values
        if task.needs_decoding:
            _decode(programs, state, dataset, task, name, split, batch_size, scored)
    return scored


def _decode(
    programs: Programs,
    state: TrainState,
    dataset: Dataset,
    task: Task,
    name: str,
    split: Split,
    batch_size: int,
    scored: Scored,
) -> None:
    if dataset.decode is None or split.references is None or dataset.info.max_target_length is None:
        raise DataError(f"{dataset.info.name}: {task.name} needs a decoder of token ids and reference texts.")
    outputs = programs.decode(state.best_params, split, batch_size, dataset.info.max_target_length)
    for number, (seed, tokens) in enumerate(zip(scored.seeds, outputs, strict=True)):
        texts = [dataset.decode(row) for row in tokens]
        values, scored.signatures = task.corpus_metrics(texts, list(split.references))
        seed[name] |= values
        scored.texts[number][name] = texts


def seed_rows(state: TrainState, members: slice, seeds: list[int], scored: Scored) -> list[dict[str, Any]]:
    """The `seeds` part of the record of a run whose seeds are these members of the state."""
    fields = {name: np.asarray(getattr(state, name))[members] for name in ("step", "best_step", "diverged")}
    rows = []
    for number, (seed, scores) in enumerate(zip(seeds, scored.seeds, strict=True)):
        best = int(fields["best_step"][number])
        rows.append(
            {
                "seed": seed,
                "status": "diverged" if fields["diverged"][number] else "done",
                "steps": int(fields["step"][number]),
                "best_step": best if best >= 0 else None,
                # Without a finite evaluation there are no best parameters, and no score to report.
                "scores": scores if best >= 0 else {},
            }
        )
    return rows
