"""What a profile says of a file: facts and oddities, a sentence each, and the settings that would train on it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from grux.data.own_texts import Example
from grux.data.sniff import Sheet
from grux.data.wording import several

QUANTILES = (0.0, 0.5, 0.9, 0.99, 1.0)


@dataclass
class Findings:
    """Filled while a file is looked through."""

    facts: list[str] = field(default_factory=list)
    odd: list[str] = field(default_factory=list)
    """What would be refused, or what a reader of scores should know."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Settings of the command line that answer what is odd."""
    examples: list[Example[str]] = field(default_factory=list)
    """Input and class or target of each row (texts and pairs), to be compared with those of other files."""
    rows: int = 0
    """Rows of a series once gaps are filled."""
    season: int = 1
    """Rows of its season; 1 where none is known."""
    label: str | None = None
    """The column of a series that marks its anomalies."""
    trainable: bool = True


def quantiles(lengths: Sequence[int]) -> str:
    """ "1 to 40, median 12, 90 % up to 25, 99 % up to 38"."""
    low, middle, most, nearly, high = (round(float(q)) for q in np.quantile(lengths, QUANTILES))
    return f"{low} to {high}, median {middle}, 90 % up to {most}, 99 % up to {nearly}"


def first_lines(lines: Sequence[int]) -> str:
    """ "line 7", "lines 7, 9 and 12", "lines 7, 9, 12 and 5 more"."""
    if len(lines) == 1:
        return f"line {lines[0]}"
    shown, more = lines[:3], len(lines) - 3
    if more <= 0:
        return f"lines {', '.join(map(str, lines[:-1]))} and {lines[-1]}"
    return f"lines {', '.join(map(str, shown))} and {more} more"


def of_the_file(sheet: Sheet, found: Findings) -> None:
    """What is odd in how the file is written."""
    if sheet.encoding != "utf-8":
        found.odd.append(f"It is not UTF-8 but reads as {sheet.encoding}: data.encoding={sheet.encoding}.")
        found.settings["data.encoding"] = sheet.encoding
    if sheet.kind == "text":
        return
    if sheet.blank:
        empty = several(len(sheet.blank), "line between others is empty", "lines between others are empty")
        found.odd.append(f"{empty} ({first_lines(sheet.blank)}): data.empty=skip.")
        found.settings["data.empty"] = "skip"
    if sheet.ragged:
        lines = first_lines([line for line, _ in sheet.ragged])
        rows = several(len(sheet.ragged), "row has not", "rows have not")
        found.odd.append(f"{rows} the {len(sheet.columns)} cells of the others ({lines}): repair.")
        found.trainable = False
