"""Run folders on disk: files written whole or not at all, and every run found again whatever state it is in.

    runs/<experiment>/<slug>-<hash>/  config.yaml status.json metrics.jsonl artifacts/ checkpoints/ result.json (last)

Reading never fails on what a file holds: a half-written, foreign or newer file makes a run "damaged", with the reason.
"""

import contextlib
import datetime
import errno
import json
import math
import os
import secrets
import socket
import stat
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grux.errors import DataError, StorageError, UsageError
from grux.results.schema import RECORD_FORMAT, is_shallow, problem_of_record, problem_of_status

__all__ = [
    "RECORD_FORMAT",
    "Run",
    "find_runs",
    "is_gone",
    "plain",
    "read_json",
    "read_metrics",
    "write_atomic",
    "write_json",
    "write_output",
]

WALK_DEPTH = 4  # root/experiment/run and room for one more level; a home folder given by mistake is not searched whole

_STATES = ("done", "running", "failed", "interrupted")
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
_NO_ACCESS = (errno.EACCES, errno.EPERM, errno.EROFS)


@dataclass(frozen=True)
class Run:
    """One run folder and what its files say.

    `state` is done, running, failed, interrupted, unknown (nothing says how far it got) or damaged; `problem` is the
    reason in words for every state but done and running. `record` is `result.json` (done only), `status` is
    `status.json`; both were checked against `grux.results.schema`. `config` is the resolved config, {} without one.
    """

    path: Path
    run_id: str
    experiment: str
    state: str
    status: dict[str, Any] | None
    record: dict[str, Any] | None
    config: dict[str, Any]
    problem: str | None = None

    @property
    def choices(self) -> dict[str, str]:
        """Which option each config group took (`arch`, `data`, ...); {} where nothing says so."""
        source = self.record or self.status or {}
        return {key: value for key, value in (source.get("choices") or {}).items() if value is not None}

    @property
    def created(self) -> str:
        """ISO time of the record, else of the start; "" where unknown. Sorts by age."""
        return str((self.record or {}).get("created") or (self.status or {}).get("started") or "")


# Writing


def write_atomic(path: str | os.PathLike, data: str | bytes) -> None:
    """Writes the file so that at any moment, also after a crash or power cut, `path` is the old file or the new one.

    Raises StorageError where the disk is full or the folder cannot be written; the old file is then untouched.
    """
    path = Path(path)
    payload = data.encode() if isinstance(data, str) else data
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        try:
            # Not tempfile: its files are private, and results are for the group to read.
            with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "wb") as file:
                file.write(payload)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        _sync_folder(path.parent)
    except OSError as error:
        raise storage_error(path, error) from error


def write_output(path: str | os.PathLike, data: str | bytes) -> None:
    """Writes a file where a user wants it, folders that are not there included. Raises StorageError."""
    folder = Path(path).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(folder, error) from error
    write_atomic(path, data)


