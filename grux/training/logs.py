"""What a run writes while it trains: `metrics.jsonl` first, TensorBoard beside it.

The metrics file is the truth: tables and plots read nothing else. TensorBoard is a convenience and must never hold up
training: tensorboardX blocks for ever once its writer thread has died of a full disk, so all calls to it are made in a
thread of our own behind a bounded queue, and what does not fit is dropped.
"""

import contextlib
import json
import logging
import math
import os
import queue
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from grux.errors import StorageError
from grux.results.record import write_atomic

log = logging.getLogger(__name__)

Row = dict[str, Any]
"""One line: step, epoch, seed, split, seconds, and the metrics."""

COORDINATES = frozenset({"step", "epoch", "seed", "split", "seconds"})


class MetricsLog:
    """The lines of `metrics.jsonl`, with a copy to TensorBoard."""

    def __init__(self, folder: Path, *, tensorboard: bool, after: int | None = None):
        """`after`: the step that a resumed run goes on from; TensorBoard then forgets what came later."""
        self._path = folder / "metrics.jsonl"
        self._file = open(self._path, "a", encoding="utf-8")  # noqa: SIM115  (closed in close)
        self._board = (
            BoardWriter(folder / "events", purge_step=None if after is None else after + 1) if tensorboard else None
        )

    def write(self, rows: Iterable[Row]) -> None:
        """Append rows; the lines are with the operating system when this returns."""
        rows = list(rows)
        try:
            self._file.writelines(json.dumps(_finite(row)) + "\n" for row in rows)
            self._file.flush()
        except OSError as error:
            raise StorageError(
                f"{self._path} could not be written ({error.strerror}); free some space, then start the same command "
                "again to go on."
            ) from error
        if self._board is not None:
            for row in rows:
                self._board.scalars(row)

    def sync(self) -> None:
        """Bring the lines to the disk, so that a checkpoint never knows of steps that the log has lost."""
        with contextlib.suppress(OSError):
            os.fsync(self._file.fileno())

    def summary(self, run_id: str, settings: dict[str, Any], scores: dict[int, dict[str, float]]) -> None:
        """The row of this run in TensorBoard's HParams table: mean of `scores` (seed -> name -> value)."""
        if self._board is not None:
            self._board.summary(run_id, settings, scores)

    def close(self) -> None:
        with contextlib.suppress(OSError):  # of a full disk, which `write` has told
            self._file.close()
        if self._board is not None:
            self._board.close()


def rewind(folder: Path, step: int) -> None:
    """Drop the lines of steps after `step` (and a torn last line): a resumed run writes them again."""
    path = folder / "metrics.jsonl"
    if not path.exists():
        return
    kept = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        with contextlib.suppress(ValueError, KeyError, TypeError):
            if json.loads(line)["step"] <= step:
                kept.append(line + "\n")
    write_atomic(path, "".join(kept))


class BoardWriter:
    """tensorboardX behind a queue that never blocks."""

    CAPACITY = 10_000
    PATIENCE = 5.0  # seconds to wait for the last events at the end of a run

    def __init__(self, folder: Path, *, purge_step: int | None = None):
        self._folder = folder
        self._purge_step = purge_step
        self._queue: queue.Queue = queue.Queue(self.CAPACITY)
        self._dropped = False
        self._thread = threading.Thread(target=self._work, name="tensorboard", daemon=True)
        self._thread.start()

    def scalars(self, row: Row) -> None:
        values = {k: v for k, v in row.items() if k not in COORDINATES and isinstance(v, float) and math.isfinite(v)}
        self._put(("scalars", row["step"], f"{row['split']}/seed{row['seed']}", values))

    def summary(self, run_id: str, settings: dict[str, Any], scores: dict[int, dict[str, float]]) -> None:
        for seed, values in scores.items():
            finite = {name: value for name, value in values.items() if math.isfinite(value)}
            self._put(("summary", self._folder / "hparams" / f"seed{seed}", session(run_id, settings), finite))

    def close(self) -> None:
        self._put(None)
        self._thread.join(self.PATIENCE)

    def _put(self, item: Any) -> None:
        try:
            self._queue.put_nowait(item)
        except queue.Full:
            if not self._dropped:
                log.warning("TensorBoard does not keep up or has died; its events are dropped, metrics.jsonl is whole")
            self._dropped = True

    def _work(self) -> None:
        try:
            from tensorboardX import SummaryWriter  # here: its import costs as much as all of grux's commands

            writer = SummaryWriter(str(self._folder), purge_step=self._purge_step)
            while (item := self._queue.get()) is not None:
                if item[0] == "scalars":
                    _, step, prefix, values = item
                    for name, value in values.items():
                        writer.add_scalar(f"{prefix}/{name}", value, step)
                else:
                    _, folder, (start, end), values = item
                    with SummaryWriter(str(folder)) as own:  # HParams knows a session by its folder
                        for summary in (start, end):
                            own._get_file_writer().add_summary(summary)
                        for name, value in values.items():
                            own.add_scalar(name, value)
            writer.close()
        except Exception as error:  # whatever happens to TensorBoard, the run goes on
            log.warning("TensorBoard stopped (%s); metrics.jsonl is whole", error)


def session(group: str, settings: dict[str, Any]) -> tuple[Any, Any]:
    """The two summaries that make a folder of events a session of the HParams plugin: its start and its end.

    Sessions of one `group` (the seeds of a run) are one row, with the mean of their metrics. tensorboardX's own
    `add_hparams` knows no groups, and writes an experiment for each session, of which TensorBoard reads a single one:
    the settings and metrics that this one does not have are then missing for all runs. Without any, it looks at all.
    """
    from tensorboardX.proto import api_pb2, plugin_hparams_pb2, summary_pb2

    api: Any = api_pb2  # their classes are made when they are imported: no checker sees them
    plugin: Any = plugin_hparams_pb2
    summary: Any = summary_pb2
    start = plugin.SessionStartInfo(group_name=group)
    for key, value in settings.items():
        kind = "bool" if isinstance(value, bool) else "number" if isinstance(value, int | float) else "string"
        setattr(start.hparams[key], f"{kind}_value", value if kind != "string" else str(value))
    made = []
    end = plugin.SessionEndInfo(status=api.Status.Value("STATUS_SUCCESS"))
    for name, content in (("start", start), ("end", end)):
        data = plugin.HParamsPluginData(version=0, **{f"session_{name}_info": content}).SerializeToString()
        owner = summary.SummaryMetadata.PluginData(plugin_name="hparams", content=data)
        metadata = summary.SummaryMetadata(plugin_data=owner)
        made.append(
            summary.Summary(value=[summary.Summary.Value(tag=f"_hparams_/session_{name}_info", metadata=metadata)])
        )
    return made[0], made[1]


def _finite(row: Row) -> Row:
    """JSON has no NaN: a value that is not finite becomes null."""
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in row.items()}
