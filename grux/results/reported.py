"""Scores that papers print, to stand beside the measured ones: `experiments/<name>/reported.csv`.

    row,column,metric,score,source,status[,spread,split,note]
    gru,sst2,accuracy,81.4,"Doe et al. 2017, Table 2",checked,0.3,,best of 5 seeds

`row` and `column` are names of the table, `metric` a name of the record, `score` (and `spread`, what the paper prints
behind ±) as the paper prints it: percent where grux prints percent. `status` says where the number was seen:

    checked       in the paper itself
    stored-text   in a copy of its text
    derived       computed from other numbers of the paper
    memory        nowhere yet: such a number is not shown
"""

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from grux.errors import DataError, UsageError
from grux.results.cells import Notes
from grux.results.contents import Line, Reported
from grux.results.units import Unit

NEEDED = ("row", "column", "metric", "score", "source", "status")
OPTIONAL = ("spread", "split", "note")
SHOWN = ("checked", "stored-text", "derived")
STATUSES = (*SHOWN, "memory")


@dataclass(frozen=True)
class Claim:
    """One line of the file, numbers as printed."""

    row: str
    column: str
    metric: str
    split: str
    score: float
    spread: float | None
    source: str
    status: str
    note: str


def read_reported(path: str | Path) -> list[Claim]:
    """Every line of the file. Raises UsageError where there is no such file, DataError for the first wrong line."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, IsADirectoryError) as error:
        raise UsageError(f"there is no file '{path}' with reported scores; leave --reported out.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"'{path}' could not be read ({error}); it must be CSV in UTF-8.") from error
    reader = csv.DictReader(io.StringIO(text), strict=True)
    try:
        rows = list(reader)
    except csv.Error as error:
        raise DataError(f"'{path}', line {reader.line_num}: it is no CSV ({error}); repair it.") from error
    names = reader.fieldnames or []
    if missing := [name for name in NEEDED if name not in names]:
        raise DataError(f"'{path}' has no column {', '.join(missing)}; its first line must be {','.join(NEEDED)}.")
    if doubled := [str(name) for number, name in enumerate(names) if name in names[:number]]:
        raise DataError(f"'{path}' has the column {doubled[0]} twice; keep one of the two.")
    if unknown := [str(name) for name in names if name not in NEEDED + OPTIONAL]:
        raise DataError(f"'{path}' has the unknown column {unknown[0]}; columns are {', '.join(NEEDED + OPTIONAL)}.")
    claims = [_claim(row, f"'{path}', entry {number}") for number, row in enumerate(rows, start=1)]
    seen: set[tuple[str, ...]] = set()
    for claim in claims:
        key = (claim.row, claim.column, claim.metric, claim.split)
        if key in seen:
            raise DataError(f"'{path}' has {' '.join(key)} twice; keep one of the two, or give them different rows.")
        seen.add(key)
    return claims


def _claim(row: dict[str, str | None], where: str) -> Claim:
    if None in row or None in row.values():
        raise DataError(f"{where} has another number of fields than the first line; quote texts that hold a comma.")
    texts = {key: (value or "").strip() for key, value in row.items()}
    if empty := [key for key in NEEDED if not texts[key]]:
        raise DataError(f"{where} has no {empty[0]}; a reported score needs {', '.join(NEEDED)}.")
    if texts["status"] not in STATUSES:
        raise DataError(f"{where}: the status {texts['status']!r} is not known; choose one of {', '.join(STATUSES)}.")
    spread = _number(texts["spread"], "spread", where) if texts.get("spread") else None
    if spread is not None and spread < 0:
        raise DataError(f"{where}: the spread {texts['spread']} is below zero; write what the paper prints behind ±.")
    return Claim(
        row=texts["row"],
        column=texts["column"],
        metric=texts["metric"],
        split=texts.get("split") or "test",
        score=_number(texts["score"], "score", where),
        spread=spread,
        source=texts["source"],
        status=texts["status"],
        note=texts.get("note", ""),
    )


def _number(text: str, name: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise DataError(f"{where}: the {name} {text!r} is not a number; write one number a line, such as 81.4.")
    return value


def placed(
    claims: Sequence[Claim], rows: Sequence[str], lines: Sequence[Line], notes: Notes
) -> dict[tuple[str, str], Reported]:
    """(row, line) -> what stands there. Sources, and what is not shown and why, become footnotes."""
    units = {line.name: line.unit for line in lines}
    found: dict[tuple[str, str], Reported] = {}
    memory, absent, other = [], [], []
    for claim in claims:
        name = f"{claim.row} on {claim.column}"
        unit = units.get(claim.column)
        if unit is None or claim.row not in rows:
            absent.append(name)
        elif (claim.metric, claim.split) != (unit.metric, unit.split):
            other.append(f"{name} ({claim.split} {claim.metric})")
        elif claim.status == "memory":
            memory.append(name)
        else:
            found[claim.row, claim.column] = _reported(claim, unit, notes)
    if memory:
        notes.letter(f"reported scores from memory are not shown: {_few(memory)}; check them against their source")
    if absent:
        notes.letter(f"reported scores without runs beside them: {_few(absent)}")
    if other:
        notes.letter(f"reported scores of another metric or split: {_few(other)}")
    return found


def _reported(claim: Claim, unit: Unit, notes: Notes) -> Reported:
    spread = None if claim.spread is None else claim.spread / unit.scale
    letter = notes.letter(f"reported: {claim.source} ({claim.status}){f'; {claim.note}' if claim.note else ''}")
    letters = [letter]
    if unit.scale > 1 and 0 < claim.score <= 1:
        text = f"the reported {claim.score:g} for {claim.row} on {claim.column} is taken for percent"
        letters.append(notes.letter(f"{text}; if it is a fraction, write {claim.score * unit.scale:g}"))
    return Reported(claim.score / unit.scale, spread, claim.source, claim.status, tuple(letters))


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