def write_json(path: str | os.PathLike, obj: object) -> None:
    """Writes `obj` atomically as standard JSON; numpy values and paths are accepted, see `plain`."""
    write_atomic(path, json.dumps(plain(obj), indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def plain(obj: Any) -> Any:
    """`obj` in JSON's own types: numpy scalars and arrays as numbers and lists, non-finite numbers as strings.

    JSON has no NaN, Infinity or -Infinity; a string keeps what happened, and `float` reads it back. Raises TypeError
    for a type that JSON cannot hold.
    """
    if obj is None or isinstance(obj, (bool, int)):
        return obj
    if isinstance(obj, str):
        return obj.encode(errors="replace").decode()  # a lone surrogate cannot be written as UTF-8
    if isinstance(obj, float):
        return float(obj) if math.isfinite(obj) else "NaN" if obj != obj else "Infinity" if obj > 0 else "-Infinity"
    if isinstance(obj, dict):
        return {plain(str(key)): plain(value) for key, value in obj.items()}
    if isinstance(obj, (list, tuple, set, frozenset)):
        return [plain(item) for item in obj]
    if isinstance(obj, os.PathLike):
        return plain(os.fspath(obj))
    if isinstance(obj, (datetime.datetime, datetime.date)):
        return obj.isoformat()
    if hasattr(obj, "tolist"):  # numpy, without importing it
        return plain(obj.tolist())
    raise TypeError(f"a record holds numbers, strings, lists and mappings, but was given {type(obj).__name__}.")


def storage_error(path: str | os.PathLike, error: OSError) -> StorageError:
    """The sentence for an operating-system error on `path`."""
    if error.errno in _NO_SPACE:
        return StorageError(
            f"'{path}' could not be written: the disk is full; free some space and run the same command again."
        )
    if error.errno in _NO_ACCESS:
        return StorageError(
            f"'{path}' may not be written by this user; change its permissions or choose another folder."
        )
    return StorageError(
        f"'{path}' could not be used ({error.strerror or error}); choose another folder or repair this one."
    )


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # a folder cannot be opened there, and NTFS journals the rename
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network file systems cannot sync a folder
            raise
    finally:
        os.close(descriptor)


# Reading


def read_json(path: str | os.PathLike) -> Any:
    """What the file holds. Raises StorageError where it cannot be read and DataError where it is not JSON."""
    try:
        # A pipe or device under this name would block for ever.
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise DataError(f"'{path}' is not a plain file; remove it or name another one.")
        content = Path(path).read_bytes()
    except OSError as error:
        raise StorageError(f"'{path}' could not be read ({error.strerror or error}); check that it exists.") from error
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DataError(f"'{path}' is not valid JSON ({error}): it is damaged or half written; remove it.") from error


def read_metrics(run: Run | str | os.PathLike) -> list[dict[str, Any]]:
    """The rows of `metrics.jsonl`, in order; [] where there is none.

    Lines that are not JSON objects are left out: the last line of a running or killed run may be torn.
    """
    path = (run.path if isinstance(run, Run) else Path(run)) / "metrics.jsonl"
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return []
        lines = path.read_bytes().splitlines()
    except OSError:
        return []
    rows = []
    for line in lines:
        with contextlib.suppress(ValueError, RecursionError):
            row = json.loads(line)
            if isinstance(row, dict):
                rows.append(row)
    return rows


def find_runs(paths: Iterable[str | os.PathLike]) -> list[Run]:
    """All runs in or below the paths, each once, sorted by path.

    A path is a run folder, a file in one, an experiment folder or the root of all runs. Links below a path are not
    followed, and the search ends `WALK_DEPTH` folders down. Raises UsageError for a path that does not exist; never
    for what a file holds.
    """
    folders: dict[str, Path] = {}
    for given in map(Path, paths):
        if not given.exists():
            raise UsageError(f"there is no '{given}'; name a run, an experiment folder or the folder of all runs.")
        for folder in _run_folders(given if given.is_dir() else given.parent, WALK_DEPTH):
            folders.setdefault(os.path.realpath(folder), folder)
    return [read_run(folder) for _, folder in sorted(folders.items())]


def read_run(folder: str | os.PathLike) -> Run:
    """The run in this folder, in whatever state it is."""
    folder = Path(folder)
    record, record_problem = _read_checked(folder / "result.json", problem_of_record)
    status, status_problem = _read_checked(folder / "status.json", problem_of_status)
    state, problem = _state(record, record_problem, status, status_problem)
    # The record carries the config; parsing YAML for a hundred finished runs would cost more than the table.
    config = record["config"] if record else _read_config(folder / "config.yaml")
    where = Path(os.path.realpath(folder))
    return Run(
        path=folder,
        run_id=record["run_id"] if record else where.name,
        experiment=record["experiment"] if record else where.parent.name,
        state=state,
        status=status,
        record=record,
        config=config,
        problem=problem,
    )


def _run_folders(folder: Path, depth: int) -> Iterable[Path]:
    try:
        with os.scandir(folder) as entries:
            found = {entry.name: entry.is_dir(follow_symlinks=False) for entry in entries}
    except OSError:  # a folder that may not be read, or that vanished
        return
    if "status.json" in found or "result.json" in found or {"config.yaml", "metrics.jsonl"} <= found.keys():
        yield folder
    elif depth > 0:
        for name in sorted(name for name, is_folder in found.items() if is_folder):
            yield from _run_folders(folder / name, depth - 1)


def _read_checked(path: Path, problem_of) -> tuple[dict[str, Any] | None, str | None]:
    """(content, None), (None, problem) or (None, None) where there is no such file."""
    if not os.path.lexists(path):
        return None, None
    try:
        content = read_json(path)
    except (DataError, StorageError) as error:
        return None, f"{path.name} is damaged ({error.__cause__ or error})"
    if problem := problem_of(content):
        return None, problem
    return content, None


def _state(record, record_problem, status, status_problem) -> tuple[str, str | None]:
    if record:  # written once, whole, last: it outranks a status that a kill left behind
        return "done", None
    if record_problem or status_problem:
        return "damaged", record_problem or status_problem
    if status is None:
        return (
            "unknown",
            "it has neither status.json nor result.json: it never started or was copied in part",
        )
    state, message = status["state"], status.get("message") or ""
    if state not in _STATES:
        return "unknown", f"its status.json gives an unknown state, {state!r}"
    if state == "done":
        return "damaged", "its status.json says done, but result.json is missing"
    if state == "running":
        if is_gone(status):
            return "interrupted", "its process is gone: it was killed; the same command goes on where it stopped"
        return "running", None
    kind = status.get("kind")
    return state, ": ".join(part for part in (kind, message) if part) or "no reason was written down"


def is_gone(owner: dict[str, Any]) -> bool:
    """Whether the process {pid, host} is certainly dead; one on another machine is believed to live."""
    pid, host = owner.get("pid"), owner.get("host")
    if pid is None or pid <= 0 or sys.platform == "win32" or (host and host != socket.gethostname()):
        return False
    try:
        os.kill(pid, 0)  # signal 0 only asks whether it exists
    except (ProcessLookupError, OverflowError):
        return True
    except OSError:  # it exists and is another user's
        return False
    return False


def _read_config(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    import yaml  # only runs without a record need it

    class Loader(yaml.SafeLoader):
        def compose_node(self, parent, index):
            if self.check_event(yaml.AliasEvent):  # grux writes none, and a few of them unfold without end
                raise yaml.YAMLError("a config has no aliases")
            return super().compose_node(parent, index)

    try:
        config = plain(yaml.load(path.read_bytes(), Loader))  # a SafeLoader
    except (OSError, ValueError, TypeError, RecursionError, yaml.YAMLError):
        return {}
    return config if isinstance(config, dict) and is_shallow(config) else {}
