"""What data, models and tasks exchange: one batch of examples, and what is known about all of them.

No JAX here: data are numpy on the host, and the same classes hold JAX arrays inside a compiled step.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

# The first token ids of every vocabulary.
PAD, UNKNOWN, BOS, EOS = 0, 1, 2, 3
SPECIAL_TOKENS = ("<pad>", "<unk>", "<s>", "</s>")


class Batch(NamedTuple):
    """One batch; B examples, T input steps, S target steps, D channels.

    Rows that only fill the last batch of an epoch have `mask` and `target_mask` false everywhere.
    """

    inputs: Any
    """int32 [B, T] token ids, or float32 [B, T, D] features."""
    mask: Any
    """bool [B, T]: the real input steps; padding stands on the right."""
    targets: Any
    """int32 [B] class, float32 [B, S, D] future values, int32 [B, S] token ids that end with EOS, or, where each step
    foretells the next one (S = T), float32 [B, T, D] frames."""
    target_mask: Any
    """bool [B] for classes, bool [B, S] otherwise: what counts in the loss and in the metrics."""


@dataclass(frozen=True)
class Info:
    """All that a model and a task learn about their data. Fields that do not apply are None."""

    name: str
    """The data set, as on the command line: "sst2", "multi30k", ..."""
    task: str
    """"classification", "forecasting", "translation", "dialogue", "language_modelling" or "polyphony"."""
    vocabulary: int | None = None
    """Size of the input vocabulary, special tokens included."""
    target_vocabulary: int | None = None
    """Size of the output vocabulary, special tokens included (translation)."""
    max_source_length: int | None = None
    """Longest source in tokens, EOS included, that is trained on (translation)."""
    max_target_length: int | None = None
    """Longest target in tokens, EOS included, that decoding may write (translation)."""
    continuous: bool = False
    """Whether each batch goes on where the one before ended, so that a model carries its state along."""
    characters: bool = False
    """Whether each token is one character of the text (language modelling)."""
    classes: tuple[str, ...] | None = None
    """Names of the classes, in the order of their ids (classification)."""
    features: int | None = None
    """Channels D of a float input."""
    channels: tuple[str, ...] | None = None
    """Names of the D channels (forecasting)."""
    means: tuple[float, ...] | None = None
    """Mean of each channel over the training rows: what a standardised value is turned back with (forecasting)."""
    deviations: tuple[float, ...] | None = None
    """Standard deviation of each channel over the training rows (forecasting)."""
    window: int | None = None
    """Input steps T of a forecast."""
    horizon: int | None = None
    """Target steps S of a forecast."""
    season: int | None = None
    """Steps of one season, for the seasonal naive forecast and MASE."""
    mase_scale: tuple[float, ...] | None = None
    """Per channel: mean |x_t - x_(t-season)| over the training rows, standardised scale (Hyndman and Koehler 2006)."""
    frequencies: tuple[float, ...] | None = None
    """Per channel of 0 and 1: the probability of 1, counted on the training steps; never 0 or 1 (polyphony)."""
    transitions: tuple[tuple[float, ...], ...] | None = None
    """The same after a step with 0, and after a step with 1 (polyphony)."""
