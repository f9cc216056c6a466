"""The next turn of a dialogue from the turns before it: translation, scored by how many turns are exactly right too."""

from typing import ClassVar

from grux.tasks.translation import Translation


class Dialogue(Translation):
    """Outputs, loss and the other scores are those of `Translation`."""

    name = "dialogue"
    corpus_directions: ClassVar = {"exact_match": True, **Translation.corpus_directions}
    primary = "exact_match"

    def corpus_metrics(self, hypotheses: list[str], references: list[str]) -> tuple[dict[str, float], dict[str, str]]:
        """`exact_match`: the share of turns that equal the reference but for runs of blanks; `bleu` and `chrf`."""
        scores, signatures = super().corpus_metrics(hypotheses, references)
        same = [one.split() == other.split() for one, other in zip(hypotheses, references, strict=True)]
        return {"exact_match": sum(same) / len(same), **scores}, signatures
