"""Generated probes: every answer by another way of computing it, lengths of the splits, and the very same sequences."""

import hashlib
import math
from collections import Counter

import numpy as np
import pytest

from grux.data.adding import adding
from grux.data.adding import fresh as fresh_adding
from grux.data.answers import Answers
from grux.data.base import Split, take_rows
from grux.data.probes import FIRST, PROBES, fresh, lengths_there, probes
from grux.data.question import Draws
from grux.errors import DataError, UsageError

SMALL = {"shortest": 1, "train_length": 12, "test_length": 20, "train": 300, "validation": 60, "test": 90}
SETTINGS = SMALL | {"buckets": 2, "data_seed": 0}


def made(name: str, **given):
    settings = SETTINGS | given
    return adding(**settings) if name == "adding" else probes(name=name, **settings)


def digits(value: int) -> str:
    """Lowest first, and the end."""
    return bin(value)[2:][::-1] + "."


def two(text: str, sign: str) -> list[int]:
    return [int(part[::-1], 2) for part in text.split(sign)]


def solved(text: str) -> str:
    """The one digit that makes an equation true."""
    left, right = text.split("=")
    (found,) = (d for d in "01234" if eval(left.replace("x", d)) % 5 == int(right))
    return found


def manipulated(text: str) -> str:
    """x is pop, o and i push 0 and 1."""
    stack = ""
    for symbol in text:
        stack = stack[:-1] if symbol == "x" else stack + {"o": "0", "i": "1"}.get(symbol, symbol)
    return stack[::-1] + "."


def restored(text: str) -> str:
    half, place = len(text) // 2, text.index("?")
    return text[(place + half) % len(text)]


# Answers of plain text by Python's own arithmetic and string methods.
TRUTH = {
    "even_pairs": lambda text: str((text.count("01") + text.count("10")) % 2),
    "modular_arithmetic_simple": lambda text: str(eval(text) % 5),
    "parity_check": lambda text: str(text.count("1") % 2),
    "cycle_navigation": lambda text: str((text.count("f") - text.count("b")) % 5),
    "stack_manipulation": manipulated,
    "reverse_string": lambda text: "".join(reversed(text)),
    "modular_arithmetic_brackets": lambda text: str(eval(text) % 5),
    "solve_equation": solved,
    "duplicate_string": lambda text: text * 2,
    "missing_duplicate": restored,
    "odds_first": lambda text: "".join(text[i] for i in [*range(1, len(text), 2), *range(0, len(text), 2)]),
    "binary_addition": lambda text: digits(sum(two(text, "+"))),
    "binary_multiplication": lambda text: digits(math.prod(two(text, "*"))),
    "compute_sqrt": lambda text: bin(math.isqrt(int(text, 2)))[2:].zfill(math.ceil(len(text) / 2)),
    "bucket_sort": lambda text: "".join(sorted(text)),
    "copying": lambda text: text[:10],
    "selective_copying": lambda text: text.replace("_", ""),
}
LETTERS = {"back": "b", "stay": "s", "forth": "f", "pop": "x", "push 0": "o", "push 1": "i", "end": "."} | {
    "blank": "_",
    "delimiter": "|",
}
MORE = {"stack_manipulation": 1, "binary_addition": 1, "binary_multiplication": 0}
"""Output steps, less those of the input, where the answer ends by itself."""


def sequences(bucket, name: str):
    """(names read before the answers, names read at the output steps, answers) of each sequence."""
    known = PROBES[name]
    names = ["<pad>", "<unk>", "<s>", "</s>", *known.symbols, "answer"]
    batch = take_rows(bucket, bucket.arrays, np.arange(bucket.size))
    for tokens, real, targets, asked in zip(*batch[:4], strict=True):
        words = [names[token] for token in tokens[real]]
        first = int(asked.argmax())
        assert not asked[:first].any() and asked[first : first + asked.sum()].all()  # answers stand side by side
        yield words[:first], words[first:], [known.classes[n] for n in targets[asked]]


