"""What a trained translator, or a model of dialogues, makes of texts: by beam search or by draws, in few shapes."""

import sys
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from grux.batch import EOS, UNKNOWN, Batch
from grux.data.texts import pad
from grux.trained import Trained

ROWS = 32
MULTIPLE = 8
"""Shapes are few, as each is compiled anew."""


class Translation(NamedTuple):
    """One of the hypotheses of a beam."""

    text: str
    score: float
    log_probability: float
    tokens: list[int]
    """Up to EOS, which is missing where the length ran out."""


class Translator:
    """A model of task translation or dialogue that reads and writes text.

    A text is decoded alike whatever stands beside it: shape and longest target follow from its own length.
    """

    def __init__(
        self,
        trained: Trained,
        *,
        beam: int = 1,
        length_penalty: float = 0.0,
        coverage_penalty: float = 0.0,
        tells_unknown: bool = True,
    ):
        """`beam` and the penalties as in `grux.models.decode.beam`; `tells_unknown`: on stderr, of every source."""
        self._tells_unknown = tells_unknown
        self.info = trained.info
        self.title = trained.title
        self.model = trained.model
        kinds = trained.tokenizers
        self.source, self.target = (kinds[side if side in kinds else ""] for side in ("source", "target"))
        penalties = {"length_penalty": length_penalty, "coverage_penalty": coverage_penalty}
        model = self.model
        self._search = jax.jit(
            lambda batch, longest: model.search(batch, longest, size=beam, **penalties), static_argnums=1
        )
        self._draw = jax.jit(
            lambda batch, longest, key, temperature: model.draw(batch, longest, key, temperature=temperature),
            static_argnums=(1, 3),
        )

    def translate(self, texts: Sequence[str]) -> list[list[Translation]]:
        """The hypotheses of each text, best first; none for a blank one."""
        coded = [self._encode(text) for text in texts]
        widths: dict[int, list[int]] = {}
        for number, ids in enumerate(coded):
            if ids:
                widths.setdefault(_padded(len(ids)), []).append(number)
        self._say_what_is_odd(coded)
        found: list[list[Translation]] = [[] for _ in texts]
        for width, numbers in sorted(widths.items()):
            for first in range(0, len(numbers), ROWS):
                part = numbers[first : first + ROWS]
                batch = _batch([coded[number] for number in part], width)
                tokens, scores, values, _ = map(np.asarray, self._search(batch, self._longest(width)))
                for row, number in enumerate(part):
                    for ids, score, value in zip(tokens[row], scores[row], values[row], strict=True):
                        if np.isfinite(value):
                            written = ids[: int((ids != 0).sum())].tolist()
                            text = self.target.decode(written)
                            found[number].append(Translation(text, float(score), float(value), written))
        return found

    def draw(self, text: str, *, temperature: float, draws: tuple[int, int]) -> str:
        """A target drawn at random; other numbers `draws` are another draw."""
        ids = self._encode(text)
        self._say_what_is_odd([ids])
        key = jax.random.fold_in(jax.random.key(draws[0], impl="threefry2x32"), draws[1])
        width = _padded(len(ids))
        return self.target.decode(
            np.asarray(self._draw(_batch([ids], width), self._longest(width), key, temperature))[0].tolist()
        )

    def alignment(self, text: str, tokens: Sequence[int]) -> tuple[np.ndarray, list[str], list[str]]:
        """Weights [S, T] of the target `tokens` over the source, and the pieces of source and target."""
        ids = self._encode(text)
        targets = jnp.asarray([tokens], jnp.int32)
        batch = _batch([ids], len(ids))._replace(targets=targets, target_mask=jnp.ones(targets.shape, bool))
        weights = np.asarray(jax.jit(self.model.alignment)(batch))[0]
        return weights, [self.source.name(token) for token in ids], [self.target.name(token) for token in tokens]

    def _encode(self, text: str) -> list[int]:
        ids = self.source.encode(text) if text.strip() else []
        return [*ids, EOS] if ids else []

    def _longest(self, width: int) -> int:
        """Tokens that may be written: as many as the longest training target has, and more where a source is longer
        than any that was trained on, in proportion.
        """
        most, seen = self.info.max_target_length or width, self.info.max_source_length
        return most if seen is None or width <= _padded(seen) else -(-most * width // _padded(seen))

    def _say_what_is_odd(self, coded: Sequence[Sequence[int]]) -> None:
        seen = self.info.max_source_length
        for number, ids in enumerate(coded, start=1):
            which = f"source {number}" if len(coded) > 1 else "the source"
            if seen is not None and len(ids) > seen:
                more = f"{which} has {len(ids)} tokens and {self.title} was trained on {seen} at most"
                print(f"grux: {more}; what it writes may be poor", file=sys.stderr)
            if self._tells_unknown and UNKNOWN in ids:
                read = self.source.decode(ids)[:200]
                print(f"grux: {self.title} has never seen a part of {which}: it reads {read!r}", file=sys.stderr)


def _padded(length: int) -> int:
    return -(-length // MULTIPLE) * MULTIPLE


def _batch(rows: Sequence[Sequence[int]], width: int) -> Batch:
    """The sources, and empty rows up to a power of two; the targets are blank."""
    filled = 1 << (len(rows) - 1).bit_length()
    tokens, lengths = pad([*rows, *([[]] * (filled - len(rows)))], width)
    mask = np.arange(width)[None, :] < lengths[:, None]
    nothing = np.zeros((filled, 1), np.int32)
    return Batch(*map(jnp.asarray, (tokens, mask, nothing, nothing > 0)))
