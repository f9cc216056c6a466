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
    """int32 [B] class, float32 [B, S, D] future values, int32 [B, S] token ids that end with EOS (without it in
    transcription), or, where each step foretells the next one (S = T), float32 [B, T, D] frames, which an autoencoder
    gives back; int32 [B, T] classes, or float32 [B, T, K] numbers, at the steps that ask for them."""
    target_mask: Any
    """bool [B] for classes, bool [B, S] otherwise: what counts in the loss and in the metrics."""
    future: Any = None
    """float32 [B, S, C], where the data have covariates: what is known of the target steps when the window ends; the
    inputs have the C columns too, behind those that are forecast."""


class Marks(NamedTuple):
    """What is judged in a split of n examples of T steps, and which of it is known to be an anomaly.

    The items are the N rows of a series, each a step of one example, or the N examples, each with all its steps.
    """

    items: Any
    """int32 [n, T]: the item that a step belongs to, from 0; -1 for steps that are read and not judged."""
    labels: Any
    """bool [N]: whether an item is an anomaly; None where nobody has said."""


@dataclass(frozen=True)
class Info:
    """All that a model and a task learn about their data. Fields that do not apply are None."""

    name: str
    """The data set, as on the command line: "sst2", "multi30k", ..."""
    task: str
    """"classification", "forecasting", "translation", "dialogue", "transcription", "language_modelling", "polyphony",
    "anomaly", "probe" or "regression"."""
    vocabulary: int | None = None
    """Size of the input vocabulary, special tokens included."""
    target_vocabulary: int | None = None
    """Size of the output vocabulary, special tokens included (translation, transcription)."""
    max_source_length: int | None = None
    """Longest source in tokens, EOS included, that is trained on (translation)."""
    max_target_length: int | None = None
    """Longest target in tokens, EOS included, that decoding may write (translation); the most steps (transcription)."""
    gap: int | None = None
    """The target token between words, which counts for nothing at the ends of a text (transcription)."""
    continuous: bool = False
    """Whether each batch goes on where the one before ended, so that a model carries its state along."""
    characters: bool = False
    """Whether each token is one character of the text (language modelling)."""
    classes: tuple[str, ...] | None = None
    """Names of the classes, in the order of their ids (classification, probe; anomaly detection with known ones)."""
    features: int | None = None
    """Channels D of a float input; covariates are not counted."""
    channels: tuple[str, ...] | None = None
    """Names of the D channels (forecasting, anomaly detection)."""
    means: tuple[float, ...] | None = None
    """Mean of each channel over the training rows: what a standardised value is turned back with (forecasting, anomaly
    detection); of each number of an answer over those of training (regression)."""
    deviations: tuple[float, ...] | None = None
    """Standard deviation of each channel over the training rows (forecasting, anomaly detection)."""
    covariates: tuple[str, ...] | None = None
    """Names of the C columns that are known ahead and not forecast (forecasting)."""
    covariate_means: tuple[float, ...] | None = None
    """What was subtracted from each of them: the mean over the training rows, 0 for a place in the calendar."""
    covariate_deviations: tuple[float, ...] | None = None
    """What each was divided by then."""
    window: int | None = None
    """Input steps T of a forecast, or of each example of anomaly detection."""
    stride: int | None = None
    """Last steps of each window of a series that are judged; None where an example is judged as a whole (anomaly)."""
    horizon: int | None = None
    """Target steps S of a forecast."""
    lead: int = 1
    """How many steps behind the window the first target step is (forecasting)."""
    season: int | None = None
    """Steps of one season, for the seasonal naive forecast and MASE."""
    mase_scale: tuple[float, ...] | None = None
    """Per channel: mean |x_t - x_(t-season)| over the training rows, standardised scale (Hyndman and Koehler 2006)."""
    frequencies: tuple[float, ...] | None = None
    """Per channel of 0 and 1: the probability of 1, counted on the training steps; never 0 or 1 (polyphony). Per class:
    its share of the answers of training; never 0 or 1 (probe)."""
    transitions: tuple[tuple[float, ...], ...] | None = None
    """The same after a step with 0, and after a step with 1 (polyphony)."""
