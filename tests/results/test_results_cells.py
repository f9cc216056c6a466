"""What a table says of runs that did not finish, and when it stops saying it."""

import json
import os

import pytest
from fake_runs import make_config, make_record, write_run, write_unfinished

from grux.results.record import find_runs
from grux.results.render import render
from grux.results.table import make_table

BEFORE, AFTER = "2026-11-21T09:00:00Z", "2026-11-21T11:00:00Z"  # a fake run is finished at ten


def notes_of(root):
    return [text for _, text in make_table(find_runs([root])).notes]


def test_an_interrupted_run_says_how_to_go_on_and_says_it_once(tmp_path):
    message = "Stopped at step 400 of 1000 and saved; start the same command again to go on from there."
    write_run(tmp_path, arch="gru")
    write_unfinished(tmp_path, "interrupted", arch="lstm", kind="Interrupted", message=message)
    (note,) = notes_of(tmp_path)
    assert note.startswith(
        "lstm on sst2: interrupted, step 400 of 1000; the same command goes on where it stopped, see"
    )


def test_a_killed_run_is_interrupted_with_its_reason(tmp_path):
    write_run(tmp_path, arch="gru")
    write_unfinished(tmp_path, "running", arch="lstm", pid=2**22 + 1, host=os.uname().nodename)
    (note,) = notes_of(tmp_path)
    assert "interrupted, step 400 of 1000 (its process is gone: it was killed" in note
    assert note.count("the same command goes on") == 1


def test_a_result_cut_in_half_is_named_and_can_be_made_again(tmp_path):
    write_run(tmp_path, arch="gru")
    folder = write_unfinished(tmp_path, "done", arch="lstm")
    (folder / "result.json").write_text(json.dumps(make_record(arch="lstm"))[:500])
    table = make_table(find_runs([tmp_path]))
    assert [row.cells[0].state for row in table.rows] == ["done", "damaged"]
    assert "result.json is damaged" in table.notes[0][1] and "the same command makes it again" in table.notes[0][1]


@pytest.mark.parametrize("state", ["failed", "interrupted"])
def test_a_try_that_was_made_good_later_is_forgotten(tmp_path, state):
    write_run(tmp_path, arch="gru")
    folder = write_unfinished(tmp_path, state, kind="OutOfMemory", message="no room", started=BEFORE)
    smaller = make_config(arch="gru", data="sst2", batch_size=64)
    (folder / "config.yaml").write_text(json.dumps(smaller))
    assert notes_of(tmp_path) == []
    status = json.loads((folder / "status.json").read_text())
    (folder / "status.json").write_text(json.dumps(status | {"started": AFTER}))
    assert len(notes_of(tmp_path)) == 1  # it came after the one that is shown


def test_more_seeds_that_never_came_are_not_forgotten(tmp_path):
    write_run(tmp_path, arch="gru")
    folder = write_unfinished(tmp_path, "failed", message="no room", started=BEFORE, choices=make_record()["choices"])
    config = make_config(arch="gru", data="sst2", seeds=5)
    (folder / "config.yaml").write_text(json.dumps(config))
    table = make_table(find_runs([tmp_path]))
    assert table.rows[0].cells[0].state == "partial" and "failed" in render(table)
    (folder / "config.yaml").write_text(json.dumps(config | {"seeds": 2}))
    assert notes_of(tmp_path) == []  # their seeds are there


def test_a_run_that_goes_on_is_not_forgotten(tmp_path):
    write_run(tmp_path, arch="gru")
    folder = write_unfinished(tmp_path, "running", pid=os.getpid(), started=BEFORE)
    (folder / "config.yaml").write_text(json.dumps(make_config(arch="gru", data="sst2", seeds=2)))
    assert len(notes_of(tmp_path)) == 1


def test_of_a_seed_that_exists_twice_the_newest_counts(tmp_path):
    config = make_config(arch="gru", data="sst2", seeds=3)
    new = make_record(config=config, scores=[0.7, 0.71, 0.72]) | {"experiment": "bbb", "created": AFTER}
    old = make_record(config=config, scores=[0.9, 0.91, 0.92]) | {"experiment": "aaa", "created": BEFORE}
    for record in (new, old):
        write_run(tmp_path, record)
    table = make_table(find_runs([tmp_path]), show=("seconds",))
    (cell,) = table.rows[0].cells
    assert cell.scores == {0: 0.7, 1: 0.71, 2: 0.72}
    assert cell.facts["seconds"] == pytest.approx(31.2)  # of the runs that are shown
    assert notes_of(tmp_path) == ["gru on sst2: several runs have seeds 0, 1, 2; the newest is shown"]


def test_an_older_score_does_not_stand_in_for_a_seed_that_diverged(tmp_path):
    config = make_config(arch="gru", data="sst2", seeds=3)
    new = make_record(config=config, diverged=(1,)) | {"experiment": "bbb", "created": AFTER}
    old = make_record(config=config) | {"experiment": "aaa", "created": BEFORE}
    for record in (new, old):
        write_run(tmp_path, record)
    (cell,) = make_table(find_runs([tmp_path])).rows[0].cells
    assert cell.scores.keys() == {0, 2} and cell.state == "partial"


def test_more_seeds_add_to_those_that_are_there(tmp_path):
    first = make_record(config=make_config(arch="gru", data="sst2", seeds=3)) | {"run_id": "first"}
    more = make_record(config=make_config(arch="gru", data="sst2", seeds=3, first_seed=3)) | {"run_id": "more"}
    for entry in more["seeds"]:
        entry["seed"] += 3
    for record in (first, more):
        write_run(tmp_path, record)
    (cell,) = make_table(find_runs([tmp_path])).rows[0].cells
    assert list(cell.scores) == [0, 1, 2, 3, 4, 5] and cell.state == "done" and cell.notes == ()
    assert cell.facts["seconds"] == pytest.approx(62.4)
