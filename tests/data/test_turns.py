"""Dialogues as pairs: what stands in a source, that no dialogue stands in two splits, and the generated ones."""

import numpy as np
import pytest
from own_files import load, write

from grux.data.generated_dialogue import dialogue
from grux.data.tokenise import read_tokenizer
from grux.data.turns import SEPARATOR, joined, pairs_of
from grux.errors import UsageError

TURNS = ["a", "b", "c", "d"]


def test_pairs_of_a_dialogue():
    assert pairs_of(TURNS, 2) == [("a", "b"), (f"a {SEPARATOR} b", "c"), (f"b {SEPARATOR} c", "d")]
    assert pairs_of(TURNS, 1, [True, False, True, True]) == [("b", "c"), ("c", "d")]
    assert joined(TURNS, 9) == f" {SEPARATOR} ".join(TURNS)


def talks(count=60):
    """Lines of dialogues of four turns, ann and ben by turns."""
    return [
        f"{number}\t{who}\t{what} {number} {number * number}"
        for number in range(count)
        for who, what in (("ann", "hello"), ("ben", "who is"), ("ann", "i am"), ("ben", "fine"))
    ]


def sources(dataset, split):
    """The texts of the sources of a split, in their order."""
    (name, content), *_ = dataset.artifacts.items()
    tokenizer, found = read_tokenizer(name, content, lower=False), {}
    for bucket in dataset.splits[split].buckets:
        found |= {int(i): tokenizer.decode(row) for i, row in zip(bucket.ids, bucket.arrays["sources"], strict=True)}
    return [found[number] for number in sorted(found)]


@pytest.mark.parametrize("tokens", ["words", "characters"])
def test_turns_of_a_file(tmp_path, tokens):
    path = write(tmp_path / "talks.tsv", talks())
    dataset = load("tsv_turns", path=path, context=2, tokens=tokens)
    assert sum(split.size for split in dataset.splits.values()) == 180 and dataset.info.task == "dialogue"
    whose = {split: {text.split()[-1] for text in part.references} for split, part in dataset.splits.items()}
    assert not (whose["train"] & whose["validation"] or whose["train"] & whose["test"])
    assert not whose["validation"] & whose["test"]
    pairs = list(zip(sources(dataset, "train"), dataset.splits["train"].references, strict=True))
    number = pairs[0][0].split()[1]
    square = int(number) ** 2
    first, second, third = (f"{what} {number} {square}" for what in ("hello", "who is", "i am"))
    assert pairs[:2] == [(first, second), (f"{first} {SEPARATOR} {second}", third)]
    assert pairs[2][0] == f"{second} {SEPARATOR} {third}"


def test_one_speaker_answers(tmp_path):
    path = write(tmp_path / "talks.tsv", talks())
    dataset = load("tsv_turns", path=path, speaker="ben")
    assert {text.split()[0] for split in dataset.splits.values() for text in split.references} == {"who", "fine"}
    assert sum(split.size for split in dataset.splits.values()) == 120


def test_equal_dialogues_stand_on_one_side(tmp_path):
    rows = talks(40)
    again = [f"again {row}" if row else row for row in rows]
    dataset = load("tsv_turns", path=write(tmp_path / "talks.tsv", [*rows, *again]))
    for part in dataset.splits.values():
        assert all(part.references.count(text) == 2 for text in part.references)
    assert any(note.endswith("repeat the dialogue of another.") for note in dataset.notes)


def test_what_was_left_out_is_said(tmp_path):
    rows = [*talks(), "", "60\tann\t", "61\tann\talone"]
    assert load("tsv_turns", path=write(tmp_path / "talks.tsv", rows), empty="skip").notes == (
        "Left out: 2 lines of talks.tsv without a cell.",
        "Left out: 1 dialogue of talks.tsv in which nothing is answered.",
    )


def test_a_dialogue_of_test_that_trains_too_is_a_leak(tmp_path):
    rows = talks()
    paths = {"path": rows[:160], "validation": rows[160:200], "test": [*rows[200:], *rows[:4]]}
    given = {name: write(tmp_path / name, part) for name, part in paths.items()}
    with pytest.raises(Exception, match=r"test, line 41: its dialogue stands in .*path, line 1 too"):
        load("tsv_turns", **given)
    assert load("tsv_turns", **given, leaks="drop").splits["train"].size == 39 * 3


def test_the_answer_is_the_fact_that_was_asked_for():
    facts = {"things": (0, 1), "places": (2, 3), "colours": (4, 5)}
    said = [dialogue(**facts, question=question) for question in range(4)]
    assert {turns[0] for turns in said} == {"the black key is in the hall and the yellow hat is in the cellar"}
    assert [turns[3] for turns in said] == ["in the hall", "in the cellar", "black", "yellow"]
    for turns in said:
        asked, answer = turns[2].split(), turns[3].split()
        fact = next(part for part in turns[0].split(" and ") if asked[-1] in part.split())
        assert answer[-1] in fact.split() and answer[-1] in (fact.split()[1], fact.split()[-1])
        assert (asked[0] == "where") == (answer[0] == "in")


@pytest.mark.parametrize("facts", [1, 2])
def test_generated_dialogues_share_no_first_turn_and_context_decides_what_is_seen(facts):
    sizes = {"train": 400, "validation": 50, "test": 80, "facts": facts}
    dataset = load("generated_dialogue", **sizes)
    assert {name: split.size for name, split in dataset.splits.items()} == {"train": 450, "validation": 50, "test": 80}
    firsts = {name: {text.split(f" {SEPARATOR} ")[0] for text in sources(dataset, name)} for name in dataset.splits}
    assert (
        dataset.splits["train"].references.count("i see") == 50
        and len(firsts["train"]) == 400
        and len(firsts["test"]) == 80
    )
    assert not firsts["train"] & firsts["test"] and not firsts["train"] & firsts["validation"]
    answers = dataset.splits["test"].references
    assert all(a.split()[-1] in s.split() for s, a in zip(sources(dataset, "test"), answers, strict=True))
    blind = load("generated_dialogue", **sizes, context=2)
    assert blind.splits["test"].references == answers
    assert not any(a.split()[-1] in s.split() for s, a in zip(sources(blind, "test"), answers, strict=True))


def test_generated_dialogues_are_a_function_of_their_settings():
    one, same, other = (
        load("generated_dialogue", train=50, validation=5, test=5, data_seed=seed) for seed in (0, 0, 1)
    )
    assert one.splits["train"].references == same.splits["train"].references != other.splits["train"].references
    np.testing.assert_array_equal(sources(one, "train"), sources(same, "train"))
    with pytest.raises(UsageError, match="dialogues were asked for and there are"):
        load("generated_dialogue", train=10**6)
    with pytest.raises(UsageError, match="facts=3 is more than 2"):
        load("generated_dialogue", facts=3)
