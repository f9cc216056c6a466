"""Finished translators and models of dialogues in use: translate and chat."""

import io
import json
from pathlib import Path

import jax
import numpy as np
import pytest
from own_files import write
from small_runs import train

from grux.cli import main
from grux.commands.chat import COMMANDS
from grux.commands.translations import Translator
from grux.data.turns import SEPARATOR
from grux.trained import load

SMALL = ("model.features=12", "model.embedding=8", "tensorboard=false", "progress=none", "learning_rate=0.02")
WORDS = {"dog": "chien", "cat": "chat", "runs": "court", "sleeps": "dort", "the": "le", "a": "un", "sees": "voit"}


def pairs() -> list[str]:
    """Word for word, two to seven words."""
    texts = [f"{x} {n} {v}" for x in ("the", "a") for n in ("dog", "cat") for v in ("runs", "sleeps")]
    texts += [f"{x} {n} sees {text}" for text in texts for x in ("the", "a") for n in ("dog", "cat")]
    return [f"{text}\t{' '.join(WORDS[word] for word in text.split())}" for text in texts]


def finished(folder: Path, rows: list[str], name: str, *words: str) -> Path:
    path = write(folder / f"{name}.tsv", rows)
    patch = pytest.MonkeyPatch()
    patch.setattr("small_runs.SMALL", SMALL)
    train(f"data.path={path}", *words, "batch_size=8", folder=folder / "runs" / "default" / name)
    patch.undo()
    return folder / "runs" / "default" / name


@pytest.fixture(scope="module")
def french(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("french")
    return finished(folder, pairs(), "french", "data=tsv_pairs", "data.buckets=1", "epochs=60", "model.dropout=0")


def answer(capsys, *words: str) -> tuple[int, str, str]:
    code = main(list(words))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_greedy_is_what_was_scored(french: Path):
    """The same translations, of texts in another order and company, as those from which BLEU was computed."""
    from grux.config import build

    trained = load(french, task="translation")
    dataset = build(trained.run.config["data"])
    (bucket,) = dataset.splits["test"].buckets
    batch = jax.tree.map(jax.numpy.asarray, bucket.take(bucket.arrays, np.arange(bucket.size)))
    scored = [dataset.decode(row) for row in np.asarray(trained.model.decode(batch, dataset.info.max_target_length))]
    sources = [trained.tokenizers["source"].decode(row) for row in bucket.arrays["sources"]]
    found = Translator(trained).translate(sources[::-1])
    assert [each[0].text for each in found[::-1]] == scored
    seen = max(int((bucket.arrays["source_lengths"]).max()) for bucket in dataset.splits["train"].buckets)
    assert trained.info.max_source_length == seen


def test_a_line_for_each_line(french: Path, capsys, monkeypatch, tmp_path: Path):
    lines = ["the dog runs", "", "a cat sees the dog sleeps", "the cat sleeps", " "]
    code, out, err = answer(capsys, "translate", str(french), *lines, "--beam", "3")
    translated = out.split("\n")
    assert code == 0 and not err and len(translated) == 6 and translated[1] == translated[4] == translated[5] == ""
    assert translated[0] == "le chien court" and translated[3] == "le chat dort"
    (tmp_path / "in.txt").write_text("\n".join(lines) + "\n")
    assert answer(capsys, "translate", str(french), "--file", str(tmp_path / "in.txt"), "--beam", "3")[1] == out
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(lines) + "\n"))
    assert answer(capsys, "translate", str(french), "--beam", "3")[1] == out
    # Alone a sentence has the translation that it has beside others.
    assert answer(capsys, "translate", str(french), lines[2], "--beam", "3")[1] == translated[2] + "\n"


