"""A probe of memory or reasoning: sequences to read, and what is to be answered after them. Generated, one at a time.

    step      1 .. n          n + 1 .. n + L
    input     what is read    L placeholders, or the keys that are asked for
    answer    none            one class at each step (fewer where an answer ends early)

The layout of Delétang et al. 2022 (arXiv 2207.02098), whose models read an empty token at each step of the output.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from grux.data.permutation import random_integers

BLOCK = 1 << 16
SPAN = 2**31 - 1  # what one drawn number can be; the bias of a remainder is below bound / SPAN


class Draws:
    """Whole numbers one after the other, each evenly from 0 .. below - 1: a pure function of seed and stream."""

    def __init__(self, *, seed: int, stream: str):
        self._seed, self._stream = seed, stream
        self._values: list[int] = []
        self._at = self._blocks = 0

    def __call__(self, below: int) -> int:
        if self._at == len(self._values):
            stream = f"{self._stream} block {self._blocks}"
            self._values = random_integers(BLOCK, below=SPAN, seed=self._seed, stream=stream).tolist()
            self._at, self._blocks = 0, self._blocks + 1
        self._at += 1
        return self._values[self._at - 1] % below

    def many(self, count: int, below: int) -> list[int]:
        return [self(below) for _ in range(count)]

    def some(self, count: int, of: int) -> list[int]:
        """`count` different numbers out of 0 .. of - 1, in random order (Fisher and Yates)."""
        pool = list(range(of))
        for place in range(count):
            other = place + self(of - place)
            pool[place], pool[other] = pool[other], pool[place]
        return pool[:count]


class Question(NamedTuple):
    """One sequence. Symbols and classes are numbers into the names of the probe."""

    read: list[int]
    answers: list[int]
    """The classes of the first output steps."""
    steps: int
    """Output steps L; those beyond the answers are not asked, so that L says nothing of the answer."""
    keys: list[int] | None = None
    """L symbols to read at the output steps; None: placeholders."""


def asked(read: list[int], answers: list[int]) -> Question:
    """The usual question: a placeholder for each answer."""
    return Question(read, answers, len(answers))


@dataclass(frozen=True)
class Probe:
    """How sequences of a length are made. Lengths are least, least + step, ... up to `most`."""

    make: Callable[[int, Draws], Question]
    symbols: tuple[str, ...]
    classes: tuple[str, ...]
    least: int = 1
    step: int = 1
    most: int | None = None
