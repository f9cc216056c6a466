"""Finished runs that listen: on digits that are tones, whole, as a stream, and what is refused."""

import io
import itertools
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from small_runs import train
from sound_files import archive, wav

from grux.cli import main
from grux.data import fsdd, fsdd_strings

soundfile = pytest.importorskip("soundfile")
pytest.importorskip("jiwer")

SPEAKERS = ("ann", "bob")
SMALL = ("tensorboard=false", "progress=none", "learning_rate=0.02", "batch_size=16", "data.mels=12", "data.buckets=1")
PLAIN = ("data=fsdd_strings", "data.train=256", "data.validation=16", "data.test=16", "data.stack=3", "data.longest=2")
RATE = fsdd.RATE


def tone(digit: int, seconds: float = 0.2) -> np.ndarray:
    """The recording of a digit: a tone of its own, and 10 ms of nothing, as which the pauses will be."""
    times = np.arange(round(seconds * RATE)) / RATE
    return np.concatenate([0.3 * np.sin(2 * np.pi * (300 + 350 * digit) * times), np.zeros(80)])


class Archive:
    """What `fsdd.FILES` has: a file that lies somewhere."""

    name, sha256 = "tones.tar", "0" * 64

    def __init__(self, place: Path):
        self.place = place

    def path(self) -> Path:
        return self.place


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three small runs on tones: "strings", which hears forward only, "both", which hears both ways, and "digits"."""
    folder = tmp_path_factory.mktemp("listen")
    files = {
        f"{digit}_{speaker}_{take}.wav": wav(np.round(2**15 * tone(digit, 0.2 + 0.001 * take)))
        for speaker, digit, take in itertools.product(SPEAKERS, range(10), range(50))
    }
    patch = pytest.MonkeyPatch()
    patch.setattr("small_runs.SMALL", SMALL)
    for module in (fsdd, fsdd_strings):
        patch.setattr(module, "FILES", (Archive(archive(folder / "tones.tar", files)),))
    for name, words in {
        "strings": (*PLAIN, "epochs=45", "eval_every=240", "schedule=cosine", "model.features=32"),
        "both": (*PLAIN, "steps=2", "model.features=4", "model.bidirectional=true"),
        "digits": ("data=fsdd", "data.stack=4", "epochs=3", "model.features=12", "model.pooling=mean"),
    }.items():
        train(*words, folder=folder / "runs" / "default" / name)
    patch.undo()
    return folder / "runs"


def answer(capsys, runs: Path, *words: str) -> tuple[int, str, str]:
    code = main(["transcribe", *words, "--runs", str(runs)])
    out, err = capsys.readouterr()
    return code, out, err


def sound(path: Path, *digits: int, rate: int = RATE, channels: int = 1) -> str:
    pause = np.zeros(1600)
    samples = np.concatenate([pause, *(part for digit in digits for part in (tone(digit), pause))])
    samples = samples if len(digits) > 1 else tone(*digits)
    if rate != RATE:
        import soxr

        samples = soxr.resample(samples, RATE, rate)
    soundfile.write(path, np.stack([samples] * channels, 1), rate)
    return str(path)


def wrong(texts: list[str], said: list[str]) -> float:
    """Share of the letters."""
    import jiwer

    return float(jiwer.cer(said, texts))


def test_a_run_on_strings_writes_what_is_said(runs, capsys, tmp_path):
    files = [sound(tmp_path / f"{a}{b}.wav", a, b) for a, b in ((3, 7), (1, 1), (8, 0))]
    code, out, err = answer(capsys, runs, "strings", *files)
    rows = [line.split("\t") for line in out.splitlines()]
    assert code == 0 and [row[1] for row in rows] == files and not err
    said = ["three seven", "one one", "eight zero"]
    assert wrong([row[0] for row in rows], said) < 0.25
    code, out, _ = answer(capsys, runs, "strings", *files, "--decode", "beam", "--beam", "4", "--json")
    assert code == 0 and wrong([row["text"] for row in json.loads(out)], said) < 0.25


@pytest.mark.parametrize("chunk", ["0.013", "0.1", "5"])
@pytest.mark.parametrize("rate", [RATE, 16000])
def test_a_stream_writes_the_text_of_the_whole(runs, capsys, tmp_path, chunk, rate):
    file = sound(tmp_path / "long.wav", 3, 7, 1, 1, 8, 0, 4, 6, 9, 2, 5, rate=rate, channels=2)
    code, whole, err = answer(capsys, runs, "strings", file)
    assert (
        code == 0 and "long.wav has 2 channels, of which the mean is taken" in err and ("Hz" in err) == (rate != RATE)
    )
    code, out, err = answer(capsys, runs, "strings", "--stream", file, "--chunk", chunk)
    assert code == 0 and out.rstrip("\n") == whole.split("\t")[0] and len(out) > 20
    # A step is heard when its three frames of 25 ms, 10 ms apart, are there.
    assert f"by at most {float(chunk) + 0.045:.3f} seconds" in err


def test_letters_come_before_the_end(runs, tmp_path):
    """What is written after a part of the sound is what the text of the whole starts with."""
    from grux.commands.listen import Listener
    from grux.trained import load

    listener = Listener(load(runs / "default" / "strings"))
    samples, _ = soundfile.read(sound(tmp_path / "a.wav", 3, 7, 1, 8))
    whole = listener.text(samples, "a", decode="greedy", beam=1)
    written = list(listener.stream(iter(np.array_split(samples, 20))))
    assert "".join(written) == whole and 0 < len("".join(written[:8])) < len(whole)


def test_raw_sound_of_standard_input(runs, capsys, tmp_path, monkeypatch):
    file = sound(tmp_path / "a.wav", 5, 9)
    samples, _ = soundfile.read(file, dtype="int16")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(samples.astype("<i2").tobytes())))
    code, out, _ = answer(capsys, runs, "strings", "--stream", "-", "--rate", str(RATE))
    assert code == 0 and wrong([out.strip()], ["five nine"]) < 0.3


def test_a_classifier_tells_one_word_and_how_sure_it_is(runs, capsys, tmp_path):
    files = [sound(tmp_path / f"{digit}.wav", digit) for digit in (2, 6)]
    code, out, _ = answer(capsys, runs, "digits", *files, "--json")
    rows = json.loads(out)
    assert code == 0 and [row["text"] for row in rows] == ["two", "six"]
    assert all(sum(row["probabilities"].values()) == pytest.approx(1, abs=1e-5) for row in rows)
    _, out, _ = answer(capsys, runs, "digits", files[0])
    assert out == f"two\t{max(rows[0]['probabilities'].values()):.4f}\t{files[0]}\n"


@pytest.mark.parametrize(
    ("run", "words", "code", "sentence"),
    [
        ("both", ("--stream", "FILE"), 2, "is bidirectional and hears the end before it writes the start"),
        ("digits", ("--stream", "FILE"), 2, "tells the class of a whole sound, so there is nothing to stream"),
        ("digits", ("FILE", "--decode", "beam"), 2, "--decode is for texts"),
        ("strings", ("SHORT",), 3, "short.wav lasts 0.044 seconds, and 0.045 are the least"),
        ("strings", ("none.wav",), 3, "none.wav is not there"),
        ("strings", ("FILE", "--beam", "3"), 2, "--beam is for --decode beam"),
        ("strings", ("FILE", "--chunk", "1"), 2, "--chunk is for --stream"),
        ("strings", ("FILE", "--rate", "8000"), 2, "--rate is for raw sound"),
        ("strings", ("-", "--rate", "8000"), 2, "raw sound of standard input (-) is heard with --stream"),
        ("strings", ("--stream", "-"), 2, "raw sound does not say its rate"),
        ("strings", ("--stream", "FILE", "FILE"), 2, "--stream hears one sound"),
        ("strings", ("--stream", "FILE", "--json"), 2, "--stream writes letters as they come"),
        ("strings", ("--stream", "FILE", "--decode", "beam"), 2, "may change its mind"),
        ("strings", ("FILE", "--decode", "beam", "--beam", "0"), 2, "'0' must be a whole number >= 1"),
    ],
)
def test_what_does_not_go_together_is_one_sentence(runs, capsys, tmp_path, run, words, code, sentence):
    names = {"FILE": sound(tmp_path / "a.wav", 1), "SHORT": str(tmp_path / "short.wav")}
    soundfile.write(names["SHORT"], tone(1, 0.034), RATE)
    given, out, err = answer(capsys, runs, run, *(names.get(word) or word for word in words))
    assert given == code and sentence in err and err.count("\n") == 1 and not out


def test_a_run_that_never_heard_sound_is_refused(runs, capsys, tmp_path):
    patch = pytest.MonkeyPatch()
    patch.setattr("small_runs.SMALL", ("tensorboard=false", "progress=none", "data.train=32", "model.features=4"))
    train("steps=1", folder=tmp_path / "runs" / "default" / "tokens")
    patch.undo()
    code, _, err = answer(capsys, tmp_path / "runs", "tokens", sound(tmp_path / "a.wav", 1))
    assert code == 2 and "was not trained on sound, but on data=first_token (classification)" in err


def test_scores_and_signatures_are_in_the_record(runs):
    record = json.loads((runs / "default" / "strings" / "result.json").read_text())
    (row,) = record["seeds"]
    assert set(row["scores"]["test"]) == {"loss", "ler", "wer", "cer"}
    assert set(row["scores"]["validation"]) == {"loss", "ler"} and record["selection"]["metric"] == "ler"
    assert record["metric"]["primary"] == "wer" and not record["metric"]["higher_is_better"]
    assert row["scores"]["test"]["wer"] < 0.4 and "decode:greedy" in record["signatures"]["wer"]
    assert set(record["artifacts"]) == {"front_end.json", "vocabulary.json"}
    texts = (runs / "default" / "strings" / "test_output.txt").read_text().splitlines()
    assert len(texts) == 16
