"""A class at each step that asks for one: what a probe of memory or reasoning is scored by.

    accuracy      mean over sequences of the share of their answers that are right
    exact_match   share of sequences whose answers are all right
    loss          mean over all answers of -ln p(class), in nats

With as many test sequences of each length as of any other, `accuracy` is the mean over lengths of the accuracy at a
length: the score of Delétang et al. 2022 (arXiv 2207.02098), as their code takes it beyond the lengths of training.
"""

from typing import ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np

from grux.batch import Batch, Info
from grux.tasks.base import Sums, Task
from grux.tasks.tokens import cross_entropy


class Probe(Task):
    """Outputs: float logits [B, T, C]. Targets: int32 [B, T]; target mask: bool [B, T]."""

    name = "probe"
    directions: ClassVar = {"accuracy": True, "exact_match": True, "loss": False}
    primary = "accuracy"
    higher_is_better = True

    def __init__(self, *, info: Info, selection: Literal["accuracy", "exact_match", "loss"]):
        super().__init__(info=info, selection=selection)

    def loss(self, outputs: jax.Array, batch: Batch) -> tuple[jax.Array, jax.Array]:
        return cross_entropy(outputs, batch, 0.0)

    def metrics(self, outputs: jax.Array, batch: Batch) -> Sums:
        asked = batch.target_mask.sum(1)
        right = ((outputs.argmax(-1) == batch.targets) & batch.target_mask).sum(1)
        sequences = (asked > 0).sum()
        return {
            "accuracy": ((right / jnp.maximum(asked, 1)).sum(), sequences),
            "exact_match": (((right == asked) & (asked > 0)).sum(), sequences),
            "loss": self.loss(outputs, batch),
        }

    def baselines(self, batch: Batch) -> dict[str, jax.Array]:
        """`class_frequencies`: how often each class is the answer in training, whatever was read."""
        if self.info.frequencies is None:
            return {}
        logits = np.log(np.array(self.info.frequencies)).astype(np.float32)
        return {"class_frequencies": jnp.broadcast_to(logits, (*batch.targets.shape, len(logits)))}
