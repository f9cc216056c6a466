"""Run folders: files are whole or absent, and every folder is read whatever it holds."""

import errno
import json
import math
import os
import subprocess
import sys

import numpy as np
import pytest
from fake_runs import make_record, write_run, write_unfinished
from hypothesis import given, settings
from hypothesis import strategies as st

from grux.errors import DataError, StorageError, UsageError
from grux.results.overview import list_runs, show_run
from grux.results.record import find_runs, read_json, read_metrics, read_run, write_atomic, write_json
from grux.results.render import FORMATS, render
from grux.results.table import make_table


def test_write_json_makes_standard_json_of_numpy_and_non_finite_numbers(tmp_path):
    values = {
        "a": np.float32(0.5),
        "b": np.arange(3),
        "c": math.nan,
        "d": [math.inf, -math.inf],
        5: tmp_path,
        "f": "\ud800",
    }
    write_json(tmp_path / "x.json", values)

    def refuse(token):
        raise AssertionError(f"{token} is no JSON")

    read = json.loads((tmp_path / "x.json").read_text(), parse_constant=refuse)
    assert read == {
        "a": 0.5,
        "b": [0, 1, 2],
        "c": "NaN",
        "d": ["Infinity", "-Infinity"],
        "5": str(tmp_path),
        "f": "?",
    }
    with pytest.raises(TypeError, match="object"):
        write_json(tmp_path / "x.json", object())
    assert os.listdir(tmp_path) == ["x.json"]


@pytest.mark.parametrize("failing", ["fsync", "replace"])
@pytest.mark.parametrize(("number", "words"), [(errno.ENOSPC, "disk is full"), (errno.EACCES, "may not be written")])
def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path, monkeypatch, failing, number, words):
    write_atomic(tmp_path / "x", "old")

    def fail(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, failing, fail)
    with pytest.raises(StorageError, match=words):
        write_atomic(tmp_path / "x", "new")
    assert (tmp_path / "x").read_text() == "old"
    assert os.listdir(tmp_path) == ["x"]


def test_write_is_synced_before_it_is_renamed(tmp_path, monkeypatch):
    calls = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *args, _name=name, _real=real: (calls.append(_name), _real(*args))[1])
    write_atomic(tmp_path / "x", b"data")
    assert calls == ["fsync", "replace", "fsync"]  # the file, its name, the folder


def test_write_into_a_missing_folder_is_a_storage_error(tmp_path):
    with pytest.raises(StorageError, match="No such file"):
        write_atomic(tmp_path / "missing" / "x", "")


def test_read_json_names_what_is_wrong(tmp_path):
    (tmp_path / "half.json").write_text('{"a": 1')
    with pytest.raises(DataError, match="not valid JSON"):
        read_json(tmp_path / "half.json")
    with pytest.raises(StorageError, match="could not be read"):
        read_json(tmp_path / "missing.json")
    os.mkfifo(tmp_path / "pipe.json")  # opening it would wait for ever
    with pytest.raises(DataError, match="not a plain file"):
        read_json(tmp_path / "pipe.json")


def test_find_runs_takes_runs_experiments_and_roots_once_each(tmp_path):
    first = write_run(tmp_path, arch="gru")
    second = write_run(tmp_path, arch="lstm")
    for paths in ([tmp_path], [first.parent], [first, second], [first, tmp_path, first / "result.json"]):
        assert [run.choices["arch"] for run in find_runs(paths)] == ["gru", "lstm"]
    assert {run.state for run in find_runs([tmp_path])} == {"done"}
    with pytest.raises(UsageError, match="there is no"):
        find_runs([tmp_path / "nowhere"])


