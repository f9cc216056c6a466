"""First-token recall: name the first token of a sequence after a stretch of noise (generated).

Every token, the first and the noise, is drawn evenly from one alphabet, so that only memory over the whole sequence
solves it: guessing reaches 1 / symbols. Lengths vary between `shortest` and `longest`. A pure function of its settings.
"""

import numpy as np

from grux.arguments import NonNegativeInt, PositiveInt
from grux.batch import SPECIAL_TOKENS, Info
from grux.data.base import Dataset, LabelledSequences, Split
from grux.data.batching import assign_buckets, grow, length_buckets
from grux.data.card import Card
from grux.data.files import RawFile
from grux.data.permutation import random_integers
from grux.errors import UsageError

FILES: tuple[RawFile, ...] = ()
CARD = Card(
    name="first_token",
    task="classification",
    summary="Recall the first token after a stretch of noise; generated, for tests and as a check of memory.",
    sizes={"train": 2048, "validation": 256, "test": 512},
    licence="generated",
)


def first_token(
    *,
    symbols: PositiveInt,
    shortest: PositiveInt,
    longest: PositiveInt,
    train: PositiveInt,
    validation: PositiveInt,
    test: PositiveInt,
    data_seed: NonNegativeInt,
) -> Dataset:
    """Sequences of `shortest` to `longest` tokens over `symbols` symbols; the class is the first of them."""
    if symbols < 2:
        raise UsageError(f"symbols={symbols} leaves nothing to tell apart; choose symbols >= 2.")
    if shortest > longest:
        raise UsageError(f"shortest={shortest} is above longest={longest}; choose shortest <= longest.")
    raw = {
        name: _generate(name, count, symbols, shortest, longest, data_seed)
        for name, count in (("train", train), ("validation", validation), ("test", test))
    }
    shapes = length_buckets(raw["train"][1])
    for _, lengths in raw.values():
        shapes = grow(shapes, lengths)
    splits = {name: _split(tokens, lengths, shapes) for name, (tokens, lengths) in raw.items()}
    info = Info(
        name=CARD.name,
        task="classification",
        vocabulary=len(SPECIAL_TOKENS) + symbols,
        classes=tuple(str(symbol) for symbol in range(symbols)),
    )
    return Dataset(info, splits, files={})


def _generate(
    name: str, count: int, symbols: int, shortest: int, longest: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Symbols int32 [count, longest] and lengths int32 [count]."""
    drawn = random_integers(count * longest, below=symbols, seed=seed, stream=f"first_token {name} symbols")
    lengths = random_integers(count, below=longest - shortest + 1, seed=seed, stream=f"first_token {name} lengths")
    return drawn.reshape(count, longest), lengths + np.int32(shortest)


def _split(drawn: np.ndarray, lengths: np.ndarray, shapes: tuple[tuple[int, ...], ...]) -> Split:
    buckets = []
    for (steps,), ids in assign_buckets(lengths, shapes):
        tokens = np.zeros((len(ids), steps), np.int32)
        width = min(steps, drawn.shape[1])
        tokens[:, :width] = drawn[ids, :width] + len(SPECIAL_TOKENS)
        tokens[np.arange(steps) >= lengths[ids][:, None]] = 0
        buckets.append(
            LabelledSequences(tokens=tokens, lengths=lengths[ids], labels=drawn[ids, 0], ids=ids.astype(np.int32))
        )
    return Split(tuple(buckets))
