"""Texts and pairs of one's own: where repeats stand, what leaks, and what is said of the classes."""

import hashlib

import numpy as np
import pytest
from own_files import load, pairs, replaced, reviews, write

from grux.data.texts import plain
from grux.errors import DataError

REVIEWS, PAIRS = reviews(), pairs()
COLUMNS = {"text": "review", "label": "mood"}


def classes(split):
    """The class of each example in its original order."""
    found = {}
    for bucket in split.buckets:
        found |= dict(zip(bucket.ids.tolist(), bucket.arrays["labels"].tolist(), strict=True))
    return [found[i] for i in range(split.size)]


def sizes(dataset):
    return {part: split.size for part, split in dataset.splits.items()}


def test_texts(tmp_path):
    path = write(tmp_path / "my.csv", REVIEWS)
    dataset = load("csv_text", path=path, **COLUMNS)
    assert dataset.info.classes == ("bad", "good", "so-so")
    assert sum(sizes(dataset).values()) == 120
    assert dataset.files == {"my.csv": hashlib.sha256((tmp_path / "my.csv").read_bytes()).hexdigest()}
    assert dataset.notes == ()
    again = load("csv_text", path=write(tmp_path / "again.csv", REVIEWS, end="\r\n", encoding="utf-8-sig"), **COLUMNS)
    assert [classes(split) for split in again.splits.values()] == [classes(s) for s in dataset.splits.values()]


def test_numbers_are_classes_in_their_order(tmp_path):
    rows = ["review,mood", *(f"film {i},{i % 11}" for i in range(300))]
    dataset = load("csv_text", path=write(tmp_path / "my.csv", rows), **COLUMNS)
    assert dataset.info.classes == tuple(map(str, range(11)))


def test_repeats_stand_on_one_side(tmp_path):
    """Every text three times, in other case and with other blanks: no two parts share one."""
    rows = [f"{text}\t{i}" for i, row in enumerate(PAIRS) for text in (row.split("\t")[0],) * 3]
    rows = [row.upper() if i % 3 == 1 else row.replace(" ", "  ") if i % 3 == 2 else row for i, row in enumerate(rows)]
    table = ["review;mood", *(f"{row.split(chr(9))[0]};{i % 2}" for i, row in enumerate(rows))]
    one = load("csv_text", path=write(tmp_path / "texts.csv", table), **COLUMNS, lower=False)
    two = load("tsv_pairs", path=write(tmp_path / "pairs.tsv", rows))
    for dataset, what in ((one, "text"), (two, "source")):
        assert all(size % 3 == 0 for size in sizes(dataset).values())
        train = sizes(dataset)["train"]
        repeats = f"Of {train} train rows {train * 2 // 3} repeat the {what} of another."
        assert repeats in dataset.notes
    assert "120 texts stand with different classes in different rows." in one.notes


def test_unbalanced_classes_are_said(tmp_path):
    rows = ["review,mood", *(f"film {i},{'rare' if i % 5 == 0 else 'often'}" for i in range(300))]
    dataset = load("csv_text", path=write(tmp_path / "my.csv", rows), **COLUMNS)
    labels = np.bincount(classes(dataset.splits["train"]))
    (note,) = dataset.notes
    assert note.startswith(
        f"The classes are unbalanced: {labels[0]} training rows of 'often' and {labels[1]} of 'rare'; to say 'often' "
        f"always is right for {100 * labels[0] / labels.sum():.3g} % of them"
    )


LEAK = '7,"FILM 3,  a good one of 9",good'


@pytest.fixture
def three(tmp_path):
    """Files of train, validation and test of which the last two lines of test train too, in other words' case."""

    def write_three(rows, leak, header):
        first, *rest = rows if header else ["", *rows]
        head = [first] if header else []
        cut = {"path": rest[:80], "validation": rest[80:100], "test": [*rest[100:], leak]}
        return {name: write(tmp_path / name, [*head, *part]) for name, part in cut.items()}

    return write_three


