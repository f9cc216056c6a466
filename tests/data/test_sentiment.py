"""SST, MR and IMDb: what is read and what is refused, phrases and folds, and which end of a long text is kept."""

import io
import tarfile
from typing import Any

import numpy as np
import pytest

from grux.data import imdb, mr, sst
from grux.data.fetch import File
from grux.data.files import hashes, matches, sha256
from grux.data.texts import classification_dataset
from grux.errors import DataError

TREE = "(3 (2 It) (4 (2 's) (4 (3 very) (4 good))))"
WORDS: dict[str, Any] = {
    "tokens": "blanks",
    "vocabulary_size": None,
    "min_count": 1,
    "lower": True,
    "max_length": None,
    "buckets": 2,
}


def trees(tmp_path, text):
    path = tmp_path / "trees.txt"
    path.write_text(text, encoding="utf-8")
    return sst.read_trees(path)


def test_a_tree_is_its_phrases_the_sentence_last(tmp_path):
    found = trees(tmp_path, TREE + "\n(2 (2 -LRB-) (1 1\\/2))\n")
    assert found == [
        [
            *(("It", 2), ("'s", 2), ("very", 3), ("good", 4)),
            *(("very good", 4), ("'s very good", 4), ("It 's very good", 3)),
        ],
        [("(", 2), ("1/2", 1), ("( 1/2", 2)],
    ]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("(5 good)", "'5' stands where a class"),
        ("((2 a) (2 b))", "a node stands where a class"),
        ("(2)", "holds neither one word nor two nodes"),
        ("(2 a b)", "holds neither one word nor two nodes"),
        ("(2 (2 a))", "holds neither one word nor two nodes"),
        ("(2 (2 a) b)", "holds neither one word nor two nodes"),
        ("(2 (2 a) (2 b) (2 c))", "holds neither one word nor two nodes"),
        ("(2 (2 a) (2 b)", "is not closed"),
        ("(2 a) (2 b)", "outside the tree"),
        ("(2 a))", "outside the tree"),
        ("good", "outside the tree"),
        ("", "there is no tree"),
    ],
)
def test_what_is_no_tree_is_refused_with_its_line(tmp_path, line, complaint):
    with pytest.raises(DataError, match=r"trees\.txt, line 2: .*" + complaint):
        trees(tmp_path, f"{TREE}\n{line}\n{TREE}\n")


def test_two_classes_leave_neutral_phrases_out(tmp_path):
    found = trees(tmp_path, f"{TREE}\n{TREE}\n(1 (2 It) (0 bad))\n")
    assert len(sst.distinct_phrases(found, 5)) == 9  # "It" and the second sentence are there once
    assert sst.distinct_phrases(found, 2) == [
        *(("very", 1), ("good", 1), ("very good", 1), ("'s very good", 1), ("It 's very good", 1)),
        *(("bad", 0), ("It bad", 0)),
    ]


@pytest.mark.parametrize(
    ("classes", "phrases", "sizes"),
    [(5, True, [159_274, 1101, 2210]), (2, False, [6920, 872, 1821]), (2, True, [77_616, 872, 1821])],
)
def test_sst_has_its_standard_sizes_and_one_vocabulary(mirror, classes, phrases, sizes):
    made = sst.sst(classes=classes, phrases=phrases, **(WORDS | {"min_count": 2, "buckets": 1}))
    assert [split.size for split in made.splits.values()] == sizes
    assert len(made.info.classes or ()) == classes
    alone = sst.sst(classes=classes, phrases=False, **(WORDS | {"min_count": 2, "buckets": 1}))
    assert made.artifact_hashes == alone.artifact_hashes
    # Whole sentences are tested, however a model learns.
    for split in ("validation", "test"):
        assert [b.arrays["tokens"].tolist() for b in made.splits[split].buckets] == [
            b.arrays["tokens"].tolist() for b in alone.splits[split].buckets
        ]
    assert bool(made.notes) == phrases


def test_folds_are_of_one_size_and_equal_texts_share_one():
    texts = [f"text {number}" for number in range(97)]
    found = mr.folds([*texts, "Text  3", *texts[:5]])
    assert sorted(set(found)) == list(range(10))
    assert set(np.bincount(found[:97])) == {9, 10}
    assert found[97] == found[3] and found[98:] == found[:5]
    assert mr.folds(texts[::-1]) == found[:97][::-1]


