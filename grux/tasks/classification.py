"""One class for each example: cross-entropy; accuracy, macro F1, calibration; the confusion of classes.

    F1_c = 2 tp_c / (2 tp_c + fp_c + fn_c) = 2 tp_c / (predicted_c + actual_c),   macro F1 = mean over classes

    ECE = sum over bins b of  n_b / N * | accuracy_b - confidence_b |

Expected calibration error (Guo et al. 2017, arXiv 1706.04599): the confidence of a prediction is the
probability of the class that is predicted, and bins are 15 of equal width, ((b - 1) / 15, b / 15], as in their tables.

All of these come from sums over examples, so that they add up over batches like any other metric. A class that is
neither present nor predicted has no F1 and is left out of the mean.
"""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np
import optax

from grux.arguments import Probability
from grux.batch import Batch, Info
from grux.tasks.base import Sums, Task, mean_ratio

BINS = 15  # Guo et al. 2017, table 1
MOST_CONFUSED = 50
"""Classes up to which it is counted which is taken for which."""


class Classification(Task):
    """Outputs: float logits [B, C]. Targets: int32 [B]; target mask: bool [B]."""

    name = "classification"
    directions: ClassVar = {"accuracy": True, "macro_f1": True, "ece": False, "loss": False}
    primary = "accuracy"
    higher_is_better = True

    def __init__(self, *, info: Info, label_smoothing: Probability, selection: Literal["accuracy", "macro_f1", "loss"]):
        """`label_smoothing` (Szegedy et al. 2016): share of the target spread over all classes, in training only."""
        super().__init__(info=info, selection=selection)
        self.label_smoothing = label_smoothing

    def loss(self, outputs: jax.Array, batch: Batch) -> tuple[jax.Array, jax.Array]:
        return _masked_sum(_cross_entropy(outputs, batch.targets, self.label_smoothing), batch.target_mask)

    def metrics(self, outputs: jax.Array, batch: Batch) -> Sums:
        predicted = outputs.argmax(-1)
        right = predicted == batch.targets
        counted = batch.target_mask
        classes = jnp.arange(outputs.shape[-1])[None, :]
        is_actual = (batch.targets[:, None] == classes) & counted[:, None]
        is_predicted = (predicted[:, None] == classes) & counted[:, None]
        both = is_actual & is_predicted
        found = {
            "accuracy": ((right & counted).sum(), counted.sum()),
            "macro_f1": (2 * both.sum(0), is_actual.sum(0) + is_predicted.sum(0)),
            "loss": _masked_sum(_cross_entropy(outputs, batch.targets, 0.0), counted),
            **_in_bins(outputs, right, counted),
        }
        if outputs.shape[-1] <= MOST_CONFUSED:
            pairs = is_actual[:, :, None] & is_predicted[:, None, :]
            found["confusion"] = (pairs.sum(0), counted.sum())
        return found

    def summarise(self, totals: Sums) -> dict[str, float]:
        scores = {name: mean_ratio(*totals[name]) for name in ("accuracy", "macro_f1", "loss")}
        (correct, count), (confidence, _) = (np.asarray(totals[name], np.float64) for name in IN_BINS)
        everything = count.sum()
        return scores | {"ece": float(np.abs(correct - confidence).sum() / everything) if everything else float("nan")}

    def details(self, totals: Sequence[Sums]) -> dict[str, Any]:
        """`calibration`, the sums of each bin, and `confusion`, counts by true and by predicted class."""
        bins = [
            {
                "examples": _whole(own["bin_correct"][1]),
                "correct": _whole(own["bin_correct"][0]),
                "confidence": np.asarray(own["bin_confidence"][0], np.float64).tolist(),
            }
            for own in totals
        ]
        found: dict[str, Any] = {"calibration": {"rule": CALIBRATION_RULE, "split": "test", "counts": bins}}
        if all("confusion" in own for own in totals):
            counts = [_whole(own["confusion"][0]) for own in totals]
            names = list(self.info.classes or ())
            found["confusion"] = {"rule": CONFUSION_RULE, "split": "test", "classes": names, "counts": counts}
        return found


IN_BINS = ("bin_correct", "bin_confidence")
"""Sums over the examples of each bin, with the number of them."""
CALIBRATION_RULE = (
    f"best weights; sums over {BINS} bins of equal width by the probability of the predicted class "
    "(Guo et al. 2017, arXiv 1706.04599)"
)
CONFUSION_RULE = "best weights; counts by true class (rows) and predicted class (columns)"


def _in_bins(logits: jax.Array, right: jax.Array, counted: jax.Array) -> Sums:
    confidence = jnp.where(counted, jax.nn.softmax(logits.astype(jnp.float32)).max(-1), 0.0)
    # Examples without a number stand in the first bin and take the number from it, as from the loss.
    place = jnp.clip(jnp.nan_to_num(jnp.ceil(confidence * BINS) - 1), 0, BINS - 1)
    within = (place[:, None] == jnp.arange(BINS)[None, :]) & counted[:, None]
    examples = within.sum(0)
    return {
        "bin_correct": ((within & right[:, None]).sum(0), examples),
        "bin_confidence": (jnp.where(within, confidence[:, None], 0.0).sum(0), examples),
    }


def _whole(counts: Any) -> Any:
    return np.asarray(counts).astype(int).tolist()


def _cross_entropy(logits: jax.Array, targets: jax.Array, smoothing: float) -> jax.Array:
    labels = jax.nn.one_hot(targets, logits.shape[-1])  # few classes: a dense product is cheaper than a gather
    return optax.softmax_cross_entropy(logits.astype(jnp.float32), optax.smooth_labels(labels, smoothing))


def _masked_sum(values: jax.Array, mask: jax.Array) -> tuple[jax.Array, jax.Array]:
    return jnp.where(mask, values, 0.0).sum(), mask.sum()