def test_find_runs_follows_no_links_and_stops_at_a_depth(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    write_run(elsewhere)
    root = tmp_path / "root"
    deep = root.joinpath(*"abcdefg")
    deep.mkdir(parents=True)
    (root / "loop").symlink_to(root)
    (root / "link").symlink_to(elsewhere)
    write_run(deep)
    assert find_runs([root]) == []
    assert len(find_runs([root / "link"])) == 1  # given by name


def test_states(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    cases = {
        "running": (write_unfinished(tmp_path, "running", arch="a"), None),
        "interrupted": (write_unfinished(tmp_path, "running", arch="b", data="ett", pid=gone.pid), "process is gone"),
        "failed": (write_unfinished(tmp_path, "failed", kind="OutOfMemory", message="too big"), "OutOfMemory: too big"),
        "damaged": (write_unfinished(tmp_path, "done", arch="c"), "result.json is missing"),
        "unknown": (write_unfinished(tmp_path, "dreaming", arch="d"), "unknown state"),
    }
    for state, (folder, problem) in cases.items():
        run = read_run(folder)
        assert run.state == state
        assert (run.problem is None) if problem is None else (problem in (run.problem or ""))
        assert run.config["model"]["features"] == 128  # from config.yaml
    other = write_unfinished(tmp_path, "running", arch="e", pid=gone.pid, host="another-machine")
    assert read_run(other).state == "running"


def test_a_record_outranks_a_status_that_a_kill_left_behind(tmp_path):
    folder = write_run(tmp_path)
    write_json(folder / "status.json", {"state": "running", "pid": 1})
    assert read_run(folder).state == "done"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"format": 1, "run_', "damaged"),
        (b"\xff\xfe\x00", "damaged"),
        (b"[" * 100_000, "damaged"),
        (b"[]", "not a mapping"),
        (b"{}", "has no format"),
        (json.dumps(make_record() | {"format": 2}).encode(), "newer than this grux"),
        (json.dumps(make_record() | {"choices": {"arch": 3}}).encode(), "arch is not of type str"),
        (json.dumps(make_record() | {"config": json.loads("[" * 90 + "]" * 90)}).encode(), "nested too deep"),
    ],
)
def test_damaged_records_have_a_reason(tmp_path, content, words):
    folder = write_run(tmp_path)
    (folder / "result.json").write_bytes(content)
    run = read_run(folder)
    assert run.state == "damaged"
    assert words in (run.problem or "")
    assert run.record is None


def test_a_config_cannot_unfold_without_end(tmp_path):
    folder = write_unfinished(tmp_path, "failed")
    (folder / "config.yaml").write_text("a: &a [1]\nb: *a\n")
    assert read_run(folder).config == {}
    (folder / "config.yaml").write_text("a: !!python/object/apply:os.getcwd []\n")
    assert read_run(folder).config == {}


def test_read_metrics_leaves_out_a_torn_line(tmp_path):
    folder = write_run(tmp_path, metrics=True)
    rows = read_metrics(folder)
    assert len(rows) == 20 * 3 * 2
    with open(folder / "metrics.jsonl", "ab") as file:
        file.write(b'[1]\n{"step": 1050, "se\xff')
    assert read_metrics(read_run(folder)) == rows
    assert read_metrics(tmp_path) == []


def use(folder):
    """Everything that reads a run; errors for the user are answers, any other exception is a fault."""
    runs = find_runs([folder])
    list_runs(runs)
    for run in runs:
        show_run(run)
    for rows, columns in (("arch", "data"), ("data", "arch"), ("experiment", "model.features")):
        try:
            table = make_table(runs, rows=rows, columns=columns)
        except UsageError:
            continue
        for format in FORMATS:
            render(table, format).encode()


LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["NaN", 10**400])
)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
)


def paths_of(node, path=()):
    yield path
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        yield from paths_of(value, (*path, key))


PATHS = [path for path in paths_of(make_record(data="ett")) if path]


@settings(max_examples=150, deadline=None)
@given(path=st.sampled_from(PATHS), value=VALUES, name=st.sampled_from(["result.json", "status.json"]))
def test_no_changed_value_breaks_a_reader(tmp_path_factory, path, value, name):
    root = tmp_path_factory.mktemp("fuzz")
    write_run(root, arch="lstm", data="ett")
    changed = make_record(arch="gru", data="ett")
    folder = write_run(root, changed)
    node = changed
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    (folder / name).write_text(json.dumps(changed))
    use(root)


@settings(max_examples=80, deadline=None)
@given(
    content=st.binary(max_size=200) | st.text(max_size=50).map(lambda text: json.dumps(text).encode()),
    cut=st.integers(0, 2500),
)
def test_no_bytes_break_a_reader(tmp_path_factory, content, cut):
    root = tmp_path_factory.mktemp("fuzz")
    folder = write_run(root)
    whole = (folder / "result.json").read_bytes()
    for damaged in (content, whole[:cut], whole[:cut] + content + whole[cut:]):
        for name in ("result.json", "status.json", "metrics.jsonl", "config.yaml"):
            (folder / name).write_bytes(damaged)
        use(root)
        (folder / "result.json").write_bytes(whole)
        use(root)
