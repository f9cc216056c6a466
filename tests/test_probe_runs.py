"""Probes from the command line to the record and back: parity is learned, longer strings are right, `grux probe`."""

import json
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest

from grux.cli import main
from grux.commands.probe import reach
from grux.config import compose
from grux.data.base import take_rows
from grux.data.probes import fresh
from grux.launch.jobs import prepare
from grux.results.plots import make_figure
from grux.results.record import read_run
from grux.run import run
from grux.trained import load

SMALL = ("tensorboard=false", "progress=none", "data.validation=64", "data.buckets=1", "model.embedding=4")


def train(folder: Path, *words: str) -> Path:
    job = prepare([*SMALL, *words, f"run_dir={folder}"])
    run(job.config, choices=job.choices, folder=job.folder, run_id=job.run_id)
    return folder


@pytest.fixture(scope="module")
def parity(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small GRU that has learned the parity of up to eight bits."""
    sizes = ("data.train_length=8", "data.test_length=14", "data.train=1024", "data.test=210", "model.features=16")
    pace = ("steps=500", "eval_every=100", "learning_rate=2e-2", "batch_size=64", "schedule=cosine")
    return train(tmp_path_factory.mktemp("parity") / "parity", "data=probes", *sizes, *pace)


@pytest.fixture(scope="module")
def sums(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Transformer of a short window that has seen the adding problem for some steps."""
    sizes = ("data.train_length=6", "data.test_length=9", "data.train=64", "data.test=16", "model.features=4")
    arch = ("arch=transformer", "arch.heads=1", "arch.context=5", "model.depth=2")
    return train(tmp_path_factory.mktemp("sums") / "sums", "data=adding", *arch, *sizes, "steps=3", "batch_size=16")


def answer(capsys, *words: str) -> tuple[int, str, str]:
    code = main(list(words))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_a_small_gru_learns_parity_and_what_it_learned_is_the_rule(parity: Path):
    record = read_run(parity).record
    assert record is not None
    scores = record["seeds"][0]["scores"]
    assert scores["validation"]["accuracy"] == 1.0 and scores["test"]["accuracy"] > 0.95
    assert scores["test"]["accuracy"] == scores["test"]["exact_match"]  # one answer to a sequence
    assert record["baselines"]["class_frequencies"]["test"]["accuracy"] == pytest.approx(0.5, abs=0.15)
    assert record["metric"]["primary"] == "accuracy" and record["metric"]["directions"]["exact_match"] is True


def test_the_record_has_accuracy_by_length_beyond_training_and_gradient_by_lag(parity: Path):
    finished = read_run(parity)
    found = (finished.record or {})["score_by_length"]
    spans = [(part["shortest"], part["longest"], part["examples"]) for part in found["bins"]]
    assert spans == [(length, length, 35) for length in range(9, 15)]
    mean = np.mean(found["scores"][0]["accuracy"])
    assert (finished.record or {})["seeds"][0]["scores"]["test"]["accuracy"] == pytest.approx(mean)
    lag = (finished.record or {})["gradient_by_lag"]
    assert lag["lags"] == [0, 1, 2, 3, 4, 6, 8] and all(norm > 0 for norm in lag["norms"][0])
    for kind in ("length", "lag"):
        (panel,) = make_figure(kind, [finished]).panels
        assert panel.names == ("gru",)


def test_probe_scores_fresh_sequences_of_any_length(parity: Path, capsys):
    code, out, err = answer(capsys, "probe", str(parity), "--lengths", "30,5", "--count", "100", "--json")
    found = json.loads(out)
    assert code == 0 and not err and found["trained_lengths"] == [1, 8] and found["window"] is None
    assert [row["length"] for row in found["by_length"]] == [5, 30]
    trained = load(parity)
    for row in found["by_length"]:
        bucket = fresh("parity_check", row["length"], count=100, seed=0)
        batch = jax.tree.map(jax.numpy.asarray, take_rows(bucket, bucket.arrays, np.arange(100)))
        logits = np.asarray(trained.model(batch, key=None), np.float64)[:, -1]
        parity_of = (np.asarray(batch.inputs)[:, :-1] == 5).sum(1) % 2  # four special tokens, 0, 1
        assert row["accuracy"] == pytest.approx(np.mean(logits.argmax(-1) == parity_of)) and row["sequences"] == 100
        losses = np.log(np.exp(logits).sum(-1)) - logits[np.arange(100), parity_of]
        assert row["loss"] == pytest.approx(losses.mean(), rel=1e-3, abs=1e-7)
    assert found["by_length"][0]["accuracy"] == 1.0
    lag = found["gradient_by_lag"]
    assert max(lag["lags"]) == 23 and len(lag["norms"]) == len(lag["lags"]) and min(lag["norms"]) > 0
    code, out, _ = answer(capsys, "probe", str(parity), "--count", "10")
    lengths = [line.split()[0] for line in out.splitlines()[3:7]]
    assert code == 0 and lengths == ["4", "8", "16", "32"] and out.count("beyond training") == 2
    assert out.startswith("gru on probes (parity_check), seed 0, trained on lengths 1 to 8\n")


def test_probe_says_how_far_a_window_reaches(sums: Path, capsys, tmp_path: Path):
    picture = tmp_path / "made" / "probe.svg"
    words = ["probe", str(sums), "--lengths", "4,20", "--count", "8", "--picture", str(picture)]
    code, out, err = answer(capsys, *words)
    assert code == 0 and not err and "An output of this model depends on its last 9 steps" in out
    assert "MSE" in out and "MAE" in out and picture.read_text().count("<svg") == 1
    found = json.loads(answer(capsys, *words[:6], "--json")[1])
    norms = dict(zip(found["gradient_by_lag"]["lags"], found["gradient_by_lag"]["norms"], strict=True))
    # Two layers of five steps: eight back, and exactly nothing further on.
    assert found["window"] == 9 and norms[8] > 0 and norms[11] == norms[16] == 0
    assert reach(load(sums).model) == 9


def test_a_run_on_other_data_has_its_gradient_alone(parity: Path, capsys, tmp_path: Path):
    other = shutil.copytree(parity, tmp_path / "other")
    record = json.loads((other / "result.json").read_text())
    record["config"]["data"] = compose(["data=first_token"]).config["data"]
    (other / "result.json").write_text(json.dumps(record))
    code, out, _ = answer(capsys, "probe", str(other), "--json", "--picture", str(tmp_path / "lag.png"))
    assert code == 0 and "by_length" not in json.loads(out) and (tmp_path / "lag.png").stat().st_size > 1000
    assert json.loads(out)["gradient_by_lag"]["norms"] == record["gradient_by_lag"]["norms"][0]
    code, out, err = answer(capsys, "probe", str(other), "--lengths", "5")
    assert code == 2 and "has no sequences of any length to make" in err and err.count("\n") == 1 and not out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--lengths", "5,x"], "--lengths 5,x must be whole numbers >= 1 with commas between them"),
        (["--lengths", "0"], "must be whole numbers >= 1"),
        (["--lengths", "10001"], "parity_check has no sequences of length 10001; it has lengths 1, 2, 3, ..."),
        (["--count", "0"], "'0' must be a whole number >= 1"),
        (["--picture", "probe.gif"], "ends in neither .png nor .svg"),
        (["--weights", "3"], "has no finished seed 3"),
    ],
)
def test_wrong_words_are_one_sentence(parity: Path, capsys, words, sentence):
    code, out, err = answer(capsys, "probe", str(parity), *words)
    assert code == 2 and sentence in err and err.count("\n") == 1 and not out
