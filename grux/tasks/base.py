"""What every task promises: what is optimised, what is reported, and how sums become numbers.

A task gives sums and counts, never means, so that padding, filler rows, partial batches and devices add up exactly;
`summarise` divides last. Nothing here knows a model: a task sees its outputs.
"""

import abc
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np

from grux.batch import Batch, Info, Marks
from grux.errors import UsageError

Sums = dict[str, tuple[Any, Any]]
"""Metric name to (sum, count); either may be an array, for example one entry per class or channel."""


class Task(abc.ABC):
    """One kind of problem. `loss` and `metrics` are pure and run inside `jit` and `vmap`; the rest runs on the host.

    A fully masked batch gives sums and counts of zero. Counts are integers, so they stay exact however they are added.
    """

    name: ClassVar[str]
    """As in `Info.task`."""
    directions: ClassVar[dict[str, bool]]
    """Every metric that `summarise` may give and that is better one way, and whether higher is better."""
    primary: str
    """The metric that tables show; from `summarise` or, where the task has them, from one of the scores below."""
    higher_is_better: bool
    corpus_directions: ClassVar[dict[str, bool]] = {}
    """The same as `directions` for every score of `corpus_metrics` and `collected_metrics`."""
    needs_decoding: ClassVar[bool] = False
    """Whether the test score needs decoded strings (`model.decode`, then `corpus_metrics`)."""
    needs_collecting: ClassVar[bool] = False
    """Whether the test score needs something of every single example (`collect`, then `collected_metrics`)."""

    def __init__(self, *, info: Info, selection: str):
        """`selection`: the validation metric, out of `directions`, that chooses a seed's best step (first of equals).

        Raises UsageError where the data belong to another task.
        """
        if info.task != self.name:
            raise UsageError(
                f"task={self.name} was asked for, but data={info.name} is made for {info.task}; "
                f"leave out task={self.name} or choose other data."
            )
        self.info = info
        self.selection = selection
        self.selection_higher_is_better = self.directions[selection]

    @abc.abstractmethod
    def loss(self, outputs: Any, batch: Batch) -> tuple[Any, Any]:
        """The training loss as (float32 sum, int32 count), summed over what `batch.target_mask` marks."""

    @abc.abstractmethod
    def metrics(self, outputs: Any, batch: Batch) -> Sums:
        """What an evaluation adds up over its batches."""

    def summarise(self, totals: Sums) -> dict[str, float]:
        """Numbers from added sums (numpy, on the host): mean of sum / count over the entries of each metric."""
        return {name: mean_ratio(total, count) for name, (total, count) in totals.items()}

    def fit(self, batches: Iterable[Batch]) -> None:  # noqa: B027 (most tasks have nothing to fit)
        """Learns, on the host and before they are scored, what `baselines` know of the training examples.

        `batches` are numpy, each training example once, with fillers.
        """

    def details(self, totals: Sequence[Sums]) -> dict[str, Any]:
        """What the record keeps of the test split beside its scores, by name, from the added sums of each seed."""
        return {}

    def baselines(self, batch: Batch) -> dict[str, Any]:
        """Outputs of methods that need no training, by name; what `metrics` takes. Pure, runs inside `jit`."""
        return {}

    def corpus_metrics(self, hypotheses: list[str], references: list[str]) -> tuple[dict[str, float], dict[str, str]]:
        """Scores of decoded strings, and for each score the signature that says how it was computed."""
        return {}, {}

    def collect(self, outputs: Any, batch: Batch) -> Any:
        """What the scores need of each example, [B, ...], as no sum can give them. Pure, runs inside `jit`."""
        raise NotImplementedError

    def decide(self, collected: np.ndarray, marks: Marks) -> dict[str, Any]:
        """What is settled on validation before a test score can be had; plain values, kept in the record."""
        raise NotImplementedError

    def collected_metrics(
        self, collected: np.ndarray, marks: Marks, decision: dict[str, Any]
    ) -> tuple[dict[str, float], dict[str, str]]:
        """Scores of all that was collected [n, ...] of a test split, and a signature of each, as `corpus_metrics`."""
        raise NotImplementedError


def mean_ratio(total: Any, count: Any) -> float:
    """Mean of total / count over the entries with a count; NaN where nothing was counted."""
    total, count = np.broadcast_arrays(np.asarray(total, np.float64), np.asarray(count, np.float64))
    counted = count > 0
    return float(np.mean(total[counted] / count[counted])) if counted.any() else float("nan")
