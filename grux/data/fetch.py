"""Files from the network: mirror or public address, SHA-256 pinned, into a cache that never holds half a file.

`GRUX_CACHE` is the cache folder (default: the platform's cache folder), `GRUX_MIRROR` a folder or an http(s) address
laid out as `<dataset>/<file>` that is asked before the public address.
"""

import os
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grux.data.files import RawFile, matches, sha256
from grux.errors import DataError, StorageError

ATTEMPTS = 3
ATTEMPTS_TO_CONNECT = 2
WAIT = 1.0  # seconds before the second attempt, doubled for each further one
TIMEOUT = 30.0  # seconds without an answer
TIMEOUT_TO_CONNECT = 5.0  # a machine without a network must say so soon


@dataclass(frozen=True)
class File(RawFile):
    """A file with a public address."""

    url: str
    """ "" where it has none of its own, and `remedy` says how else it is had."""
    remedy: str = ""

    @property
    def origin(self) -> str:
        return self.url

    def local(self) -> Path | None:
        path = cache_folder() / self.dataset / self.name
        return path if path.is_file() else None

    def path(self) -> Path:
        return fetch(self)


def cache_folder() -> Path:
    """Where data files are kept."""
    if given := os.environ.get("GRUX_CACHE"):
        return Path(given).expanduser() / "data"
    import platformdirs

    return platformdirs.user_cache_path("grux") / "data"


def fetch(file: File) -> Path:
    """The checked file in the cache; taken from the mirror or the public address if it is not there yet."""
    target = cache_folder() / file.dataset / file.name
    if target.is_file() and matches(target, file):
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        # A folder of our own beside the target: processes do not meet, and the last move is atomic.
        work = Path(tempfile.mkdtemp(prefix=".fetch-", dir=target.parent))
    except OSError as error:
        raise StorageError(
            f"The data cache {target.parent} cannot be written ({error.strerror}); set GRUX_CACHE to a folder that can."
        ) from error
    try:
        fresh = work / "file"
        origin = _obtain(file, fresh)
        if not matches(fresh, file):
            raise DataError(
                f"{origin} has SHA-256 {sha256(fresh)}, but {file.sha256} is expected; the file is damaged or was "
                "replaced, so it was not used: get a good copy or another mirror."
            )
        os.replace(fresh, target)
    except OSError as error:
        raise StorageError(f"{file.dataset}/{file.name} could not be stored in {target.parent}: {error}.") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return target


def _obtain(file: File, target: Path) -> str:
    """Write the file to `target` from the first place that has it; returns that place."""
    mirror = os.environ.get("GRUX_MIRROR", "")
    addresses = [file.url] if file.url else []
    if mirror.startswith(("http://", "https://")):
        addresses.insert(0, f"{mirror.rstrip('/')}/{file.dataset}/{file.name}")
    elif mirror:
        source = Path(mirror).expanduser() / file.dataset / file.name
        if source.is_file():
            shutil.copyfile(source, target)
            return str(source)
        if not Path(mirror).expanduser().is_dir():
            raise DataError(
                f"GRUX_MIRROR={mirror} is not a folder, so {file.dataset}/{file.name} was not looked for elsewhere; "
                "set it to the folder or address of the mirror, or unset it to take files from the network."
            )
    problems = []
    for address in addresses:
        problem = download(address, target, file.bytes)
        if problem is None:
            return address
        problems.append(f"{address} ({problem})")
    where = f"GRUX_MIRROR={mirror} does not have it" if mirror else "GRUX_MIRROR is not set"
    if not file.url:
        raise DataError(
            f"{file.dataset}/{file.name} has no public address of its own, and {where}; {file.remedy}, or set "
            f"GRUX_MIRROR to a folder or address that holds {file.dataset}/{file.name}."
        )
    raise DataError(
        f"{file.dataset}/{file.name} could not be downloaded from {' or '.join(problems)}, and {where}; connect to the "
        f"network, or set GRUX_MIRROR to a folder or address that holds {file.dataset}/{file.name}."
    )


def download(address: str, target: Path, size: int) -> str | None:
    """Download with retries; returns None, or what went wrong in a few words."""
    import pooch
    import requests

    problem = None
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(WAIT * 2 ** (attempt - 1))
        bar: Any = sys.stderr.isatty() and _Bar(address.rsplit("/", 1)[-1], size)
        try:
            get = pooch.HTTPDownloader(progressbar=bar, timeout=(TIMEOUT_TO_CONNECT, TIMEOUT), chunk_size=1 << 16)
            get(address, str(target), None)
            return None
        except requests.HTTPError as error:
            code = error.response.status_code if error.response is not None else 0
            problem = f"HTTP status {code}"
            if 400 <= code < 500 and code != 429:  # asking again will not help
                break
        except requests.ConnectionError:
            problem = "no connection"
            if attempt + 1 == ATTEMPTS_TO_CONNECT:
                break
        except requests.Timeout:
            problem = f"no answer in {TIMEOUT:g} seconds"
        except requests.RequestException as error:
            problem = type(error).__name__
        finally:
            if bar:
                bar.stop()
    return problem


class _Bar:
    """The progress object that pooch asks for, drawn by rich."""

    def __init__(self, name: str, size: int):
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

        columns: list[Any] = [TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn()]
        self._progress = Progress(*columns, console=Console(stderr=True))
        self._task = self._progress.add_task(f"download {name}", total=size)
        self._progress.start()
        self.total = size

    def update(self, count: int) -> None:
        self._progress.update(self._task, advance=count)

    def reset(self) -> None:
        self._progress.reset(self._task)

    def close(self) -> None:
        """pooch closes after it has set the bar to full; `stop` ends the display."""

    def stop(self) -> None:
        self._progress.stop()
