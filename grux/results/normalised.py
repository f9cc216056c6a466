"""Scores of all data sets on one scale, and each contestant over all of them."""

import math
from collections.abc import Sequence

from grux.errors import UsageError
from grux.results.cells import Notes
from grux.results.contents import Cell, Line, Row
from grux.results.suite import Aggregate, aggregate


def aggregated(
    rows: Sequence[Row], lines: Sequence[Line], zero: str, one: str, reference: str | None, notes: Notes
) -> dict[str, Aggregate]:
    """Each row that `normalised` has, over all data sets."""
    scores, left_out = normalised(rows, lines, zero, one)
    for sentence in left_out:
        notes.letter(sentence)
    other = scores.get(reference) if reference else None
    return {name: aggregate(own, other if name != reference else None) for name, own in scores.items()}


def normalised(
    rows: Sequence[Row], lines: Sequence[Line], zero: str, one: str
) -> tuple[dict[str, list[list[float]]], list[str]]:
    """(scores of each trained row that has some on every line, of which 0 is `zero` and 1 is `one`; left out).

    Each of the two is a row, whose mean is taken on each line, or a number in the unit of the table. Raises UsageError
    where one of them has no score, or `one` is not better than `zero`.
    """
    bounds = [(_bound(zero, rows, lines, at), _bound(one, rows, lines, at)) for at in range(len(lines))]
    for line, (low, high) in zip(lines, bounds, strict=True):
        upwards = line.unit.higher_is_better
        if not (high > low if upwards is not False else high < low):
            unit = line.unit
            raise UsageError(
                f"--aggregate {zero}:{one}: on {line.name}, {one} ({unit.number(high)}) is not better than {zero} "
                f"({unit.number(low)}), so there is no scale from 0 to 1; choose other bounds."
            )
    scores: dict[str, list[list[float]]] = {}
    left_out: list[str] = []
    for row in rows:
        if row.baseline:
            continue
        lacking = [line.name for line, cell in zip(lines, row.cells, strict=True) if not cell.scores]
        if lacking:
            where = ", ".join(lacking)
            left_out.append(f"{row.name} is not in the table over all data sets: it has no score on {where}")
            continue
        infinite = [line.name for line, cell in zip(lines, row.cells, strict=True) if not _is_finite(cell)]
        if infinite:
            where = ", ".join(infinite)
            left_out.append(f"{row.name} is not in the table over all data sets: a score on {where} is not finite")
            continue
        partial = [line.name for line, cell in zip(lines, row.cells, strict=True) if cell.state != "done"]
        if partial:
            left_out.append(f"{row.name} over all data sets: some of its seeds on {', '.join(partial)} are missing")
        scores[row.name] = [
            [(score - low) / (high - low) for score in cell.scores.values()]
            for cell, (low, high) in zip(row.cells, bounds, strict=True)
        ]
    return scores, left_out


def _is_finite(cell: Cell) -> bool:
    return all(map(math.isfinite, cell.scores.values()))


def _bound(name: str, rows: Sequence[Row], lines: Sequence[Line], at: int) -> float:
    for row in rows:
        if row.name == name:
            if (summary := row.cells[at].summary) is None:
                raise UsageError(f"--aggregate: {name} has no score on {lines[at].name}; choose another bound.")
            if not math.isfinite(summary.mean):
                raise UsageError(
                    f"--aggregate: the mean of {name} on {lines[at].name} is not finite; choose another bound."
                )
            return summary.mean
    try:
        return float(name) / lines[at].unit.scale
    except ValueError:
        known = ", ".join(row.name for row in rows)
        raise UsageError(f"--aggregate: {name} is no row of the table and no number; rows are {known}.") from None