@pytest.mark.parametrize("name", PROBES)
def test_every_answer_is_right(name: str):
    assert set(PROBES) == {*TRUTH, "associative_recall"}
    splits = probes(name=name, **SETTINGS).splits
    seen = 0
    for bucket in (bucket for split in splits.values() for bucket in split.buckets):
        for (read, output, answers), length in zip(sequences(bucket, name), bucket.lengths, strict=True):
            seen += 1
            if name == "associative_recall":
                book = dict(zip(read[::2], read[1::2], strict=True))
                assert len(book) == len(read) // 2 and sorted(output) == sorted(book)
                assert answers == [book[key] for key in output] and len(read) == length
                continue
            text, given = ("".join(LETTERS.get(word, word) for word in words) for words in (read, answers))
            assert given == TRUTH[name](text), (text, given)
            assert output == ["answer"] * (len(read) + MORE[name] if name in MORE else len(given))
            assert len(read) == length + {"copying": 10, "selective_copying": 10}.get(name, 0)
    assert seen == 450


@pytest.mark.parametrize("name", ["modular_arithmetic_brackets", "solve_equation"])
def test_expressions_have_every_form(name: str):
    dataset = probes(name=name, **SETTINGS)
    text = "".join("".join(read) for read, _, _ in sequences(dataset.splits["test"].buckets[0], name))
    assert set(text) == set("".join(PROBES[name].symbols)) - ({"*"} if name == "solve_equation" else set())


def test_copying_has_its_layout():
    (row,) = sequences(fresh("copying", 4, count=1, seed=0), "copying")
    assert row[0][10:] == ["blank"] * 3 + ["delimiter"] and len(row[0] + row[1]) == 24
    places = Counter()
    for read, _, _ in sequences(fresh("selective_copying", 5, count=300, seed=0), "selective_copying"):
        places.update(place for place, word in enumerate(read) if word != "blank")
    # Ten of fifteen places, each as likely as any other: 200 of 300, and 5 standard deviations of it.
    assert len(places) == 15 and all(abs(count - 200) < 41 for count in places.values())


@pytest.mark.parametrize("name", ["parity_check", "missing_duplicate", "associative_recall", "adding"])
def test_tests_are_longer_and_hold_every_length_as_often(name: str):
    lengths = {
        key: Counter(np.concatenate([bucket.lengths for bucket in split.buckets]).tolist())
        for key, split in made(name).splits.items()
    }
    step = 2 if name in ("missing_duplicate", "associative_recall") else 1
    assert set(lengths["test"]) == set(range(13, 21)) & set(range(step, 99, step))
    assert max(lengths["test"].values()) - min(lengths["test"].values()) <= 1
    for part in ("train", "validation"):
        assert set(lengths[part]) == set(range(2 if name == "adding" else step, 13, step))
    same = made(name, test_length=None, shortest=10)
    assert {n for b in same.splits["test"].buckets for n in b.lengths} == {n for n in (10, 11, 12) if n % step == 0}


@pytest.mark.parametrize("name", PROBES)
def test_splits_share_no_sequence_of_a_large_space(name: str):
    """Of lengths with more sequences than can be met twice by chance, none stands in two splits or in fresh ones."""
    length = max(n for n in lengths_there(name)[:60] if n <= 60)
    settings = {"shortest": length, "train_length": length, "test_length": None, "buckets": 1}
    splits = probes(name=name, **SETTINGS | settings).splits
    parts = [split.buckets[0] for split in splits.values()] + [fresh(name, length, count=100, seed=0)]
    rows = [row.tobytes() for part in parts for row in part.arrays["inputs"]]
    assert len(rows) == 550 == len(set(rows))


def test_short_sequences_that_are_trained_on_too_are_said():
    settings = SETTINGS | {"name": "parity_check", "shortest": 1, "train_length": 3, "train": 500}
    said = "100% of the {} sequences are trained on as well, as there are so few of these lengths."
    assert probes(**settings | {"test_length": None}).notes == (said.format("validation"), said.format("test"))
    assert probes(**settings | {"test_length": 20}).notes == (said.format("validation"),)
    assert probes(**settings | {"shortest": 60, "train_length": 60, "test_length": 70}).notes == ()


GOLDEN = {
    "parity_check": "2c9116085337847771607ab68eaa3004f1845df86674c09b3dd4f8d8dc80b4a4",
    "modular_arithmetic_brackets": "69bde0458a8aaf80df919c6595705cd95d8e51f660a03a15e157ca9ba3988cb6",
    "associative_recall": "3d63cd581cc4d99ee39f33408d68eca8a6882d1fa4c7113153d87566c99df72e",
    "adding": "2a71e80c1e534c7222eb1dabcba30c839f236ac3f1b6e9a65ef5b581944ed943",
}


