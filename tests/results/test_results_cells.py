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
