"""What is said, letter by letter: CTC loss; word and character error rates of decoded texts.

    loss     - log p(text | sound), summed over all alignments (Graves et al. 2006), per character of the text, in nats
    ler      labels replaced, left out or put in, by the labels of the texts: the label error rate of the same paper,
             blanks at the ends left out as in the others
    wer      words replaced, left out or put in, by the words of the references, all texts together; may pass 1
    cer      the same of characters, blanks between words included

All are of greedy texts: what the likeliest path collapses to. WER and CER are jiwer's and of test data alone; LER is
counted at each evaluation, so that it can choose a seed's best step: a network that grows sure of itself has its lowest
loss long before its best texts.
"""

import importlib.metadata
import importlib.util
from typing import ClassVar, Literal

import jax
import jax.numpy as jnp
import optax

from grux.batch import SPECIAL_TOKENS, Batch, Info
from grux.errors import DataError, UsageError
from grux.tasks.base import Sums, Task
from grux.tasks.edits import path_errors


class Transcription(Task):
    """Outputs: float logits [B, T, 1 + characters], class 0 the blank. Targets: int32 [B, S]; mask: bool [B, S]."""

    name = "transcription"
    directions: ClassVar = {"loss": False, "ler": False}
    corpus_directions: ClassVar = {"wer": False, "cer": False}
    primary = "wer"
    higher_is_better = False
    needs_decoding = True

    def __init__(self, *, info: Info, selection: Literal["ler", "loss"]):
        """Raises UsageError where jiwer is not installed: better now than after the training."""
        super().__init__(info=info, selection=selection)
        if importlib.util.find_spec("jiwer") is None:
            raise UsageError(
                'Transcription is scored by jiwer, which is not installed; run: pip install "grux[speech]"'
            )

    def loss(self, outputs: jax.Array, batch: Batch) -> tuple[jax.Array, jax.Array]:
        counted = batch.target_mask
        paddings = [1.0 - mask.astype(jnp.float32) for mask in (batch.mask, counted)]
        nats = optax.ctc_loss(outputs.astype(jnp.float32), paddings[0], _labels(batch), paddings[1], blank_id=0)
        return jnp.where(counted.any(1), nats, 0.0).sum(), counted.sum()

    def metrics(self, outputs: jax.Array, batch: Batch) -> Sums:
        path = jnp.where(batch.mask, outputs.argmax(-1), 0)
        counts = batch.target_mask.sum(1)
        gap = 0 if self.info.gap is None else self.info.gap - (len(SPECIAL_TOKENS) - 1)
        return {
            "loss": self.loss(outputs, batch),
            "ler": (path_errors(path, _labels(batch), counts, gap).sum().astype(jnp.float32), counts.sum()),
        }

    def corpus_metrics(self, hypotheses: list[str], references: list[str]) -> tuple[dict[str, float], dict[str, str]]:
        """`wer` and `cer` of one reference for each hypothesis, as fractions."""
        import jiwer  # here, because jiwer is an extra

        if not hypotheses or len(hypotheses) != len(references):
            raise DataError(
                f"{len(hypotheses)} transcripts cannot be scored against {len(references)} references; each needs "
                "exactly one, and there must be at least one."
            )
        signature = f"jiwer:{importlib.metadata.version('jiwer')}|decode:greedy|case:as given|texts:together"
        scores = {"wer": float(jiwer.wer(references, hypotheses)), "cer": float(jiwer.cer(references, hypotheses))}
        return scores, dict.fromkeys(scores, signature)


def _labels(batch: Batch) -> jax.Array:
    """Classes of the texts, int32 [B, S]; 0 beyond their ends."""
    return jnp.where(batch.target_mask, batch.targets - (len(SPECIAL_TOKENS) - 1), 0)