@pytest.mark.parametrize("name", GOLDEN)
def test_the_very_same_sequences_everywhere(name: str):
    found = hashlib.sha256()
    for split in made(name).splits.values():
        for bucket in split.buckets:
            for key in ("inputs", "steps", "targets", "asked"):
                array = bucket.arrays[key]
                found.update(array.astype(array.dtype.newbyteorder("<")).tobytes())
    assert found.hexdigest() == GOLDEN[name]


def test_the_sums_of_marked_numbers():
    dataset = made("adding", train=4000)
    places = set()
    for bucket in dataset.splits["train"].buckets:
        batch = take_rows(bucket, bucket.arrays, np.arange(bucket.size))
        numbers, marks = np.moveaxis(batch.inputs, -1, 0)
        assert (marks.sum(1) == 2).all() and set(np.unique(marks)) == {0, 1} and not marks[~batch.mask].any()
        places |= {(n, tuple(np.flatnonzero(row))) for n, row in zip(bucket.lengths, marks, strict=True)}
        last = batch.mask.sum(1) - 1
        assert (batch.target_mask.argmax(1) == last).all() and (batch.target_mask.sum(1) == 1).all()
        wanted = (numbers * marks).sum(1)
        np.testing.assert_allclose(batch.targets[np.arange(bucket.size), last, 0], wanted, rtol=1e-6)
    assert {pair for n, pair in places if n == 5} == {(a, b) for a in range(5) for b in range(a + 1, 5)}
    assert dataset.info.means == pytest.approx((1.0,), abs=0.03)
    assert fresh_adding(7, count=3, seed=0).lengths.tolist() == [7, 7, 7]


def test_draws_are_even_and_go_on_over_blocks():
    draw = Draws(seed=0, stream="here")
    counts = Counter(draw.many(70_000, 7))  # more than a block
    assert all(abs(count - 10_000) < 500 for count in counts.values())
    assert Draws(seed=1, stream="here").many(9, 99) != Draws(seed=0, stream="here").many(9, 99)
    assert Counter(tuple(Draws(seed=n, stream="s").some(2, 3)) for n in range(600)).keys() == {
        (a, b) for a in range(3) for b in range(3) if a != b
    }


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"test_length": 12}, r"data\.test_length=12 is not above data\.train_length=12"),
        ({"shortest": 13}, "has no sequence of a length from 13 to 12"),
        ({"name": "missing_duplicate", "shortest": 11, "train_length": 11}, r"it has lengths 2, 4, 6, \.\.\."),
        ({"name": "associative_recall", "train_length": 200, "test_length": 300}, "lengths 2, 4, 6 up to 128"),
    ],
)
def test_lengths_that_there_are_not(given, sentence):
    with pytest.raises(UsageError, match=sentence):
        probes(**{"name": "parity_check"} | SETTINGS | given)
    with pytest.raises(UsageError, match="missing_duplicate has no sequences of length 7; it has lengths 2, 4, 6"):
        fresh("missing_duplicate", 7, count=1, seed=0)


@pytest.mark.parametrize(
    ("key", "place", "value", "sentence"),
    [
        ("inputs", (1, 0), 99, r"example 1 has inputs outside 0\.\.6"),
        ("targets", (2, 3), 2, "example 2 has targets outside the classes"),
        ("asked", (0, 3), False, "example 0 has no answer, or one after its end"),
        ("steps", (1,), 3, "example 1 has no answer, or one after its end"),
        ("steps", (1,), 9, "example 1 has a number of steps outside"),
    ],
)
def test_a_wrong_bucket_is_told(key, place, value, sentence):
    dataset = probes(name="parity_check", **SETTINGS)
    bucket = fresh("parity_check", 3, count=4, seed=0)
    bucket.arrays[key][place] = value
    assert isinstance(bucket, Answers) and bucket.arrays["inputs"].max() >= FIRST
    with pytest.raises(DataError, match=sentence):
        Split((bucket,)).buckets[0].check(dataset.info, "here")
