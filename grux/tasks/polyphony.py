"""Which notes sound in the next step: a Bernoulli variable for each note, independent given the past.

    NLL of a step = - sum over notes k of  x_k log p_k + (1 - x_k) log (1 - p_k),    p = sigmoid(outputs), in nats

    nll              mean over all steps, the first of a piece included (Chung et al. 2014, arXiv 1412.3555)
    nll_after_first  mean over steps 2 .. T: the first one is given (Bai et al. 2018, arXiv 1803.01271, in their code)
    accuracy         TP / (TP + FP + FN) over all notes and steps, a note taken to sound where p > 1/2 (Bay et al. 2009)

The means are over the steps of all pieces together, so that a long piece weighs more than a short one.
"""

from typing import ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np
import optax

from grux.batch import Batch, Info
from grux.shapes import Array, Bool, Float
from grux.tasks.base import Sums, Task


class Polyphony(Task):
    """Outputs: float logits [B, T, D], one for each note. Targets: float32 [B, T, D] of 0 and 1, mask: bool [B, T].

    Step t of a row is that of its piece; pieces that were cut are for training alone.
    """

    name = "polyphony"
    directions: ClassVar = {"nll": False, "nll_after_first": False, "accuracy": True}
    primary = "nll"
    higher_is_better = False

    def __init__(self, *, info: Info, selection: Literal["nll", "nll_after_first", "accuracy"]):
        super().__init__(info=info, selection=selection)

    def loss(self, outputs: jax.Array, batch: Batch) -> tuple[jax.Array, jax.Array]:
        return _sum(_nll(outputs, batch.targets), batch.target_mask)

    def metrics(self, outputs: jax.Array, batch: Batch) -> Sums:
        nll, counted = _nll(outputs, batch.targets), batch.target_mask
        later = jnp.arange(nll.shape[1])[None, :] > 0
        sounds, predicted = batch.targets > 0.5, outputs > 0
        right = sounds & predicted & counted[..., None]
        either = (sounds | predicted) & counted[..., None]
        return {
            "nll": _sum(nll, counted),
            "nll_after_first": _sum(nll, counted & later),
            "accuracy": (right.sum(), either.sum()),
        }

    def baselines(self, batch: Batch) -> dict[str, jax.Array]:
        """Probabilities counted on the training steps, note by note.

        `note_frequencies` has the same ones at each step; those of `previous_step` depend on whether the note sounded
        in the step before.
        """
        if self.info.frequencies is None or self.info.transitions is None:
            return {}
        always, silent, sounding = (
            _logits(row)[None, None, :] for row in (self.info.frequencies, *self.info.transitions)
        )
        return {
            "note_frequencies": jnp.broadcast_to(always, batch.inputs.shape),
            "previous_step": jnp.where(batch.inputs > 0.5, sounding, silent),
        }


def _nll(logits: Float[Array, "B T D"], targets: Float[Array, "B T D"]) -> Float[Array, "B T"]:
    return optax.sigmoid_binary_cross_entropy(logits.astype(jnp.float32), targets).sum(-1)


def _sum(values: Float[Array, "B T"], mask: Bool[Array, "B T"]) -> tuple[jax.Array, jax.Array]:
    return jnp.where(mask, values, 0.0).sum(), mask.sum()


def _logits(probabilities: tuple[float, ...]) -> np.ndarray:
    p = np.array(probabilities)
    return (np.log(p) - np.log1p(-p)).astype(np.float32)
