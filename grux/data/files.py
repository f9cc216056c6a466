"""What a raw file of a data set is, wherever it comes from, and how its content is checked."""

import hashlib
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class RawFile(ABC):
    """A file whose content is pinned by its SHA-256."""

    dataset: str
    name: str
    sha256: str
    bytes: int
    licence: str
    others: tuple[str, ...] = field(default=(), kw_only=True)
    """SHA-256 of files that hold the same, packed otherwise: a mirror may have one and the public address another."""

    @property
    @abstractmethod
    def origin(self) -> str:
        """Where it comes from, for a reader."""

    @abstractmethod
    def local(self) -> Path | None:
        """Where it lies on this machine, unchecked; None if it does not."""

    @abstractmethod
    def path(self) -> Path:
        """Where it lies on this machine, fetched if need be, its content checked; raises `DataError`."""


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's content."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def matches(path: Path, file: RawFile) -> bool:
    """Whether the content at `path` is the pinned one; the size is compared first, as it costs nothing."""
    if path.stat().st_size != file.bytes and not file.others:
        return False
    return sha256(path) in (file.sha256, *file.others)


def hashes(files: tuple[RawFile, ...]) -> dict[str, str]:
    """SHA-256 by name, as a run records it."""
    return {file.name: file.sha256 for file in files}