@pytest.mark.parametrize(
    ("data", "settings", "rows", "leak", "line", "what"),
    [
        ("csv_text", COLUMNS, REVIEWS, LEAK, 22, "text"),
        ("tsv_pairs", {}, PAIRS, "The Number 3  of 9\tx", 21, "source"),
    ],
)
def test_leaks(three, data, settings, rows, leak, line, what):
    given = three(rows, leak, header=data == "csv_text") | settings
    first = 5 if data == "csv_text" else 4
    with pytest.raises(DataError) as caught:
        load(data, **given)
    assert str(caught.value).startswith(
        f"{given['test']}, line {line}: its {what} stands in {given['path']}, line {first} too, case and blanks apart "
        "(1 in all); take it out of the training rows by data.leaks=drop, or"
    )
    kept, dropped = (load(data, **given, leaks=leaks) for leaks in ("keep", "drop"))
    assert sizes(kept) == {"train": 80, "validation": 20, "test": 21}
    assert sizes(dropped) == {"train": 79, "validation": 20, "test": 21}
    assert kept.notes == (f"The {what} of 1 row of validation and test is trained on too, so the scores flatter.",)
    assert dropped.notes == (f"Left out: 1 training row whose {what} stands in validation or test too.",)


def test_validation_and_test_that_share_a_text_are_said(three):
    given = three(REVIEWS, REVIEWS[91], header=True)
    note = "The text of 1 test row stands in validation too, by which weights are chosen."
    assert load("csv_text", **given, **COLUMNS).notes == (note,)


def test_nothing_left_to_train_on(tmp_path):
    paths = {name: write(tmp_path / name, PAIRS[:5]) for name in ("path", "validation", "test")}
    with pytest.raises(DataError, match=r"data\.leaks=drop leaves no training row: every source stands in"):
        load("tsv_pairs", **paths, leaks="drop")


def test_a_class_that_only_a_later_part_has(three):
    given = three(REVIEWS, "7,odd,Bad", header=True)
    with pytest.raises(DataError, match=r"test, line 22, column 'mood': no training row is of the class 'Bad'"):
        load("csv_text", **given, **COLUMNS)


def test_pairs(tmp_path):
    path = write(tmp_path / "my.tsv", [f"{row}\tCC-BY" for row in PAIRS])
    forward, backward = load("tsv_pairs", path=path), load("tsv_pairs", path=path, source=2, target=1)
    assert sum(sizes(forward).values()) == sum(sizes(backward).values()) == 120
    targets = {text for split in forward.splits.values() for text in split.references}
    assert targets == {row.split("\t")[1] for row in PAIRS}
    assert all(text.startswith("the number") for text in backward.splits["test"].references)
    with pytest.raises(DataError, match="line 1: 3 cells where 4 are needed"):
        load("tsv_pairs", path=path, target=4)


def test_what_was_left_out_is_said(tmp_path):
    rows = replaced(replaced(PAIRS, 9, ["", PAIRS[8]]), 7, "a\t")
    assert load("tsv_pairs", path=write(tmp_path / "my.tsv", rows), empty="skip").notes == (
        "Left out: 2 lines of my.tsv without a source or a target.",
    )
    rows = replaced(replaced(REVIEWS, 9, ["", REVIEWS[8]]), 7, "5,,bad")
    assert load("csv_text", path=write(tmp_path / "my.csv", rows), empty="skip", **COLUMNS).notes == (
        "Left out: 1 empty line of my.csv.",
        "Left out: 1 row of my.csv without a text.",
    )


def test_quotes_hold_commas_lines_and_quotes(tmp_path):
    rows = replaced(REVIEWS, 7, '5,"a, ""b""\nc",bad')
    dataset = load("csv_text", path=write(tmp_path / "my.csv", rows), **COLUMNS, tokens="characters")
    assert '"\\""' in next(iter(dataset.artifacts.values())).decode()
    assert plain("A  b\nC") == "a b c"
