"""The metrics file is whole whatever happens, and TensorBoard never holds up a run."""

import json
import logging
import math
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from grux.errors import StorageError
from grux.training.logs import BoardWriter, MetricsLog, rewind


def row(step: int, split: str = "train", **metrics: float) -> dict:
    return {"step": step, "epoch": step / 10, "seed": 3, "split": split, "seconds": 0.5, **metrics}


def read(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_lines_are_there_at_once_and_appended(tmp_path: Path):
    for start in (1, 3):
        log = MetricsLog(tmp_path, tensorboard=False)
        log.write([row(start, loss=0.1), row(start + 1, loss=0.2)])
        assert len(read(tmp_path)) == start + 1  # before it is closed
        log.sync()
        log.close()
    assert read(tmp_path)[3] == row(4, loss=0.2)


def test_json_has_no_nan(tmp_path: Path):
    log = MetricsLog(tmp_path, tensorboard=False)
    log.write([row(1, loss=math.nan, f1=math.inf, accuracy=0.5), row(2, loss=-math.inf)])
    log.close()
    first, second = read(tmp_path)
    assert (first["loss"], first["f1"], first["accuracy"], second["loss"]) == (None, None, 0.5, None)
    assert "NaN" not in (tmp_path / "metrics.jsonl").read_text()


def test_a_full_disk_is_a_sentence(tmp_path: Path):
    log = MetricsLog(tmp_path, tensorboard=False)
    log._file.close()
    log._file = open("/dev/full", "a")  # noqa: SIM115
    with pytest.raises(StorageError, match=r"metrics.jsonl could not be written \(No space left on device\)"):
        log.write([row(1, loss=0.1)])
    log.close()


def test_rewind_drops_what_will_be_written_again(tmp_path: Path):
    path = tmp_path / "metrics.jsonl"
    whole = [json.dumps(row(step, split, loss=0.25)) for step in (1, 5, 7, 9) for split in ("train", "validation")]
    path.write_text("\n".join(whole) + '\n{"step": 5, "epo')
    rewind(tmp_path, 5)
    assert path.read_text() == "\n".join(whole[:4]) + "\n"
    rewind(tmp_path, 5)
    assert path.read_text() == "\n".join(whole[:4]) + "\n"
    log = MetricsLog(tmp_path, tensorboard=False)
    log.write([row(7, loss=0.5)])
    log.close()
    assert len(read(tmp_path)) == 5
    rewind(tmp_path, -1)
    assert path.read_text() == ""


@pytest.mark.parametrize(
    "torn", [b"\0" * 40, b"\xff\xfe\x80", b"[1]", b"7", b'{"step": null}', b'{"step": "9"}', b"{}"]
)
def test_rewind_survives_what_a_power_cut_leaves(tmp_path: Path, torn: bytes):
    path = tmp_path / "metrics.jsonl"
    good = (json.dumps(row(1, loss=0.25)) + "\n").encode()
    path.write_bytes(good + torn)
    rewind(tmp_path, 5)
    assert path.read_bytes() == good


def test_rewind_without_a_file(tmp_path: Path):
    rewind(tmp_path, 5)
    assert not list(tmp_path.iterdir())


# TensorBoard


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine may take its time to import tensorboardX."""
    monkeypatch.setattr(BoardWriter, "PATIENCE", 120.0)


def events(folder: Path) -> tuple[dict[str, list[tuple[int, float]]], str]:
    """(scalars by tag, all bytes): the event files read with the protobuf of tensorboardX."""
    from tensorboardX.proto import event_pb2

    scalars: dict[str, list[tuple[int, float]]] = {}
    for event in messages(folder, event_pb2.Event):
        for value in event.summary.value:
            if value.HasField("simple_value"):
                scalars.setdefault(value.tag, []).append((event.step, value.simple_value))
    content = b"".join(path.read_bytes() for path in sorted(folder.rglob("events.out.tfevents*")))
    return scalars, content.decode("latin-1")


def messages(folder: Path, kind: Any) -> Iterator[Any]:
    """Every message of the event files below a folder."""
    for path in sorted(folder.rglob("events.out.tfevents*")):
        data = path.read_bytes()
        while data:  # uint64 length, uint32 CRC, the event, uint32 CRC
            size = int(np.frombuffer(data[:8], "<u8")[0])
            yield kind.FromString(data[12 : 12 + size])
            data = data[16 + size :]


def test_tensorboard_reads_the_same_numbers(tmp_path: Path):
    log = MetricsLog(tmp_path, tensorboard=True)
    log.write([row(1, loss=0.25), row(2, loss=0.125), row(2, "validation", loss=math.nan, accuracy=0.75)])
    log.close()
    scalars, content = events(tmp_path / "events")
    assert scalars["train/seed3/loss"] == [(1, 0.25), (2, 0.125)]
    assert scalars["validation/seed3/accuracy"] == [(2, 0.75)] and "validation/seed3/loss" not in scalars
    assert not {name for name in scalars if name.endswith(("seconds", "epoch", "step"))}
    assert "hparams" not in content


def test_seeds_of_a_run_are_one_row_of_hparams(tmp_path: Path):
    """Read with the plugin's own messages: a session for each seed, of one group; no experiment that hides others."""
    from tensorboardX.proto import event_pb2, plugin_hparams_pb2

    log = MetricsLog(tmp_path, tensorboard=True)
    settings = {"arch": "gru", "model.features": 32, "learning_rate": 0.01, "model.residual": False}
    log.summary("gru-1", settings, {0: {"test/accuracy": 0.5, "test/loss": math.nan}, 3: {"test/accuracy": 0.75}})
    log.close()
    assert sorted(path.parent.name for path in (tmp_path / "events" / "hparams").rglob("events.out*")) == [
        "seed0",
        "seed3",
    ]
    for seed, score in ((0, 0.5), (3, 0.75)):
        folder = tmp_path / "events" / "hparams" / f"seed{seed}"
        scalars, _ = events(folder)
        assert scalars == {"test/accuracy": [(0, score)]}
        found = {}
        for event in messages(folder, event_pb2.Event):
            for value in event.summary.value:
                if value.metadata.plugin_data.plugin_name == "hparams":
                    content = value.metadata.plugin_data.content
                    found[value.tag] = plugin_hparams_pb2.HParamsPluginData.FromString(content)
        assert set(found) == {"_hparams_/session_start_info", "_hparams_/session_end_info"}
        start = found["_hparams_/session_start_info"].session_start_info
        assert start.group_name == "gru-1"
        kinds = {name: value.WhichOneof("kind") for name, value in start.hparams.items()}
        assert kinds == {"arch": "string_value", "model.features": "number_value", "learning_rate": "number_value"} | {
            "model.residual": "bool_value"
        }
        assert (start.hparams["arch"].string_value, start.hparams["model.features"].number_value) == ("gru", 32)
        assert found["_hparams_/session_end_info"].session_end_info.status == 1  # success


def test_without_tensorboard_there_are_no_events(tmp_path: Path):
    log = MetricsLog(tmp_path, tensorboard=False)
    log.write([row(1, loss=0.25)])
    log.summary("run", {}, {0: {}})
    log.close()
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.jsonl"]


def test_a_dead_writer_does_not_stop_the_run(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    """A file where the folder should be kills the writer at once; thousands of rows later nothing has blocked."""
    (tmp_path / "events").write_text("")
    began = time.monotonic()
    log = MetricsLog(tmp_path, tensorboard=True)
    assert log._board is not None
    log._board._thread.join(30)
    with caplog.at_level(logging.WARNING):
        for step in range(BoardWriter.CAPACITY + 50):
            log._board.scalars(row(step, loss=0.5))
    log.write([row(1, loss=0.25)])
    log.close()
    assert time.monotonic() - began < 30 and len(read(tmp_path)) == 1
    assert sum("TensorBoard does not keep up" in record.message for record in caplog.records) == 1


def test_a_hanging_writer_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """tensorboardX blocks for ever when its own thread has died of a full disk."""
    import tensorboardX

    release = threading.Event()

    class Hanging:
        def __init__(self, folder: str, **_):
            release.wait(60)

        def add_scalar(self, *_): ...
        def close(self): ...

    monkeypatch.setattr(tensorboardX, "SummaryWriter", Hanging)
    monkeypatch.setattr(BoardWriter, "CAPACITY", 3)
    monkeypatch.setattr(BoardWriter, "PATIENCE", 0.2)
    began = time.monotonic()
    board = BoardWriter(tmp_path / "events")
    for step in range(20):
        board.scalars(row(step, loss=0.5))
    board.summary("run", {}, {0: {}})
    board.close()
    assert time.monotonic() - began < 20 and board._thread.is_alive()
    release.set()
    board._queue.get()  # a place for the word to stop
    board._queue.put(None)
    board._thread.join(20)
    assert not board._thread.is_alive()