def test_the_ten_folds_test_every_snippet_once(mirror):
    tested = []
    for fold in range(10):
        made = mr.mr(fold=fold, **WORDS)
        sizes = {name: split.size for name, split in made.splits.items()}
        assert sum(sizes.values()) == 10_662 and 1060 <= sizes["test"] <= 1072 and 1060 <= sizes["validation"] <= 1072
        tested.append(sizes["test"])
        labels = np.concatenate([b.arrays["labels"] for s in made.splits.values() for b in s.buckets])
        assert np.bincount(labels).tolist() == [5331, 5331]
    assert sum(tested) == 10_662
    assert "Fold 9" in made.notes[0] and "fold 0 is validation" in made.notes[0]


def archive(path, members):
    with tarfile.open(path, "w:gz") as bundle:
        for name, text in members.items():
            content = text if isinstance(text, bytes) else text.encode()
            info = tarfile.TarInfo(name)
            info.size = len(content)
            bundle.addfile(info, io.BytesIO(content))
    return path


REVIEWS = {
    "aclImdb/train/neg/10_1.txt": "Dull.<br /><br />And  long.\n",
    "aclImdb/train/neg/9_4.txt": "Bad.",
    "aclImdb/train/pos/0_7.txt": "Good.",
    "aclImdb/train/unsup/0_0.txt": "Whatever.",
    "aclImdb/README": "About.",
    "aclImdb/test/pos/5_10.txt": "Great.",
    "aclImdb/test/neg/5_2.txt": "Poor.",
}


def test_reviews_come_in_the_order_of_their_numbers(tmp_path):
    assert imdb.read_reviews(archive(tmp_path / "a.tar.gz", REVIEWS)) == {
        "train": [("Good.", 1), ("Bad.", 0), ("Dull. And long.", 0)],
        "test": [("Poor.", 0), ("Great.", 1)],
    }


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("aclImdb/train/neg/3_7.txt", "x", "not named NUMBER_STARS"),
        ("aclImdb/train/pos/3.txt", "x", "not named NUMBER_STARS"),
        ("aclImdb/test/pos/3_7.txt", " \n", "is empty"),
        ("aclImdb/test/pos/3_7.txt", b"caf\xe9", "byte 3 of .* is not UTF-8"),
        ("../aclImdb/test/pos/3_7.txt", "x", "not a plain relative path"),
    ],
)
def test_reviews_that_cannot_be_are_refused(tmp_path, name, content, complaint):
    with pytest.raises(DataError, match=complaint):
        imdb.read_reviews(archive(tmp_path / "a.tar.gz", REVIEWS | {name: content}))


def test_too_few_reviews_are_refused(tmp_path, monkeypatch):
    path = archive(tmp_path / "a.tar.gz", REVIEWS)
    file = File(dataset="imdb", name="a", sha256="", bytes=0, licence="", url="")
    monkeypatch.setattr(File, "path", lambda self: path)
    monkeypatch.setattr(imdb, "FILES", (file,))
    with pytest.raises(DataError, match="2 negative reviews of train, not 12500"):
        imdb.imdb(keep="end", **WORDS)


@pytest.mark.parametrize(("keep", "kept"), [("start", "a b c"), ("end", "c d e")])
def test_long_texts_of_every_split_are_cut_to_the_end_that_is_kept(keep, kept):
    rows = [("a b c d e", 0), ("b d", 1)]
    made = classification_dataset(
        name="x",
        splits=dict.fromkeys(("train", "validation", "test"), rows),
        classes=("n", "p"),
        files={},
        keep=keep,
        **(WORDS | {"max_length": 3, "buckets": 1}),
    )
    ids = dict(zip("abcde", [6, 4, 7, 5, 8], strict=True))  # by frequency, then by letter
    for split in made.splits.values():
        assert split.buckets[0].arrays["tokens"][0].tolist() == [*(ids[letter] for letter in kept.split()), 0]
        assert split.buckets[0].arrays["lengths"].tolist() == [3, 2]
    where = {"start": "first", "end": "last"}[keep]
    assert made.notes == tuple(
        f"1 of 2 {name} texts were cut to the {where} 3 tokens." for name in ("training", "validation", "test")
    )


def test_a_file_packed_otherwise_is_as_good(tmp_path):
    (one := tmp_path / "one").write_bytes(b"abc")
    (other := tmp_path / "other").write_bytes(b"abcdef")
    file = File(dataset="d", name="n", sha256=sha256(one), bytes=3, licence="", url="", others=(sha256(other),))
    assert matches(one, file) and matches(other, file)
    other.write_bytes(b"abcdeg")
    assert not matches(other, file)
    assert hashes((file,)) == {"n": sha256(one)}
