"""Splits of texts of one's own: by a hash of each text, or a file each; what stands in two of them is found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Literal, TypeVar

from grux.data.texts import hash_splits, plain
from grux.data.wording import several
from grux.errors import DataError

Leaks = Literal["refuse", "keep", "drop"]
T = TypeVar("T")


@dataclass(frozen=True)
class Example(Generic[T]):
    """What is learned from one row: `key` is its input, by which rows count as repeats."""

    key: str
    value: T
    path: Path
    line: int

    @property
    def where(self) -> str:
        return f"{self.path}, line {self.line}"


Parts = dict[str, list[Example[T]]]


def divided(files: Mapping[str, list[Example[T]]], leaks: Leaks, what: str) -> tuple[Parts[T], list[str]]:
    """Train, validation and test of one file or of three, and notes. `what` one example is: "text", "source".

    One file is divided 80, 10, 10 % by a hash of each input, so that equal ones stand on one side. Of three files, an
    input of validation or test that trains too is a leak. Raises `DataError` for a leak, and for a part without rows.
    """
    notes = []
    if len(files) == 1:
        (rows,) = files.values()
        places = hash_splits([row.key for row in rows], validation=0.1, test=0.1)
        parts = {part: [rows[i] for i in index] for part, index in places.items()}
        empty = next((part for part, index in places.items() if not index), None)
        if empty:
            count = several(len(rows), "row leaves", "rows leave")
            raise DataError(
                f"{rows[0].path}: its {count} none for {empty}; give more rows, or files of their own by "
                "data.validation=FILE data.test=FILE."
            )
    else:
        parts = dict(files)
        parts["train"], notes = _without_leaks(parts, leaks, what)
    for part, rows in parts.items():
        repeats = len(rows) - len({plain(row.key) for row in rows})
        if repeats:
            notes.append(f"Of {len(rows)} {part} rows {several(repeats, 'repeats', 'repeat')} the {what} of another.")
    return parts, notes


def shared(one: Sequence[Example[T]], other: Sequence[Example[T]]) -> list[tuple[Example[T], Example[T]]]:
    """Each example of `other` whose input stands in `one` too, behind the one there."""
    seen = {plain(row.key): row for row in reversed(one)}
    return [(seen[plain(row.key)], row) for row in other if plain(row.key) in seen]


def _without_leaks(parts: Parts[T], leaks: Leaks, what: str) -> tuple[list[Example[T]], list[str]]:
    notes = []
    if both := shared(parts["validation"], parts["test"]):
        rows = several(len(both), "test row", "test rows")
        notes.append(f"The {what} of {rows} stands in validation too, by which weights are chosen.")
    found = shared(parts["train"], [*parts["validation"], *parts["test"]])
    if not found:
        return parts["train"], notes
    first, second = found[0]
    if leaks == "refuse":
        raise DataError(
            f"{second.where}: its {what} stands in {first.where} too, case and blanks apart ({len(found)} in "
            "all); take it out of the training rows by data.leaks=drop, or leave it there by "
            "data.leaks=keep."
        )
    if leaks == "keep":
        rows = several(len(found), "row", "rows")
        flatter = f"The {what} of {rows} of validation and test is trained on too, so the scores flatter."
        return parts["train"], [*notes, flatter]
    later = {plain(row.key) for _, row in found}
    kept = [row for row in parts["train"] if plain(row.key) not in later]
    if not kept:
        raise DataError(f"data.leaks=drop leaves no training row: every {what} stands in validation or test too.")
    dropped = len(parts["train"]) - len(kept)
    return kept, [
        *notes,
        f"Left out: {several(dropped, 'training row', 'training rows')} whose {what} stands in validation or test too.",
    ]
