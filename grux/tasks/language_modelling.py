"""The next token of a text: cross-entropy, perplexity and, where tokens are characters, bits per character.

    loss                 mean over all tokens of -ln p(token | what stands before it), in nats
    perplexity           exp(loss)
    bits_per_character   loss / ln 2

Every token of a text counts once, EOS included; see `grux.data.streams` for what a model has read before it.
"""

import math
from typing import ClassVar, Literal

import jax

from grux.batch import Batch, Info
from grux.errors import UsageError
from grux.tasks.base import Sums, Task
from grux.tasks.tokens import cross_entropy, perplexity


class LanguageModelling(Task):
    """Outputs: float32 logits [B, T, V]; targets: int32 [B, T]; target mask: bool [B, T]."""

    name = "language_modelling"
    directions: ClassVar = {"loss": False, "perplexity": False, "bits_per_character": False}
    primary = "perplexity"
    higher_is_better = False

    def __init__(self, *, info: Info, selection: Literal["loss", "perplexity", "bits_per_character"]):
        super().__init__(info=info, selection=selection)
        if info.characters:  # only then do tokens say anything about characters
            self.primary = "bits_per_character"
        elif selection == "bits_per_character":
            raise UsageError(
                f"task.selection={selection} needs one character for each token, and data={info.name} has other "
                "tokens; choose loss."
            )

    def loss(self, outputs: jax.Array, batch: Batch) -> tuple[jax.Array, jax.Array]:
        return cross_entropy(outputs, batch, 0.0)

    def metrics(self, outputs: jax.Array, batch: Batch) -> Sums:
        return {"loss": self.loss(outputs, batch)}

    def summarise(self, totals: Sums) -> dict[str, float]:
        loss = super().summarise(totals)["loss"]
        return {"loss": loss, "perplexity": perplexity(loss)} | (
            {"bits_per_character": loss / math.log(2)} if self.info.characters else {}
        )