def test_n_best_and_json_tell_scores(french: Path, capsys):
    words = ["translate", str(french), "the dog runs", "", "a cat sleeps", "--beam", "4"]
    code, out, _ = answer(capsys, *words, "--n-best", "3")
    rows = [line.split("\t") for line in out.splitlines()]
    assert code == 0 and [row[0] for row in rows] == ["1"] * 3 + ["3"] * 3
    scores = [float(row[1]) for row in rows[:3]]
    assert scores == sorted(scores, reverse=True) and rows[0][2] == "le chien court"
    found = json.loads(answer(capsys, *words, "--n-best", "2", "--json")[1])
    assert [row["source"] for row in found] == ["the dog runs", "", "a cat sleeps"]
    assert [len(row["translations"]) for row in found] == [2, 0, 2]
    assert [f"{each['score']:.4f}" for each in found[0]["translations"]] == [row[1] for row in rows[:2]]
    # The score is log P / ((5 + |Y|) / 6)^a, and EOS is one of the tokens.
    first = json.loads(answer(capsys, *words, "--json", "--length-penalty", "2")[1])[0]["translations"][0]
    length = len(first["text"].split()) + 1
    assert first["score"] == pytest.approx(first["log_probability"] / ((5 + length) / 6) ** 2, rel=1e-4)
    covered = json.loads(answer(capsys, *words, "--json", "--coverage-penalty", "1")[1])[0]["translations"][0]
    assert covered["score"] < covered["log_probability"]


def test_what_training_never_saw_still_has_an_answer(french: Path, capsys):
    long = " and ".join(["the dog sees the cat runs"] * 4)
    code, out, err = answer(capsys, "translate", str(french), "the dog runs", long)
    assert code == 0 and out.count("\n") == 2 and out.splitlines()[1]
    assert "source 2 has 28 tokens and gru on tsv_pairs, seed 0 was trained on 7 at most" in err
    assert "has never seen a part of source 2: it reads 'the dog sees the cat runs <unk> the" in err
    trained = load(french)
    seen = trained.info.max_target_length
    translator = Translator(trained)
    assert translator._longest(8) == seen < translator._longest(32) == 4 * seen


def test_the_attention_of_one_sentence_is_drawn(french: Path, capsys, tmp_path: Path):
    path = tmp_path / "maps" / "map.svg"
    code, out, _ = answer(capsys, "translate", str(french), "the dog sees a cat runs", "--attention", str(path))
    assert code == 0 and out and path.read_bytes().startswith(b"<?xml")
    translator = Translator(load(french))
    ((best, *_),) = translator.translate(["the dog runs"])
    weights, source, target = translator.alignment("the dog runs", best.tokens)
    assert source == ["the", "dog", "runs", "</s>"] and target == ["le", "chien", "court", "</s>"]
    assert weights.shape == (4, 4)
    np.testing.assert_allclose(weights.sum(1), 1.0, atol=1e-5)


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["a", "--file", "x"], 2, "give one of the two"),
        (["a", "--n-best", "2"], 2, "--n-best 2 is more than --beam 1 holds"),
        (["a", "--beam", "0"], 2, "'0' must be a whole number >= 1"),
        (["a", "--length-penalty", "-1"], 2, "'-1' must be a number >= 0"),
        (["a", "b", "--attention", "x.png"], 2, "--attention draws one sentence, and there are 2"),
        (["a", "--attention", "x.gif"], 2, "--attention x.gif ends in neither .png nor .svg"),
        (["--file", "none.txt"], 3, "none.txt"),
        (["--file", "blank.txt"], 3, "blank.txt has no sentence to translate"),
    ],
)
def test_wrong_words_are_one_sentence(french: Path, capsys, monkeypatch, tmp_path, words, code, sentence):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "blank.txt").write_text("\n \n")
    given, out, err = answer(capsys, "translate", str(french), *words)
    assert given == code and sentence in err and err.count("\n") == 1 and not out


@pytest.mark.parametrize("flag", ["--length-penalty", "--coverage-penalty"])
def test_a_penalty_needs_something_to_rank(french: Path, capsys, flag):
    code, _, err = answer(capsys, "translate", str(french), "a dog", flag, "1")
    assert code == 2 and f"{flag} 1 ranks translations, and --beam 1 has one" in err


def test_without_attention_there_is_nothing_to_draw_or_to_cover(capsys, tmp_path: Path):
    words = ["data=tsv_pairs", "epochs=1", "model.attention=none"]
    folder = finished(tmp_path, pairs(), "blind", *words)
    for option in (["--attention", "x.png"], ["--coverage-penalty", "1", "--beam", "2"]):
        code, _, err = answer(capsys, "translate", str(folder), "a dog", *option)
        assert code == 2 and "has model.attention=none; name another run" in err and option[0] in err


