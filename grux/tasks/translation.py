"""A target sentence from a source sentence: token cross-entropy, perplexity; BLEU and chrF of decoded strings.

BLEU (Papineni et al. 2002) and chrF (Popovic 2015) are sacrebleu's, on detokenised text, with sacrebleu's signature
beside each number (Post 2018, "A call for clarity in reporting BLEU scores"). Perplexity is exp of the mean negative
log likelihood per target token, EOS included, so it compares only models of one vocabulary.
"""

import importlib.util
from typing import ClassVar, Literal

import jax

from grux.arguments import Probability
from grux.batch import Batch, Info
from grux.errors import DataError, UsageError
from grux.tasks.base import Sums, Task
from grux.tasks.tokens import cross_entropy, perplexity


class Translation(Task):
    """Outputs: float logits [B, S, V], teacher forced. Targets: int32 [B, S]; target mask: bool [B, S]."""

    name = "translation"
    directions: ClassVar = {"loss": False, "perplexity": False}
    corpus_directions: ClassVar = {"bleu": True, "chrf": True}
    primary = "bleu"
    higher_is_better = True
    needs_decoding = True

    def __init__(self, *, info: Info, label_smoothing: Probability, selection: Literal["loss", "perplexity"]):
        """`label_smoothing` (Szegedy et al. 2016) spreads this much of the target over all tokens, in training only.

        Raises UsageError where sacrebleu is not installed: better now than after the training.
        """
        super().__init__(info=info, selection=selection)
        if importlib.util.find_spec("sacrebleu") is None:
            raise UsageError(
                'Translation is scored by sacrebleu, which is not installed; run: pip install "grux[text]"'
            )
        self.label_smoothing = label_smoothing

    def loss(self, outputs: jax.Array, batch: Batch) -> tuple[jax.Array, jax.Array]:
        return cross_entropy(outputs, batch, self.label_smoothing)

    def metrics(self, outputs: jax.Array, batch: Batch) -> Sums:
        return {"loss": cross_entropy(outputs, batch, 0.0)}

    def summarise(self, totals: Sums) -> dict[str, float]:
        loss = super().summarise(totals)["loss"]
        return {"loss": loss, "perplexity": perplexity(loss)}

    def corpus_metrics(self, hypotheses: list[str], references: list[str]) -> tuple[dict[str, float], dict[str, str]]:
        """`bleu` and `chrf`, 0 to 100, of one reference for each hypothesis."""
        from sacrebleu.metrics.bleu import BLEU  # here, because sacrebleu is an extra
        from sacrebleu.metrics.chrf import CHRF

        if not hypotheses or len(hypotheses) != len(references):
            raise DataError(
                f"{len(hypotheses)} translations cannot be scored against {len(references)} references; "
                "each needs exactly one, and there must be at least one."
            )
        scores, signatures = {}, {}
        for name, metric in {"bleu": BLEU(), "chrf": CHRF()}.items():
            scores[name] = float(metric.corpus_score(hypotheses, [references]).score)
            signatures[name] = str(metric.get_signature())
        return scores, signatures
