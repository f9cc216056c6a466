"""Files of one's own: found, decoded and cut into rows. Each oddity is a sentence with its line, or a choice.

A byte order mark, CRLF, and blank lines at the end say nothing and are taken in silence.
"""

import codecs
import csv
import difflib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from grux.data.files import sha256
from grux.data.texts import cut_table, read_text
from grux.data.wording import several
from grux.errors import DataError, UsageError
from grux.nearest import nearest_keys

Separator = Literal["comma", "semicolon", "tab", "bar"]
SEPARATORS: dict[str, str] = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|"}
Empty = Literal["refuse", "skip"]
MISSING = frozenset({"", "na", "nan", "n/a", "<na>", "null", "none", "-", "?"})
"""Cells that stand for no value, in lower case."""

KEPT_OUT = "remove it, or leave out all like it by data.empty=skip"


@dataclass(frozen=True)
class Table:
    """The rows of a file below its header, each with the line that it ends on, as many cells as the header has."""

    path: Path
    header: list[str]
    rows: list[tuple[int, list[str]]]
    skipped: int
    """Empty lines that were left out."""

    def column(self, name: str, key: str) -> int:
        """The place of a column; raises `DataError` that names the nearest. `key` is the setting that asked for it."""
        if name not in self.header:
            raise DataError(f"{self.path}: there is no column {name!r} ({key}); {near(name, self.header)}")
        return self.header.index(name)

    def skip_notes(self) -> tuple[str, ...]:
        return (
            (f"Left out: {several(self.skipped, 'empty line', 'empty lines')} of {self.path.name}.",)
            if self.skipped
            else ()
        )


def near(name: str, known: Sequence[str], there: str = "the header has") -> str:
    """ "did you mean 'load'?", else what there is."""
    folded = {other.casefold(): other for other in known}
    found = [folded[name.casefold()]] if name.casefold() in folded else nearest_keys(name, known)
    if not found:
        found = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {found[0]!r}?" if found else f"{there} {', '.join(known)}."


def own_path(given: str, key: str = "") -> Path:
    """The file of that name, given by the setting `key`; raises `DataError` where there is none."""
    path, named = Path(given).expanduser(), f"{key}={given}" if key else given
    if path.is_dir():
        raise DataError(f"{named} is a folder; name one file in it.")
    if not path.is_file():
        there = [file.name for file in path.parent.iterdir() if file.is_file()] if path.parent.is_dir() else []
        found = difflib.get_close_matches(path.name, there, n=1)
        hint = f"did you mean {path.with_name(found[0])}?" if found else "give the path from where grux is started."
        raise DataError(f"{named}: there is no such file; {hint}")
    return path


def own_paths(path: str | None, validation: str | None, test: str | None, data: str) -> dict[str, Path]:
    """The files by split: one that is to be divided, or three."""
    if (validation is None) != (test is None):
        given, lacking = ("validation", "test") if test is None else ("test", "validation")
        raise UsageError(
            f"data.{given} is given and data.{lacking} is not; give both, or neither, and data.path is divided."
        )
    if path is None:
        raise UsageError(f"data={data} reads a file of your own: name it, like data.path=my.csv.")
    found = {"train": own_path(path, "data.path")}
    if validation is not None and test is not None:
        found |= {
            "validation": own_path(validation, "data.validation"),
            "test": own_path(test, "data.test"),
        }
    if len({file.resolve() for file in found.values()}) < len(found):
        raise UsageError("data.path, data.validation and data.test name a file twice; each part needs one of its own.")
    return found


def own_hashes(paths: Sequence[Path]) -> dict[str, str]:
    """SHA-256 by name, or by path where two files have one name."""
    names = [path.name for path in paths]
    alike = len(set(names)) < len(names)
    return {str(path) if alike else path.name: sha256(path) for path in paths}


def own_text(path: Path, encoding: str) -> str:
    """The text of a file; raises `DataError` for one without any, or of another encoding, with the line."""
    try:
        codecs.lookup(encoding)
    except LookupError:
        raise UsageError(f"data.encoding={encoding} is unknown; write utf-8, latin-1, cp1252, utf-16.") from None
    with path.open("rb") as stream:
        marked = stream.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    other = "utf-16" if marked else "latin-1"
    text = read_text(path, encoding, remedy=f"convert the file, or name its encoding, like data.encoding={other}")
    if not text.strip():
        raise DataError(f"{path} is empty; name a file with something in it.")
    return text


def separator_of(line: str) -> str:
    """The separator that cuts a header into the most cells; the comma where none cuts it."""
    return max(SEPARATORS.values(), key=lambda mark: len(next(csv.reader(io.StringIO(line), delimiter=mark), [])))


def header_of(path: Path, encoding: str) -> list[str]:
    """The cells of the first line that is not empty, whatever stands below; raises `DataError` as `own_text` does."""
    line = _first_line(own_text(path, encoding))
    return [cell.strip() for cell in next(csv.reader([line], delimiter=separator_of(line)))]


def _first_line(text: str) -> str:
    return text.lstrip("\r\n").splitlines()[0]


def read_own(path: Path, *, encoding: str, separator: str | None, empty: Empty) -> Table:
    """A table with a header.

    Raises `DataError` with the line for an empty file, a header without rows, without names or with one twice, for
    ragged rows and, unless they are to be skipped, for empty lines between others.
    """
    text = own_text(path, encoding)
    mark = SEPARATORS[separator] if separator else separator_of(_first_line(text))
    lines = [(line, [cell.strip() for cell in row]) for line, row in cut_table(text, path, mark)]
    while not any(lines[-1][1]):
        lines.pop()
    blank = [line for line, row in lines if not any(row)]
    if blank and empty == "refuse":
        more = f" ({len(blank)} in all)" if len(blank) > 1 else ""
        raise DataError(f"{path}, line {blank[0]}: the line is empty{more}; {KEPT_OUT}.")
    (first, header), *rows = ((line, row) for line, row in lines if any(row))
    _check_header(header, f"{path}, line {first}")
    if not rows:
        raise DataError(f"{path} has a header and no rows; add rows below it.")
    for line, row in rows:
        if len(row) != len(header):
            raise DataError(
                f"{path}, line {line}: {len(row)} cells where the header has {len(header)}; repair the row, or name "
                "what separates cells: data.separator=comma, semicolon, tab or bar."
            )
    return Table(path, header, rows, len(blank))


def _check_header(header: list[str], where: str) -> None:
    if len(header) < 2:
        raise DataError(
            f"{where}: the header has one column, {header[0]!r}; at least two are needed, or name what separates "
            "them: data.separator=comma, semicolon, tab or bar."
        )
    for place, name in enumerate(header, start=1):
        if not name:
            raise DataError(f"{where}: column {place} has no name; give it one.")
        if header.count(name) > 1:
            raise DataError(f"{where}: column {name!r} stands {header.count(name)} times in the header; rename one.")


def read_own_lines(path: Path, encoding: str) -> Iterator[tuple[int, str]]:
    """The lines of a file with their numbers, without blank ones at the end."""
    text = own_text(path, encoding)
    if "\r" in text and "\n" not in text:
        raise DataError(f"{path}: its lines end in CR alone; convert it to line feeds.")
    # Only line feeds end a line: `splitlines` would also cut at characters such as U+0085.
    lines = text.split("\n")
    while not lines[-1].strip():
        lines.pop()
    for number, line in enumerate(lines, start=1):
        yield number, line.rstrip("\r")
