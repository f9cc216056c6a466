"""The same runs under each selection rule."""

import json

import pytest
from fake_runs import make_record, write_run

from grux.errors import UsageError
from grux.results.record import find_runs
from grux.results.render import render
from grux.results.table import make_table

SCORES = [0.80, 0.84, 0.82]
LAST = [0.78, 0.79, 0.83]


@pytest.fixture
def runs(tmp_path):
    record = make_record(scores=SCORES)
    for entry, last in zip(record["seeds"], LAST, strict=True):
        entry["last_scores"] = {"test": {"accuracy": last}, "validation": {"accuracy": last + 0.1}}
    folder = write_run(tmp_path, record)
    lines = []
    for step in range(1, 9):
        for seed in range(3):
            if seed == 1 and step > 6:
                continue  # it stopped early, and has last evaluations of its own
            for split, shift in (("validation", 0.1), ("test", 0.0)):
                row = {"step": step, "seed": seed, "split": split, "accuracy": step / 100 + seed / 10 + shift}
                lines.append(json.dumps(row))
    (folder / "metrics.jsonl").write_text("\n".join(lines) + '\n{"torn')
    write_run(tmp_path, arch="lstm", scores=[0.7, 0.7, 0.72])
    return tmp_path


def first(runs, **options):
    chosen = [run for run in find_runs([runs]) if run.choices["arch"] == "gru"]
    table = make_table(chosen, **options)
    return table, table.rows[0].cells[0]


def test_best_on_validation_is_the_default(runs):
    table, cell = first(runs)
    assert cell.summary.mean == pytest.approx(0.82)
    assert "Selection: best validation loss of each seed (select: best_val)." in table.caption


def test_last_weights(runs):
    table, cell = first(runs, select="last")
    assert list(cell.scores.values()) == LAST
    assert "Selection: last weights of each seed (select: last)." in table.caption
    assert first(runs, select="last", split="validation")[1].scores[0] == pytest.approx(0.88)


def test_the_best_seed(runs):
    table, cell = first(runs, select="max_over_seeds")
    assert (cell.summary.mean, cell.summary.n, cell.summary.half_width) == (0.84, 3, None)
    assert list(cell.scores.values()) == SCORES  # all stay in the CSV
    assert "the best of 3 seeds, chosen by the score that is shown, which is therefore too good" in table.caption
    assert "± " not in render(table) and "best validation loss of each seed" in table.caption
    both = make_table(find_runs([runs]), select="max_over_seeds")
    assert not both.any_best  # where luck was chosen nobody is best


def test_the_best_seed_goes_by_direction(tmp_path):
    write_run(tmp_path, data="ett", scores=[0.4, 0.3, 0.5])
    assert make_table(find_runs([tmp_path]), select="max_over_seeds").rows[0].cells[0].summary.mean == 0.3


def test_mean_over_the_last_evaluations(runs):
    table, cell = first(runs, select="mean_last_k", last=3)
    assert cell.scores == pytest.approx({0: 0.07, 1: 0.15, 2: 0.27})
    assert "mean over the last 3 evaluations of each seed" in table.caption
    validation = first(runs, select="mean_last_k", last=3, split="validation")[1]
    assert validation.scores == pytest.approx({0: 0.17, 1: 0.25, 2: 0.37})


def test_too_few_evaluations(runs):
    table, cell = first(runs, select="mean_last_k", last=7)
    assert list(cell.scores) == [0, 2] and cell.state == "partial"
    assert any("seed 1 had fewer than 7 evaluations; choose a smaller --last" in text for _, text in table.notes)
    with pytest.raises(UsageError, match="had fewer than 9 evaluations"):
        first(runs, select="mean_last_k", last=9)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"select": "last"}, r"no test accuracy of the last weights; train again with test_weights=last"),
        ({"select": "mean_last_k"}, "test_weights=every"),
        ({"select": "best"}, "choose one of best_val, last, mean_last_k, max_over_seeds"),
        ({"select": "mean_last_k", "last": 0}, "must be at least 1"),
    ],
)
def test_what_a_record_cannot_serve_is_answered(tmp_path, options, words):
    write_run(tmp_path)
    with pytest.raises(UsageError, match=words):
        make_table(find_runs([tmp_path]), **options)


def test_one_record_that_cannot_serve_shows_as_missing(runs):
    table = make_table(find_runs([runs]), select="last")
    states = {row.name: row.cells[0].state for row in table.rows}
    assert states == {"gru": "done", "lstm": "missing"}
    assert any("lstm on sst2: its record has no test accuracy of the last weights" in text for _, text in table.notes)
