"""Probes of memory and reasoning, generated: fifteen tasks of the Chomsky hierarchy and three of recall.

What each is stands in `grux.data.chomsky` (Delétang et al. 2022, arXiv 2207.02098) and `grux.data.recall`. A sequence
is read, then answered; training sequences are short, test sequences are longer than all of them. The papers draw a new
batch at every step of training; here a set of `train` sequences is drawn once, a pure function of the settings.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from grux.arguments import NonNegativeInt, PositiveInt
from grux.batch import SPECIAL_TOKENS, Info
from grux.data.answers import UNBOUNDED, Answers, Rows, answered, lengths_in_words, lengths_of_splits, seen_in_training
from grux.data.base import Dataset
from grux.data.card import Card
from grux.data.chomsky import CHOMSKY
from grux.data.files import RawFile
from grux.data.question import Draws, Probe, Question
from grux.data.recall import RECALL
from grux.errors import UsageError

FILES: tuple[RawFile, ...] = ()
CARD = Card(
    name="probes",
    task="probe",
    summary="Parity, reversal, arithmetic, copying, recall and more, tested on longer sequences; generated.",
    sizes={"train": 8192, "validation": 512, "test": 1024},
    licence="generated",
)
PROBES = CHOMSKY | RECALL
FIRST = len(SPECIAL_TOKENS)
"""The token id of the first symbol; that of the placeholder comes after the last one."""


def probes(
    *,
    name: Literal[
        "even_pairs",
        "modular_arithmetic_simple",
        "parity_check",
        "cycle_navigation",
        "stack_manipulation",
        "reverse_string",
        "modular_arithmetic_brackets",
        "solve_equation",
        "duplicate_string",
        "missing_duplicate",
        "odds_first",
        "binary_addition",
        "binary_multiplication",
        "compute_sqrt",
        "bucket_sort",
        "copying",
        "selective_copying",
        "associative_recall",
    ],
    shortest: PositiveInt,
    train_length: PositiveInt,
    test_length: PositiveInt | None,
    train: PositiveInt,
    validation: PositiveInt,
    test: PositiveInt,
    buckets: PositiveInt,
    data_seed: NonNegativeInt,
) -> Dataset:
    """Training lengths are drawn from `shortest` to `train_length`; test lengths go on from there to `test_length`.

    `test_length` null: tests have the lengths of training. `buckets`: padded shapes at most, of training and of tests.
    """
    lengths = lengths_of_splits(
        name,
        lengths_there(name),
        shortest=shortest,
        train_length=train_length,
        test_length=test_length,
        sizes={"train": train, "validation": validation, "test": test},
        seed=data_seed,
    )
    rows = {split: rows_of(name, own, seed=data_seed, stream=split) for split, own in lengths.items()}
    known, asked = PROBES[name], rows["train"].asked
    counts = np.bincount(rows["train"].targets[asked], minlength=len(known.classes))
    info = Info(
        name=CARD.name,
        task=CARD.task,
        vocabulary=FIRST + len(known.symbols) + 1,
        classes=known.classes,
        frequencies=tuple(((counts + 1) / (counts + 1).sum()).tolist()),
    )
    splits = answered(rows, buckets=buckets, apart=test_length is not None)
    return Dataset(info, splits, files={}, notes=seen_in_training(rows))


def lengths_there(name: str) -> Sequence[int]:
    """The lengths that sequences of a probe can have, ascending."""
    known = PROBES[name]
    last = known.least + known.step * (UNBOUNDED - 1) if known.most is None else known.most
    return range(known.least, last + 1, known.step)


def fresh(name: str, length: int, *, count: int, seed: int) -> Answers:
    """Sequences of one length, drawn for themselves; UsageError where the probe has none of that length.

    Of short lengths there are so few that training has most of them.
    """
    if length not in lengths_there(name):
        raise UsageError(f"{name} has no sequences of length {length}; it has {lengths_in_words(lengths_there(name))}.")
    rows = rows_of(name, np.full(count, length), seed=seed, stream=f"fresh {length}")
    return Answers(rows, ids=np.arange(count, dtype=np.int32))


def rows_of(name: str, lengths: np.ndarray, *, seed: int, stream: str) -> Rows:
    """One sequence for each of the lengths."""
    known, draw = PROBES[name], Draws(seed=seed, stream=f"probes {name} {stream}")
    made = [known.make(int(length), draw) for length in lengths]
    steps = np.array([len(question.read) + question.steps for question in made], np.int32)
    inputs, targets = (np.zeros((len(made), steps.max()), np.int32) for _ in range(2))
    asked = np.zeros(inputs.shape, bool)
    for row, question in enumerate(made):
        first = len(question.read)
        inputs[row, : steps[row]] = _tokens(known, question)
        targets[row, first : first + len(question.answers)] = question.answers
        asked[row, first : first + len(question.answers)] = True
    return Rows(inputs, steps, targets, asked, lengths.astype(np.int32))


def _tokens(known: Probe, question: Question) -> np.ndarray:
    placeholders = [len(known.symbols)] * question.steps
    return np.array(question.read + (question.keys or placeholders), np.int32) + FIRST
