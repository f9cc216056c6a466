"""The numbers of a finished training: every split, for the best parameters of each seed."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from grux.batch import Info, Marks
from grux.data.base import Dataset, Split
from grux.errors import DataError, Interrupted
from grux.tasks.base import Task
from grux.training import lag, lengths
from grux.training.programs import Programs, examples_of
from grux.training.state import TrainState

Scores = dict[str, dict[str, float]]
"""Split to metric to value."""
PER_MEMBER = ("norms", "scores", "counts")
"""What probes hold one of for each member."""


@dataclass
class Scored:
    """Scores of each member, of the methods without training, and how corpus metrics were computed."""

    seeds: list[Scores]
    """With the weights of the best step on validation."""
    last: list[Scores] | None = None
    """With the last weights, where they were asked for."""
    baselines: dict[str, Scores] = field(default_factory=dict)
    signatures: dict[str, str] = field(default_factory=dict)
    decisions: list[dict[str, Any]] = field(default_factory=list)
    """What each member has settled on validation, where its task collects."""
    texts: list[dict[str, list[str]]] = field(default_factory=list)
    """Each member's decoded strings of each test split, one per example."""
    probes: dict[str, Any] = field(default_factory=dict)
    """`gradient_by_lag` and `score_by_length`, where the run has them (grux.training.lag and .lengths), and the details
    of the task."""

    @property
    def examples(self) -> dict[str, list[str]]:
        """The first seed's decoded strings of each test split."""
        return self.texts[0] if self.texts else {}

    def of(self, members: slice) -> "Scored":
        """The scores of some members."""
        return replace(
            self,
            seeds=self.seeds[members],
            last=None if self.last is None else self.last[members],
            decisions=self.decisions[members],
            texts=self.texts[members],
            probes={
                name: {key: rows[members] if key in PER_MEMBER else rows for key, rows in probe.items()}
                for name, probe in self.probes.items()
            },
        )


def score(
    programs: Programs,
    state: TrainState,
    dataset: Dataset,
    task: Task,
    *,
    batch_size: int,
    count: int,
    stop: Callable[[], bool],
    last: bool = False,
    splits: Collection[str] | None = None,
) -> Scored:
    """Score validation and all test splits, or `splits` alone, with the best weights; where `last`, with the last too.

    Decoding happens only here, on test splits, once for each set of weights; where every member's last step is its best
    one there is but one. Raises Interrupted between splits when `stop()` turns true.
    """
    parts = programs, dataset, task, batch_size, count, stop, splits
    scored = _score(state, *parts, first=True)
    if last:
        same = np.array_equal(np.asarray(state.step)[:count], np.asarray(state.best_step)[:count])
        final = replace(state, best_params=state.params)
        others = scored if same else _score(final, *parts, first=False)
        scored.last = others.seeds
    return scored


def _score(
    state: TrainState,
    programs: Programs,
    dataset: Dataset,
    task: Task,
    batch_size: int,
    count: int,
    stop: Callable[[], bool],
    splits: Collection[str] | None,
    *,
    first: bool,
) -> Scored:
    """Scores of `state.best_params`; `first` time also of methods without training, and the probes."""
    scored = Scored([{} for _ in range(count)], texts=[{} for _ in range(count)])
    if first and splits is None and type(task).fit is not Task.fit:
        task.fit(examples_of(dataset.splits["train"], batch_size))
    collector = Collector(programs, state, dataset, task, batch_size, scored) if task.needs_collecting else None
    for name, split in dataset.splits.items():
        if stop():
            raise Interrupted("Stopped before the scores were complete; start the same command again to finish.")
        if name == "train" or (splits is not None and name not in splits):
            continue
        sums = programs.sums(state.best_params, split, batch_size)
        for seed, own in zip(scored.seeds, sums, strict=True):
            seed[name] = task.summarise(own)
        if name == "validation":
            continue
        for method, values in (programs.baselines(split, batch_size) if first else {}).items():
            scored.baselines.setdefault(method, {})[name] = values
        if collector is not None:
            collector.score(name, split, first=first)
        texts = (
            _decode(programs, state, dataset, task, name, split, batch_size, scored) if task.needs_decoding else None
        )
        if first and name == "test":
            scored.probes |= task.details(sums)
        if first and name == "test" and has_lengths(dataset.info):
            _score_lengths(programs, state, task, split, batch_size, texts, scored)
    if (
        first
        and splits is None
        and (found := lag.gradient_by_lag(programs, state.best_params, dataset.splits["validation"], batch_size))
    ):
        scored.probes["gradient_by_lag"] = found
    return scored