@pytest.fixture(scope="module")
def talker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """It says back what was said two turns before, which only a model with a memory of three turns can."""
    folder = tmp_path_factory.mktemp("talker")
    names = [f"{a} {b}" for a in ("red", "blue", "old") for b in ("hat", "key", "cup", "car")]
    rows = [f"{one} {two}\tann\t{turn}" for one in names for two in names for turn in (one, two, "first ?", one)]
    words = ["data=tsv_turns", "data.context=3", "epochs=6", "model.dropout=0", "model.features=24"]
    return finished(folder, rows, "talker", *words)


def chat(capsys, monkeypatch, folder: Path, lines: list[str], *options: str) -> list[str]:
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(lines)))
    code, out, err = answer(capsys, "chat", str(folder), *options)
    assert code == 0, err
    return out.splitlines()


def test_chat_remembers_the_last_turns(talker: Path, capsys, monkeypatch):
    translator = Translator(load(talker, task="dialogue"))

    def wanted(*turns: str) -> str:
        return translator.translate([f" {SEPARATOR} ".join(turns)])[0][0].text

    said = ["red hat", "old key", "", "/reset", "blue cup", "/quit", "never"]
    first = wanted("red hat")
    second = wanted("red hat", first, "old key")
    assert chat(capsys, monkeypatch, talker, said) == [first, second, wanted("blue cup")]
    # Three turns, whoever said them, and no more.
    assert chat(capsys, monkeypatch, talker, ["red hat", "old key", "cup"])[2] == wanted("old key", second, "cup")


def test_chat_searches_or_draws(talker: Path, capsys, monkeypatch):
    said = ["red hat"] * 4
    assert len(chat(capsys, monkeypatch, talker, said, "--beam", "3")) == 4
    hot = ["--temperature", "3"]
    one = chat(capsys, monkeypatch, talker, said, *hot)
    assert (
        one
        == chat(capsys, monkeypatch, talker, said, *hot)
        != chat(capsys, monkeypatch, talker, said, *hot, "--seed", "1")
    )
    cold = chat(capsys, monkeypatch, talker, said, "--temperature", "0.001")
    assert cold == chat(capsys, monkeypatch, talker, said)
    code, _, err = answer(capsys, "chat", str(talker), "--beam", "2", "--temperature", "1")
    assert code == 2 and "give one of the two" in err


def test_chat_says_its_commands_and_what_of_a_turn_it_does_not_know(talker: Path, capsys, monkeypatch):
    said = ["Red zebra", "/reset", "old key", "/help"]
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(said)))
    code, out, err = answer(capsys, "chat", str(talker))
    assert code == 0 and out.count("\n") == 2
    assert err == f"grux: the vocabulary of the run does not know 'Red', 'zebra'.\n{COMMANDS}\n"
    for name in ("stdin", "stdout"):
        monkeypatch.setattr(f"sys.{name}", Terminal("/quit\n"))
    assert answer(capsys, "chat", str(talker))[2] == f"{COMMANDS}\n"
    assert "/reset" in COMMANDS and "/quit" in COMMANDS


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_chat_is_for_dialogues(french: Path, talker: Path, capsys):
    code, _, err = answer(capsys, "chat", str(french))
    assert code == 2 and "is a run of translation, and this is for dialogue" in err
    code, _, err = answer(capsys, "translate", str(talker), "a")
    assert code == 2 and "is a run of dialogue, and this is for translation" in err


def test_the_record_tells_exact_matches_by_length(talker: Path):
    record = json.loads((talker / "result.json").read_text())
    scores = record["seeds"][0]["scores"]["test"]
    assert record["metric"]["primary"] == "exact_match" and 0 < scores["exact_match"] <= 1
    assert scores.keys() >= {"bleu", "chrf", "loss", "perplexity"}
    assert len(record["score_by_length"]["scores"][0]["exact_match"]) == len(record["score_by_length"]["bins"]) > 1
