"""Finished runs in use: the weights that were best, of the seed that was asked for; and commands that write on."""

import json
import shutil
import types
from pathlib import Path

import jax
import numpy as np
import pytest
from small_runs import train

from grux.cli import main
from grux.commands.classify import read
from grux.data.base import take_rows
from grux.data.tokenise import Words
from grux.errors import DataError, UsageError
from grux.trained import load

TEXT = "a rose is a rose is a rose; and a nose is a nose.\n" * 12
SMALL = ("model.features=8", "model.embedding=6", "tensorboard=false", "progress=none", "learning_rate=0.02")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two seeds, whose best steps are not their last ones."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "rose.txt").write_text(TEXT)
    patch = pytest.MonkeyPatch()
    patch.setattr("small_runs.SMALL", SMALL)
    words = ["data=text", f"data.path={folder / 'rose.txt'}", "data.share=0.1", "data.steps=8", "batch_size=4"]
    train(*words, "seeds=2", "epochs=2", "eval_every=5", folder=folder / "runs" / "default" / "rose")
    patch.undo()
    return folder / "runs" / "default" / "rose"


def loss_of(trained, finished: Path) -> float:
    """On the test split, read once from end to end."""
    from grux.config import build

    dataset = build(trained.run.config["data"])
    (bucket,) = dataset.splits["test"].buckets
    batch = jax.tree.map(jax.numpy.asarray, take_rows(bucket, bucket.arrays, np.arange(bucket.size)))
    carry, total, count = trained.model.initial_carry(1), 0.0, 0
    for row in range(bucket.size):
        logits, carry = trained.model.run(batch.inputs[row : row + 1], batch.mask[row : row + 1], carry, None)
        chosen = jax.nn.log_softmax(logits)[0, np.arange(bucket.steps), batch.targets[row]]
        total, count = total - float(chosen[batch.mask[row]].sum()), count + int(batch.mask[row].sum())
    return total / count


@pytest.mark.parametrize("seed", [0, 1, None])
def test_the_weights_are_those_that_were_scored(finished: Path, seed):
    record = json.loads((finished / "result.json").read_text())
    best = min(range(2), key=lambda number: record["seeds"][number]["scores"]["validation"]["loss"])
    trained = load(finished, seed=seed, task="language_modelling")
    assert trained.seed == (best if seed is None else seed) and trained.tokenizers[""].size == trained.info.vocabulary
    wanted = record["seeds"][trained.seed]["scores"]["test"]["loss"]
    assert loss_of(trained, finished) == pytest.approx(wanted, rel=1e-4)


def test_what_cannot_be_used_is_one_sentence(finished: Path, tmp_path: Path):
    with pytest.raises(UsageError, match="has no finished seed 7; it has 0, 1"):
        load(finished, seed=7)
    with pytest.raises(UsageError, match="is a run of language_modelling, and this is for translation"):
        load(finished, task="translation")

    def copy(name: str) -> Path:
        return shutil.copytree(finished, tmp_path / name)

    (copy("unfinished") / "result.json").unlink()
    with pytest.raises(UsageError, match="only a finished run can be used"):
        load(tmp_path / "unfinished")
    weights = copy("flipped") / "weights.npz"
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    weights.write_bytes(content)
    with pytest.raises(DataError, match="is not what its run has written"):
        load(tmp_path / "flipped")
    (copy("gone") / "weights.npz").unlink()
    with pytest.raises(DataError, match=r"weights\.npz cannot be read"):
        load(tmp_path / "gone")
    for name, key, value, sentence in (
        ("old", "weights", None, "kept no weights for use"),
        ("other", "config", {"features": 9}, "belongs to another version of this model"),
        ("evil", "config", None, "os.system is not allowed"),
    ):
        place = copy(name) / "result.json"
        record = json.loads(place.read_text())
        if key == "weights":
            del record["weights"]
        elif value:
            record["config"]["model"] |= value
        else:
            record["config"]["model"]["_target_"] = "os.system"
        place.write_text(json.dumps(record))
        with pytest.raises((UsageError, DataError), match=sentence):
            load(tmp_path / name)