def has_lengths(info: Info) -> bool:
    """Whether examples differ in length: windows of a series or of a text do not."""
    return info.window is None and not info.continuous


def _decode(
    programs: Programs,
    state: TrainState,
    dataset: Dataset,
    task: Task,
    name: str,
    split: Split,
    batch_size: int,
    scored: Scored,
) -> list[list[str]]:
    """Adds the corpus metrics of a split; gives the texts of each member."""
    if dataset.decode is None or split.references is None or dataset.info.max_target_length is None:
        raise DataError(f"{dataset.info.name}: {task.name} needs a decoder of token ids and reference texts.")
    outputs = programs.decode(state.best_params, split, batch_size, dataset.info.max_target_length)
    texts = [[dataset.decode(row) for row in tokens] for tokens in outputs]
    for seed, kept, own in zip(scored.seeds, scored.texts, texts, strict=True):
        values, scored.signatures = task.corpus_metrics(own, list(split.references))
        seed[name] |= values
        kept[name] = own
    return texts


class Collector:
    """Adds the scores of tasks that need something of every example; what they need of validation comes first."""

    def __init__(
        self, programs: Programs, state: TrainState, dataset: Dataset, task: Task, batch_size: int, scored: Scored
    ):
        self._programs, self._state, self._task, self._scored = programs, state, task, scored
        self._batch_size, self._validation = batch_size, dataset.splits["validation"]
        self._settled_on = _marks(self._validation, task)
        found = programs.collect(state.best_params, self._validation, batch_size)
        scored.decisions = [task.decide(own, self._settled_on) for own in found]

    def score(self, name: str, split: Split, *, first: bool) -> None:
        """Adds the scores of a test split; `first` time also of methods without training."""
        marks = _marks(split, self._task)
        found = self._programs.collect(self._state.best_params, split, self._batch_size)
        for seed, own, decision in zip(self._scored.seeds, found, self._scored.decisions, strict=True):
            values, self._scored.signatures = self._task.collected_metrics(own, marks, decision)
            seed[name] |= values
        if not first or not self._scored.baselines:
            return
        settled = self._programs.collect_baselines(self._validation, self._batch_size)
        for method, own in self._programs.collect_baselines(split, self._batch_size).items():
            decision = self._task.decide(settled[method], self._settled_on)
            self._scored.baselines[method][name] |= self._task.collected_metrics(own, marks, decision)[0]


def _marks(split: Split, task: Task) -> Marks:
    if split.marks is None:
        raise DataError(f"task={task.name} needs data that say what is to be judged.")
    return split.marks


def _score_lengths(
    programs: Programs,
    state: TrainState,
    task: Task,
    split: Split,
    batch_size: int,
    texts: list[list[str]] | None,
    scored: Scored,
) -> None:
    """Adds `score_by_length`; `texts` [member][example] are there where the task decodes."""
    bins = lengths.length_bins(split)
    if not bins:
        return
    rows: list[dict[str, list[float]]] = [{} for _ in scored.seeds]
    for part in bins:
        found = programs.evaluate(state.best_params, lengths.part_of(split, part.ids), batch_size)
        for number, (row, values) in enumerate(zip(rows, found, strict=True)):
            if texts is not None and split.references is not None:
                pairs = ([text[i] for i in part.ids] for text in (texts[number], split.references))
                values = values | task.corpus_metrics(*pairs)[0]
            for metric, value in values.items():
                row.setdefault(metric, []).append(value)
    spans = [{"shortest": p.shortest, "longest": p.longest, "examples": len(p.ids)} for p in bins]
    scored.probes["score_by_length"] = {"rule": lengths.RULE, "split": "test", "bins": spans, "scores": rows}


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
                **({"decision": scored.decisions[number] if best >= 0 else {}} if scored.decisions else {}),
                **({"last_scores": scored.last[number] if best >= 0 else {}} if scored.last is not None else {}),
            }
        )
    return rows
