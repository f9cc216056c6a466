"""Safe extraction: an archive from the network may be hostile.

Only regular files come out. Links, devices, absolute or upward paths, drive letters, NUL bytes, over-long names,
names that differ by case only, and archives that grow beyond the caps are refused before anything is in place: the
content is written into a temporary folder, which is renamed last. (The `filter` of `tarfile` was itself bypassable:
CVE-2025-4517; it is not relied on.)
"""

import gzip
import io
import lzma
import os
import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from grux.errors import DataError

MAX_MEMBERS = 200_000
MAX_BYTES = 8 << 30
MAX_RATIO = 200  # uncompressed to compressed; text reaches about 10, a bomb 1,000
SMALL = 1 << 20  # below this many bytes the ratio does not matter
BLOCK = 1 << 20
DAMAGED = (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError, zlib.error, lzma.LZMAError, NotImplementedError)


def extract(
    archive: Path,
    folder: Path,
    *,
    max_members: int = MAX_MEMBERS,
    max_bytes: int = MAX_BYTES,
    max_ratio: int = MAX_RATIO,
) -> Path:
    """Extract a tar (plain, gz, bz2, xz) or zip archive into `folder`, which must not exist yet; returns `folder`."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".extract-", dir=folder.parent))
    limit = _limit(archive, max_bytes, max_ratio)
    seen: set[str] = set()
    try:
        for number, (name, stream) in enumerate(_members(archive)):
            if number >= max_members:
                raise DataError(f"{archive}: more than {max_members} members; the archive was refused.")
            target = _target(work, name, archive, seen)
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as out:
                limit = _copy(stream, out, limit, archive)
        os.rename(work, folder)
    except DAMAGED as error:
        raise DataError(f"{archive} cannot be extracted to {folder} ({error}); get a good copy.") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return folder


def contents(
    archive: Path,
    ending: str | tuple[str, ...],
    *,
    max_members: int = MAX_MEMBERS,
    max_bytes: int = MAX_BYTES,
    max_ratio: int = MAX_RATIO,
) -> Iterator[tuple[str, bytes]]:
    """Name and content of each file of an archive whose name ends so, in order; nothing is written to disk."""
    limit = _limit(archive, max_bytes, max_ratio)
    seen: set[str] = set()
    try:
        for number, (name, stream) in enumerate(_members(archive)):
            if number >= max_members:
                raise DataError(f"{archive}: more than {max_members} members; the archive was refused.")
            _own_name(name, archive, seen)
            out = io.BytesIO()  # the caps hold for what is left out, too
            limit = _copy(stream, out, limit, archive)
            if name.endswith(ending):
                yield name, out.getvalue()
    except DAMAGED as error:
        raise DataError(f"{archive} cannot be read ({error}); get a good copy.") from error


def decompress(path: Path, *, max_bytes: int = MAX_BYTES, max_ratio: int = MAX_RATIO) -> bytes:
    """The content of a .gz file, within the caps."""
    limit = _limit(path, max_bytes, max_ratio)
    try:
        with gzip.open(path) as stream:
            content = stream.read(limit + 1)
    except DAMAGED as error:
        raise DataError(f"{path} cannot be decompressed ({error}); get a good copy.") from error
    if len(content) > limit:
        raise DataError(f"{path} grows beyond {limit} bytes; it was refused.")
    return content


def read_member(archive: Path, name: str) -> bytes:
    """The content of one file of an archive, under the same rules. Raises `DataError` where there is no such file."""
    for found, content in contents(archive, name):
        if found == name:
            return content
    raise DataError(f"{archive} has no {name}; get a good copy.")


def _limit(archive: Path, max_bytes: int, max_ratio: int) -> int:
    return min(max_bytes, max(SMALL, archive.stat().st_size * max_ratio))


def _members(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Name and content of each regular file, in order; folders are skipped, anything else is refused."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as bundle:
            for entry in bundle.infolist():
                kind = stat.S_IFMT(entry.external_attr >> 16)
                if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                    raise DataError(f"{archive}: {entry.filename!r} is a link or device; the archive was refused.")
                # The reader cuts a name at NUL; what was cut off is seen in the original name only.
                _check_name(entry.orig_filename, archive)
                if not entry.is_dir():
                    with bundle.open(entry) as stream:
                        yield entry.filename, stream
        return
    with tarfile.open(archive, "r:*") as bundle:
        for member in bundle:
            _check_name(member.name, archive)
            if member.isdir():
                continue
            # GNU sparse files count as regular, but cost nothing to be huge.
            stream = bundle.extractfile(member) if member.isreg() and not member.issparse() else None
            if stream is None:
                raise DataError(f"{archive}: {member.name!r} is a link or device; the archive was refused.")
            yield member.name, stream


def _check_name(name: str, archive: Path) -> list[str]:
    """The parts of a member's name; raises if it could lead anywhere but down."""
    plain = name.replace("\\", "/")
    parts = [part for part in plain.split("/") if part not in ("", ".")]
    bad = (
        plain.startswith("/")
        or ".." in parts
        or any(":" in part or len(os.fsencode(part)) > 255 for part in parts)
        or any(ord(character) < 32 for character in name)
    )
    if bad:
        raise DataError(f"{archive}: {name[:200]!r} is not a plain relative path; the archive was refused.")
    return parts


def _target(work: Path, name: str, archive: Path, seen: set[str]) -> Path:
    target = work.joinpath(*_own_name(name, archive, seen))
    if not target.resolve().is_relative_to(work.resolve()):
        raise DataError(f"{archive}: {name!r} leads out of its folder; the archive was refused.")
    return target


def _own_name(name: str, archive: Path, seen: set[str]) -> list[str]:
    """The parts of a name that no member before it has."""
    parts = _check_name(name, archive)
    if not parts:
        raise DataError(f"{archive}: {name!r} names no file; the archive was refused.")
    folded = "/".join(parts).casefold()
    if folded in seen:
        raise DataError(f"{archive}: {name!r} stands in it twice (case apart); the archive was refused.")
    seen.add(folded)
    return parts


def _copy(stream: IO[bytes], out: IO[bytes], limit: int, archive: Path) -> int:
    """Copy and return what is left of the cap."""
    while block := stream.read(BLOCK):
        limit -= len(block)
        if limit < 0:
            raise DataError(f"{archive} grows beyond its size limit; it was refused.")
        out.write(block)
    return limit
