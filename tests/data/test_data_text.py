"""Reading text strictly, splitting by hash, and building classification and translation sets from small files."""

import gzip
from collections import Counter

import numpy as np
import pytest

from grux.batch import EOS, UNKNOWN
from grux.data.jupyterlab_fr import read_messages
from grux.data.multi30k import multi30k, read_pairs
from grux.data.rotten_tomatoes import read_reviews
from grux.data.sst2 import read_labelled
from grux.data.texts import classification_dataset, hash_splits, read_lines, read_table, read_text, translation_dataset
from grux.errors import DataError, UsageError

WORDS = {"tokens": "words", "vocabulary_size": None, "min_count": 1, "lower": True}
GOLDEN_TEST = [1, 6, 11, 19, 22]  # the first of 4,000; a change would move examples between splits


def write(tmp_path, content, name="file.txt"):
    path = tmp_path / name
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return path


@pytest.mark.parametrize("name", ["file.txt", "file.gz"])
def test_lines(tmp_path, name):
    content = "\ufeffun\r\ndéux\u0085\u2028 x\n\nvier\n".encode()
    assert read_lines(write(tmp_path, content, name)) == ["un", "déux\u0085\u2028 x", "", "vier"]


@pytest.mark.parametrize("name", ["file.txt", "file.gz"])
def test_bad_bytes_are_located(tmp_path, name):
    path = write(tmp_path, b"one\ntwo\nt\xe9st\n", name)
    with pytest.raises(DataError, match=rf"{name}, line 3: byte 9 \(0xe9\) is not utf-8"):
        read_text(path)
    assert read_text(path, "latin-1") == "one\ntwo\ntést\n"


def test_table_rows_may_hold_line_feeds_and_other_separators(tmp_path):
    path = write(tmp_path, 'a,b\n"x\ny\u0085",1\n'.encode())
    assert list(read_table(path)) == [(1, ["a", "b"]), (3, ["x\ny\u0085", "1"])]
    with pytest.raises(DataError, match="line 2"):
        list(read_table(write(tmp_path, b'a,b\n"open,1\n')))


def test_hash_splits():
    keys = [f"sentence {i}" for i in range(4000)]
    splits = hash_splits(keys, validation=0.1, test=0.2)
    assert sorted(i for part in splits.values() for i in part) == list(range(4000))
    assert abs(len(splits["validation"]) - 400) < 80
    assert abs(len(splits["test"]) - 800) < 110
    # A key's split depends on nothing but the key, white space and case apart.
    other = hash_splits(["new", *[key.upper().replace(" ", "  ") for key in keys]], validation=0.1, test=0.2)
    assert [i - 1 for i in other["test"] if i] == splits["test"]
    assert splits["test"][:5] == GOLDEN_TEST


def test_labelled_rows(tmp_path):
    path = write(tmp_path, b'label,sentence\n1,"good, very"\n0,bad\n')
    assert read_labelled(path) == [("good, very", 1), ("bad", 0)]
    for content, message in ((b"1,good\n", "line 1"), (b"label,sentence\n1,a\n2,b\n", "line 3"), (b"", "line 1")):
        with pytest.raises(DataError, match=message):
            read_labelled(write(tmp_path, content))


def test_reviews_of_one_source(tmp_path):
    path = write(tmp_path, b"text,label,source\na,1,imdb\nb,0,rt\n")
    assert read_reviews(path, "rt") == [("b", 0)]
    with pytest.raises(DataError, match="no row has the source 'x'"):
        read_reviews(path, "x")
    for content, message in ((b"text,label\n", "line 1"), (b"text,label,source\na,1\n", "line 2: 2 cells")):
        with pytest.raises(DataError, match=message):
            read_reviews(write(tmp_path, content), "rt")
    with pytest.raises(DataError, match="line 2: label '3'"):
        read_reviews(write(tmp_path, b"text,label,source\na,3,rt\n"), "rt")


def test_messages(tmp_path):
    content = (
        rb'{"": {"domain": "x"}, "menu\u0004Open": ["Ouvrir"], "%1 file": ["%1 fichier", "%1 fichiers"], "OK": ["Ok"]}'
    )
    assert read_messages(write(tmp_path, content)) == [("Open", "Ouvrir"), ("%1 file", "%1 fichier")]
    for content, message in ((b'{"a": \n}', "line 2"), (b"[]", "holds a list"), (b'{"a": "b"}', "no list")):
        with pytest.raises(DataError, match=message):
            read_messages(write(tmp_path, content))


