"""What is in a file of one's own before it is trained on, what is odd in it, and the settings that answer that."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grux.data.findings import Findings, of_the_file
from grux.data.forecasting import chronological_parts
from grux.data.own_series import number
from grux.data.own_texts import shared
from grux.data.profile_series import fitting, series_profile, watching
from grux.data.profile_texts import pairs_profile, plain_profile, texts_profile
from grux.data.profile_turns import turns_profile
from grux.data.sniff import Column, Sheet, sniff
from grux.data.wording import several

SORTS = {
    "csv_series": "a series in the order of time",
    "csv_text": "texts with a class each",
    "tsv_pairs": "pairs of source and target",
    "tsv_turns": "dialogues, turn by turn",
    "text": "plain text",
    "table": "a table",
}
TELL = {
    "csv_series": series_profile,
    "csv_text": texts_profile,
    "tsv_pairs": pairs_profile,
    "tsv_turns": turns_profile,
    "text": plain_profile,
}
SHOWN = 4  # classes that are named in a line of the table of columns
ANOMALY = "csv_anomaly"
PARTS = ("data.path", "data.validation", "data.test")


@dataclass(frozen=True)
class Profile:
    """One file."""

    sheet: Sheet
    findings: Findings

    @property
    def title(self) -> str:
        """ "my.csv: a series in the order of time, 240 rows of 3 columns"."""
        sheet = self.sheet
        size = f", {len(sheet.rows)} rows of {len(sheet.columns)} columns" if sheet.columns else ""
        return f"{sheet.path}: {SORTS[sheet.kind]}{size}"

    @property
    def written(self) -> str:
        """ "utf-8, lines end in LF, comma between cells"."""
        sheet = self.sheet
        mark = " with a byte order mark" if sheet.marked else ""
        between = f", {sheet.separator} between cells" if sheet.separator else ""
        decimal = ", decimal commas" if sheet.decimal == "comma" else ""
        return f"{sheet.encoding}{mark}, lines end in {sheet.ending}{between}{decimal}"


def profile(path: Path) -> Profile:
    """Look through one file; raises `DataError` where there is nothing to look at."""
    sheet, found = sniff(path), Findings()
    of_the_file(sheet, found)
    if sheet.kind in TELL:
        TELL[sheet.kind](sheet, found)
    else:
        found.odd.append(
            "There is no column of times beside numbers, none of classes beside texts, no texts on both sides of a tab "
            "and no dialogues, or line 1 is no header: nothing here is known to train on."
        )
        found.trainable = False
    return Profile(sheet, found)


def contents(sheet: Sheet, column: Column) -> str:
    """What a column holds, in a few words: its range, its classes, its length."""
    there = [cell for cell in sheet.cells(column) if cell]
    if column.holds == "nothing":
        return ""
    if column.holds == "time":
        return f"{there[0]} ... {there[-1]}"
    if column.holds == "number":
        odd = {cell for _, cell in column.odd}
        values = [number(cell, sheet.decimal) for cell in there if cell not in odd]
        values = [value for value in values if value == value]
        return f"{min(values):g}" if column.distinct == 1 else f"{min(values):g} to {max(values):g}"
    if column.holds == "class":
        counts = Counter(there).most_common()
        shown = ", ".join(f"{name} {count}" for name, count in counts[:SHOWN])
        return f"{shown}, {len(counts) - SHOWN} more" if len(counts) > SHOWN else shown
    longest = max(there, key=len)
    return f"up to {len(longest)} characters"


def between(profiles: Sequence[Profile]) -> list[str]:
    """What files have in common that are to be parts of one data set, and what they should have: a sentence each."""
    found = []
    first = profiles[0].sheet
    for later in (profile.sheet for profile in profiles[1:]):
        if later.kind != first.kind:
            found.append(f"{later.path} is {SORTS[later.kind]}, {first.path} is {SORTS[first.kind]}.")
        names, others = ([column.name for column in sheet.columns] for sheet in (first, later))
        lacking = [name for name in names if name not in others]
        if lacking and later.kind == first.kind:
            found.append(f"{later.path} lacks the column {lacking[0]!r} of {first.path}.")
    for i, one in enumerate(profiles):
        for other in profiles[i + 1 :]:
            found += _leaks(one, other)
    return found


def _leaks(one: Profile, other: Profile) -> list[str]:
    """What a file holds that an earlier one holds too: rows of series, inputs of others."""
    if one.sheet.kind == "csv_series" == other.sheet.kind:
        what, count = "rows", len(other.sheet.rows)
        there = {tuple(cells): line for line, cells in reversed(one.sheet.rows)}
        lines = [(there[tuple(cells)], line) for line, cells in other.sheet.rows if tuple(cells) in there]
    else:
        what = "dialogues" if other.sheet.kind == "tsv_turns" else "inputs"
        count = len(other.findings.examples)
        lines = [(a.line, b.line) for a, b in shared(one.findings.examples, other.findings.examples)]
    if not lines:
        return []
    before, after = lines[0]
    stand = several(len(lines), "stands", "stand")
    return [
        f"Leak: of {count} {what} of {other.sheet.path} {stand} in {one.sheet.path} too (line {after}, there {before})."
    ]


def command(profiles: Sequence[Profile], data: str | None = None) -> dict[str, Any] | None:
    """The settings with which `grux train` takes one file, or those of train, validation and test; None: none do.

    `data`: another data set than that of the kind, for series `csv_anomaly`.
    """
    alike = len({(profile.sheet.kind, profile.sheet.encoding) for profile in profiles}) == 1
    if len(profiles) not in (1, len(PARTS)) or not alike or not all(p.findings.trainable for p in profiles):
        return None
    kind = profiles[0].sheet.kind
    if data == ANOMALY and kind != "csv_series":
        return None
    settings: dict[str, Any] = {"data": data or kind}
    settings |= {key: str(profile.sheet.path) for key, profile in zip(PARTS, profiles, strict=False)}
    for profile in reversed(profiles):  # the first file decides where two differ
        settings |= profile.findings.settings
    if kind == "csv_series":
        rows = [profile.findings.rows for profile in profiles]
        train, *others = rows if len(rows) > 1 else chronological_parts(rows[0])
        found = profiles[0].findings
        if data == ANOMALY:
            return settings | watching(train, found.season, found.label)
        fits = fitting(train, min(others), found.season)
        return settings | fits if fits else None
    if len(profiles) == 1:
        return settings
    first, *later = (profile.findings.examples for profile in profiles)
    return settings | ({"data.leaks": "drop"} if any(shared(first, examples) for examples in later) else {})