def answer(capsys, *words: str) -> tuple[int, str, str]:
    code = main(list(words))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_generate_writes_on_and_repeats_itself(finished: Path, capsys, monkeypatch):
    words = ["generate", str(finished), "--prompt", "a rose", "--length", "20"]
    code, first, err = answer(capsys, *words)
    assert code == 0 and first.startswith("a rose") and len(first) == 6 + 20 + 1 and not err
    assert answer(capsys, *words)[1] == first != answer(capsys, *words, "--seed", "1")[1]
    code, out, _ = answer(capsys, *words, "--samples", "2", "--temperature", "0")
    assert code == 0 and out.startswith("--- 1 of 2\n") and len(set(out.split("--- ")[1:])) == 2
    texts = [part.split("\n", 1)[1] for part in out.split("--- ")[1:]]
    assert texts[0] == texts[1]
    code, out, err = answer(capsys, "generate", str(finished), "--prompt", "Ω", "--length", "3", "--top-k", "1")
    assert code == 0 and out.startswith("�") and "has never seen a part of the prompt" in err
    # By the start of its name below --runs, and with the prompt from standard input.
    import io

    monkeypatch.setattr("sys.stdin", io.StringIO("a no\n"))
    code, out, _ = answer(
        capsys, "generate", "ros", "--runs", str(finished.parent.parent), "--prompt", "-", "--length", "2"
    )
    assert code == 0 and out.startswith("a no") and len(out) == 4 + 2 + 1


