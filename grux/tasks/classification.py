"""One class for each example: cross-entropy; accuracy and macro F1.

    F1_c = 2 tp_c / (2 tp_c + fp_c + fn_c) = 2 tp_c / (predicted_c + actual_c),   macro F1 = mean over classes

Numerator and denominator are sums over examples, so macro F1 adds up over batches like any other metric. A class that
is neither present nor predicted has no F1 and is left out of the mean.
"""

from typing import ClassVar, Literal

import jax
import jax.numpy as jnp
import optax

from grux.arguments import Probability
from grux.batch import Batch, Info
from grux.tasks.base import Sums, Task


class Classification(Task):
    """Outputs: float logits [B, C]. Targets: int32 [B]; target mask: bool [B]."""

    name = "classification"
    directions: ClassVar = {"accuracy": True, "f1": True, "loss": False}
    primary = "accuracy"
    higher_is_better = True

    def __init__(self, *, info: Info, label_smoothing: Probability, selection: Literal["accuracy", "f1", "loss"]):
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
        return {
            "accuracy": ((right & counted).sum(), counted.sum()),
            "f1": (2 * both.sum(0), is_actual.sum(0) + is_predicted.sum(0)),
            "loss": _masked_sum(_cross_entropy(outputs, batch.targets, 0.0), counted),
        }


def _cross_entropy(logits: jax.Array, targets: jax.Array, smoothing: float) -> jax.Array:
    labels = jax.nn.one_hot(targets, logits.shape[-1])  # few classes: a dense product is cheaper than a gather
    return optax.softmax_cross_entropy(logits.astype(jnp.float32), optax.smooth_labels(labels, smoothing))


def _masked_sum(values: jax.Array, mask: jax.Array) -> tuple[jax.Array, jax.Array]:
    return jnp.where(mask, values, 0.0).sum(), mask.sum()
