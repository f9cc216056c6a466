"""What is unlike the training data, by the error of a model of them: the larger the error, the less usual.

The model foretells each value from those before it (model=next_step: Malhotra et al. 2015, "Long short term memory
networks for anomaly detection in time series", ESANN) or gives a sequence back (model=autoencoder: Malhotra et al.
2016, arXiv 1607.00148). It is trained on normal data with the squared error, and its best step is that of the lowest
error on normal validation data. Scores are relative to these errors:

    score of a step = mean over channels d of (x_d - x'_d)^2 / v_d      v_d: mean squared error of normal validation
    score of an item = mean over its steps

so that 1 is as usual as validation was. An item is a row of a series, or a whole sequence of a set of them; see
`grux.batch.Marks`. It is flagged where its score is above a threshold that validation alone decides: that of the best
F1 where validation has both kinds of items, else a quantile of its normal scores.

auroc, auprc, f1                 over all test items, see `grux.tasks.detection`
f1_point_adjusted_inflated       of a series; for comparison with papers that print nothing else: it flatters
nab                              of a series, see `grux.tasks.nab`
mse                              over normal steps, standardised scale
"""

from collections.abc import Iterable
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np

from grux.arguments import Fraction
from grux.batch import Batch, Info, Marks
from grux.tasks import detection
from grux.tasks.base import Sums, Task
from grux.tasks.nab import nab_score

INFLATED = "inflated: one flagged row counts for all rows of its anomaly (Kim et al. 2022, AAAI)"
NAB = "standard profile, this series alone, threshold by validation; not comparable with the leaderboard"
LEAST = 1e-12
"""What an error is divided by where validation had none."""


class Anomaly(Task):
    """Outputs and targets: float32 [B, T, D] on the standardised scale; target mask: bool [B, T], the normal steps."""

    name = "anomaly"
    directions: ClassVar = {"mse": False}
    corpus_directions: ClassVar = {name: True for name in ("auroc", "auprc", "f1", "f1_point_adjusted_inflated", "nab")}
    primary = "auroc"
    higher_is_better = True
    needs_collecting = True

    def __init__(self, *, info: Info, quantile: Fraction, selection: Literal["mse"]):
        """`quantile` of the normal validation scores: the threshold where validation knows no anomaly."""
        super().__init__(info=info, selection=selection)
        self.quantile = quantile
        self.mean_sequence: np.ndarray | None = None
        if info.classes is None:  # nobody has said what is an anomaly
            self.primary, self.higher_is_better = "mse", False

    def loss(self, outputs: jax.Array, batch: Batch) -> tuple[jax.Array, jax.Array]:
        errors = jnp.where(batch.target_mask[..., None], self.collect(outputs, batch), 0.0)
        return errors.sum(), batch.target_mask.sum() * errors.shape[-1]

    def metrics(self, outputs: jax.Array, batch: Batch) -> Sums:
        return {"mse": self.loss(outputs, batch)}

    def fit(self, batches: Iterable[Batch]) -> None:
        """The mean normal sequence, for a set of them."""
        if self.info.stride is not None:
            return
        total = count = 0.0
        for batch in batches:
            normal = np.asarray(batch.target_mask, np.float64)[..., None]
            total, count = total + (normal * np.asarray(batch.targets, np.float64)).sum(0), count + normal.sum(0)
        self.mean_sequence = (total / np.maximum(count, 1)).astype(np.float32)

    def baselines(self, batch: Batch) -> dict[str, jax.Array]:
        """`last_value` foretells the value before, `mean` that of the training rows.

        `mean_sequence` gives the mean normal training sequence back, step by step; it is there once it is fitted.
        """
        found = {"last_value": batch.inputs, "mean": jnp.zeros_like(batch.inputs)}
        if self.mean_sequence is not None:
            found["mean_sequence"] = jnp.broadcast_to(jnp.asarray(self.mean_sequence), batch.targets.shape)
        return found

    def collect(self, outputs: jax.Array, batch: Batch) -> jax.Array:
        """The squared errors, float32 [B, T, D]."""
        return jnp.square(outputs - batch.targets)

    def decide(self, collected: np.ndarray, marks: Marks) -> dict[str, Any]:
        """{"scale" [D], "threshold", "rule"} of the squared errors [n, T, D] of validation."""
        labels = marks.labels
        steps = (marks.items >= 0) & (True if labels is None else ~labels[marks.items])
        scale = np.maximum(collected[steps].mean(0, dtype=np.float64), LEAST)
        scores = item_scores(collected, marks.items, scale)
        if labels is not None and labels.any():
            rule = "best F1 on validation"
            threshold = detection.best_f1_threshold(scores, labels)
        else:
            rule = f"quantile {self.quantile:g} of the {len(scores)} validation scores"
            threshold = float(np.quantile(scores, self.quantile))
        return {"scale": scale.tolist(), "threshold": threshold, "rule": rule}

    def collected_metrics(
        self, collected: np.ndarray, marks: Marks, decision: dict[str, Any]
    ) -> tuple[dict[str, float], dict[str, str]]:
        """Scores of the squared errors [n, T, D] of a test split; none where nobody has labelled it."""
        if marks.labels is None:
            return {}, {}
        labels = marks.labels
        scores = item_scores(collected, marks.items, np.array(decision["scale"]))
        flags = scores > decision["threshold"]
        found = {
            "auroc": detection.auroc(scores, labels),
            "auprc": detection.average_precision(scores, labels),
            "f1": detection.f1(flags, labels),
        }
        threshold = f"threshold: {decision['rule']}"
        signatures = {"f1": f"of the anomalies, {threshold}"}
        if self.info.stride is not None:
            adjusted = detection.point_adjusted(flags, labels)
            found |= {
                "f1_point_adjusted_inflated": detection.f1(adjusted, labels),
                "nab": nab_score(flags, labels),
            }
            signatures |= {"f1_point_adjusted_inflated": f"{INFLATED}, {threshold}", "nab": f"{NAB}, {threshold}"}
        return found, signatures


def item_scores(errors: np.ndarray, items: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """float64 [N]: the score of each item, from squared errors [n, T, D], the items [n, T] of `Marks`, and v [D]."""
    judged = items >= 0
    steps = (errors[judged].astype(np.float64) / scale).mean(-1)
    own = items[judged]
    return np.bincount(own, steps) / np.bincount(own)