def test_suggest_ranks_what_may_come(finished: Path, capsys):
    code, out, _ = answer(capsys, "suggest", str(finished), "--prompt", "a ro", "--json", "--count", "100")
    found = json.loads(out)
    shares = [row["probability"] for row in found]
    assert code == 0 and shares == sorted(shares, reverse=True) and sum(shares) == pytest.approx(1.0, abs=1e-5)
    assert not {"<pad>", "<unk>", "<s>"} & {row["token"] for row in found}
    code, out, _ = answer(capsys, "suggest", str(finished), "--prompt", "a ro", "--count", "2")
    assert code == 0 and out.splitlines()[0] == f"{shares[0]:.4f}  {found[0]['token']!r}" and out.count("\n") == 2


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--temperature", "-1"], "'-1' must be a number >= 0"),
        (["--top-p", "0"], "'0' must be a number > 0 and <= 1"),
        (["--top-k", "1.5"], "'1.5' must be a whole number >= 1"),
        (["--length", "0"], "'0' must be a whole number >= 1"),
        (["--weights", "5"], "has no finished seed 5"),
    ],
)
def test_wrong_words_are_one_sentence(finished: Path, capsys, words, sentence):
    code, out, err = answer(capsys, "generate", str(finished), *words)
    assert code == 2 and sentence in err and err.count("\n") == 1 and not out


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier of short texts, some epochs old."""
    folder = tmp_path_factory.mktemp("others")
    good, bad = ("a warm and tender film", "funny from end to end"), ("dull and far too long", "a mess of a plot")
    rows = [
        f"{text} {number},{label}"
        for number in range(40)
        for label, both in (("good", good), ("bad", bad))
        for text in both
    ]
    (folder / "films.csv").write_text("\n".join(["text,label", *rows, ""]))
    patch = pytest.MonkeyPatch()
    patch.setattr("small_runs.SMALL", SMALL)
    words = ["data=csv_text", f"data.path={folder / 'films.csv'}", "data.text=text", "data.label=label", "epochs=8"]
    train(*words, "batch_size=8", folder=folder / "films")
    patch.undo()
    return folder / "films"


def test_classify_gives_each_text_its_class(films, capsys, tmp_path: Path):
    texts = [
        "a warm and funny film",
        "dull , a mess",
        "tender from end to end , and far funnier than the plot of a long film",
    ]
    code, out, err = answer(capsys, "classify", str(films), *texts)
    rows = [line.split("\t") for line in out.splitlines()]
    assert code == 0 and [row[0] for row in rows][:2] == ["good", "bad"] and [row[2] for row in rows] == texts, err
    (tmp_path / "in.txt").write_text("\n".join(texts) + "\n\n")
    code, out, _ = answer(capsys, "classify", str(films), "--file", str(tmp_path / "in.txt"), "--json")
    found = json.loads(out)
    assert [f"{max(row['probabilities'].values()):.4f}" for row in found] == [row[1] for row in rows]
    assert all(sum(row["probabilities"].values()) == pytest.approx(1.0, abs=1e-5) for row in found)
    # Alone and beside longer ones a text has the same class with the same probability.
    code, out, _ = answer(capsys, "classify", str(films), texts[0])
    assert float(out.split("\t")[1]) == pytest.approx(float(rows[0][1]), abs=2e-4)
    quoted = [f'"{text}",{number}' for number, text in enumerate(texts)]
    (tmp_path / "in.csv").write_text("\n".join(["review,n", *quoted]))
    code, out, err = answer(capsys, "classify", str(films), "--file", str(tmp_path / "in.csv"), "--text", "review")
    assert code == 0 and [line.split("\t") for line in out.splitlines()] == rows
    assert err == "grux: the vocabulary of the run does not know ',', 'funnier', 'than', 'the'.\n", err
    (tmp_path / "hole.csv").write_text("review,n\ngood,1\n,2\n")
    (tmp_path / "IN.TSV").write_text('\n"n"\ta text\n1\tno\ttable, it has three cells\n')
    for words, code, sentence in (
        ([" "], 3, "text 1 (' ') has no token"),
        (["a", "--text", "review"], 2, "--text review names a column, and no file is there"),
        (["--file", str(tmp_path / "in.csv"), "--text", "revew"], 3, "did you mean 'review'?"),
        (["--file", str(tmp_path / "no.csv"), "--text", "review"], 3, "did you mean"),
        (["a", "--file", "x"], 2, "give one of the two"),
        (["--file", str(tmp_path / "none.txt")], 3, "none.txt"),
        (["--file", str(tmp_path / "in.csv")], 2, "add --text with one of review, n, or rename the file"),
        (["--file", str(tmp_path / "IN.TSV")], 2, "add --text with one of n, a text, or rename the file"),
        (["--file", str(tmp_path / "no.csv")], 3, "did you mean"),
        (["--file", str(tmp_path)], 3, "Is a directory"),
        (["--file", str(tmp_path / "hole.csv"), "--text", "review"], 3, "line 3: column 'review' is empty"),
    ):
        given, _, err = answer(capsys, "classify", str(films), *words)
        assert given == code and sentence in err and err.count("\n") == 1, err


@pytest.mark.parametrize(("keep", "kept"), [("start", [4, 5, 4]), ("end", [5, 4, 6])])
def test_texts_are_cut_as_in_training_and_it_is_said(keep, kept):
    run = types.SimpleNamespace(config={"data": {"max_length": 3, "keep": keep}})
    model = types.SimpleNamespace(run=run, tokenizers={"": Words(["a", "b", "c"], lower=True)})
    coded, notes = read(model, ["A b a c", "c b", "a x b y z v w u"])  # pyright: ignore[reportArgumentType]
    assert coded[:2] == [kept, [6, 5]] and len(coded[2]) == 3
    end = {"start": "first", "end": "last"}[keep]
    assert notes == [
        f"2 of 3 texts have more than 3 tokens; the {end} 3 are read, as in training.",
        "the vocabulary of the run does not know 'x', 'y', 'z', 'v', 'w' and 1 more.",
    ]
    run.config["data"].pop("keep")  # sentences: cut in training alone
    assert read(model, ["a b a c"]) == ([[4, 5, 4, 6]], [])  # pyright: ignore[reportArgumentType]
