"""All data sets, found by looking: every module of `grux.data` with a `CARD` and `FILES` is one. Plain data only."""

import difflib
import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grux.data.card import Card
from grux.data.files import RawFile, matches
from grux.errors import UsageError


@dataclass(frozen=True)
class Entry:
    """One data set: its card and its files."""

    card: Card
    files: tuple[RawFile, ...]

    @property
    def own(self) -> bool:
        """Whether it reads a file of the user's own."""
        return not self.card.sizes

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in self.files)


def catalogue() -> dict[str, Entry]:
    """Every data set by name, in alphabetical order; loads and downloads nothing."""
    entries = {}
    for path in sorted(Path(__file__).parent.glob("*.py")):
        module = importlib.import_module(f"grux.data.{path.stem}") if path.stem != "__init__" else None
        card = getattr(module, "CARD", None)
        if isinstance(card, Card):
            entries[card.name] = Entry(card, tuple(getattr(module, "FILES", ())))
    return entries


def entry(name: str) -> Entry:
    """The data set of that name; raises `UsageError` that names the nearest."""
    entries = catalogue()
    if name not in entries:
        near = difflib.get_close_matches(name, entries, n=1)
        hint = f"did you mean {near[0]}?" if near else f"choose one of {', '.join(entries)}."
        raise UsageError(f"There is no data set {name!r}; {hint}")
    return entries[name]


def get(name: str) -> list[dict[str, Any]]:
    """Fetch every file that is not here yet and check it: {"file", "path", "bytes", "sha256", "origin"} for each."""
    return [
        {
            "file": file.name,
            "path": str(file.path()),
            "bytes": file.bytes,
            "sha256": file.sha256,
            "origin": file.origin,
        }
        for file in entry(name).files
    ]


def verify(name: str) -> list[dict[str, Any]]:
    """Check what is here, fetching nothing: {"file", "path" or None, "state": "good" | "damaged" | "missing"}."""
    return [_look(file, check=True) for file in entry(name).files]


def status(name: str) -> list[dict[str, Any]]:
    """Like `verify`, but reads no file: "state" is "present" or "missing"."""
    return [_look(file, check=False) for file in entry(name).files]


def _look(file: RawFile, *, check: bool) -> dict[str, Any]:
    path = file.local()
    if path is None:
        state = "missing"
    elif not check:
        state = "present"
    else:
        state = "good" if matches(path, file) else "damaged"
    return {"file": file.name, "path": str(path) if path else None, "state": state}
