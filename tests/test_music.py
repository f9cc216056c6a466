"""Music from the command line to the record: a short run on the chorales, its size, and the table made of it."""

import math

import pytest

from grux.cli import main
from grux.launch.jobs import prepare
from grux.results.record import read_run
from grux.results.render import render
from grux.results.table import make_table
from grux.run import run

KEYS = 88
WORDS = ("data=polyphonic_music", "match=parameters", "match_rule=chung", "budget=2000", "batch_size=64")


@pytest.fixture(scope="module")
def record_and_folder(tmp_path_factory, mirror):
    folder = tmp_path_factory.mktemp("music") / "run"
    shape = ("data.buckets=1", "steps=12", "learning_rate=3e-2", "progress=none", "tensorboard=false")
    job = prepare([*WORDS, *shape, f"run_dir={folder}"])
    return run(job.config, choices=job.choices, folder=job.folder, run_id=job.run_id), folder


def test_the_record(record_and_folder):
    record, _ = record_and_folder
    assert (record["metric"]["primary"], record["metric"]["higher_is_better"]) == ("nll", False)
    assert set(record["baselines"]) == {"note_frequencies", "previous_step"}
    for row in record["seeds"]:
        # Below a coin for each key after a few steps, and not below what years of papers have reached.
        assert 6 < row["scores"]["test"]["nll"] < KEYS * math.log(2)
    assert sum(part["examples"] for part in record["score_by_length"]["bins"]) == 77
    assert all(norms[0] > 0 for norms in record["gradient_by_lag"]["norms"])


def test_counted_baselines_are_what_they_were(record_and_folder):
    """Closed forms of the files; the same number whatever the batches, buckets and padding."""
    found = {name: scores["test"]["nll"] for name, scores in record_and_folder[0]["baselines"].items()}
    assert found == pytest.approx({"note_frequencies": 11.0614, "previous_step": 10.4783}, abs=1e-3)


def test_the_size_in_closed_form(record_and_folder):
    record, _ = record_and_folder
    width = record["config"]["model"]["features"]
    recurrent = 3 * width * (KEYS + width + 1)
    assert record["parameters"]["by_rule"]["chung"] == recurrent == pytest.approx(2000, rel=0.05)
    assert record["parameters"]["by_rule"]["melis"] == recurrent + KEYS * (width + 1)
    step = 2 * 3 * width * (KEYS + width)
    assert record["recurrence"]["step_flops"] == step
    # Padded to the longest of 129 steps; the head stands at every one.
    assert record["flops"]["forward_per_example"] == 132 * (step + 2 * width * KEYS)


def test_the_table_has_the_lower_score_for_the_better(record_and_folder):
    text = render(make_table([read_run(record_and_folder[1])]))
    assert "NLL ↓" in text and "note_frequencies" in text and "11.1" in text


def test_a_piece_is_written(record_and_folder, capsys, tmp_path):
    mido = pytest.importorskip("mido")
    file = tmp_path / "piece.mid"
    words = ["compose", str(record_and_folder[1]), "--steps", "40", "--tempo", "60", "--output", str(file)]
    assert main(words) == 0 and f"{file}: 40 steps, " in capsys.readouterr().out
    played = mido.MidiFile(file)
    assert played.length == pytest.approx(40.0)  # a step of a quarter note is a second
    assert any(message.type == "note_on" for message in played)
    first = file.read_bytes()
    assert main([*words, "--seed", "1"]) == 0 and file.read_bytes() != first
    assert main(words) == 0 and file.read_bytes() == first
    assert main([*words, "--tempo", "5000"]) == 2 and "tempo=5000" in capsys.readouterr().err
    assert main(["generate", str(record_and_folder[1])]) == 2
    assert "is a run of polyphony, and this is for language_modelling" in capsys.readouterr().err