def classify(train, **changes):
    splits = {"train": train, "validation": [("a b", 0)], "test": [("new words here", 1)]}
    settings = WORDS | {"max_length": None, "buckets": 5} | changes
    return classification_dataset(name="toy", splits=splits, classes=("no", "yes"), files={}, **settings)


TRAIN = [("a b c", 0), ("a b", 1), ("c " * 30, 1)]


def test_classification():
    dataset = classify(TRAIN)
    assert dataset.info.vocabulary == 7
    assert dataset.splits["train"].size == 3
    (bucket,) = dataset.splits["test"].buckets
    assert bucket.arrays["tokens"][0, :3].tolist() == [UNKNOWN] * 3  # nothing of the test text was learned
    assert b"here" not in dataset.artifacts["vocabulary.json"]
    found = {
        int(i): int(label)
        for b in dataset.splits["train"].buckets
        for i, label in zip(b.ids, b.arrays["labels"], strict=False)
    }
    assert found == {0: 0, 1: 1, 2: 1}


def test_max_length_cuts_training_texts_only():
    dataset = classify(TRAIN, max_length=2)
    assert dataset.notes == ("2 of 3 training texts were cut to 2 tokens.",)
    assert max(b.arrays["lengths"].max() for b in dataset.splits["train"].buckets) == 2
    assert dataset.splits["test"].buckets[0].arrays["lengths"].tolist() == [3]


def test_empty_text_is_refused():
    with pytest.raises(DataError, match="text 2 of train has no token"):
        classify([("a", 0), ("  ", 1)])


def test_empty_split_is_refused():
    with pytest.raises(DataError, match=r"train|min_count"):
        classify([])


def translate(train, **changes):
    splits = {"train": train, "validation": [("a", "x")], "test": [("a b c d e", "X, y! zz")]}
    settings = WORDS | {"max_length": None, "buckets": 5, "joint": False, "lower": False} | changes
    return translation_dataset(name="toy", splits=splits, files={}, **settings)


PAIRS = [("a b", "x y"), ("b", "X, x!"), ("a " * 9, "y " * 20)]


def test_translation():
    dataset = translate(PAIRS)
    assert (dataset.info.vocabulary, dataset.info.target_vocabulary) == (6, 9)
    assert dataset.info.max_target_length == 21
    assert set(dataset.artifacts) == {"source.vocabulary.json", "target.vocabulary.json"}
    assert dataset.splits["test"].references == ("X, y! zz",)
    for bucket in dataset.splits["train"].buckets:
        for row, length, i in zip(bucket.arrays["targets"], bucket.arrays["target_lengths"], bucket.ids, strict=True):
            assert row[length - 1] == EOS
            assert dataset.decode(row) == PAIRS[i][1].strip()


def test_joint_vocabulary():
    dataset = translate(PAIRS, joint=True)
    assert dataset.info.vocabulary == dataset.info.target_vocabulary == 11
    assert set(dataset.artifacts) == {"vocabulary.json"}


def test_long_training_pairs_are_left_out_and_counted():
    dataset = translate(PAIRS, max_length=5)
    assert dataset.notes[0].startswith("1 of 3 training pairs")
    assert dataset.splits["train"].size == 2
    assert dataset.splits["train"].references == ("x y", "X, x!")
    assert dataset.splits["test"].size == 1
    with pytest.raises(DataError, match="max_length=1 leaves no training pair"):
        translate(PAIRS, max_length=1)


class Local:
    """A file that is at hand."""

    def __init__(self, path):
        self.name, self._path = path.name, path

    def path(self):
        return self._path


def test_line_counts_must_match(tmp_path):
    source = Local(write(tmp_path, b"a\nb\n", "train.en.gz"))
    target = Local(write(tmp_path, b"x\ny\nz\n", "train.de.gz"))
    assert read_pairs(source, source) == [("a", "a"), ("b", "b")]
    with pytest.raises(DataError, match=r"train.en.gz has 2 lines and train.de.gz has 3"):
        read_pairs(source, target)


def test_one_language_twice():
    with pytest.raises(UsageError, match="source=de and target=de"):
        multi30k(source="de", target="de", joint=True, max_length=None, buckets=5, **WORDS)


def test_every_text_in_one_bucket():
    lengths = np.random.default_rng(0).integers(1, 50, 200)
    dataset = classify([("w " * n, 0) for n in lengths])
    buckets = dataset.splits["train"].buckets
    assert 2 <= len(buckets) <= 5
    assert Counter(i for b in buckets for i in b.ids.tolist()) == Counter(range(200))
