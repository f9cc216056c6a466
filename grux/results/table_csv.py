"""A table as CSV: one line for each cell, numbers unrounded and unscaled (fractions, not percent)."""

import csv
import io

from grux.results.contents import Cell, Table
from grux.results.facts import FACTS
from grux.results.grid import printable
from grux.results.paired import Comparison

_COSTS = ("parameters", "seconds", "compile_seconds")
# What a run carries from step to step is `state` in a table; here `state` is how far the run got.
_MORE_COSTS = {name: "recurrent_state" if name == "state" else name for name in FACTS if name not in _COSTS}

COLUMNS = (
    *("row", "column", "metric", "split", "n", "mean", "half_width", "std", "seeds", "values"),
    *(*_COSTS, "state", "best", "notes", "interval_low", "interval_high", *_MORE_COSTS.values()),
    *("reference", "common_seeds", "difference", "difference_half_width", "p", "p_holm", "p_sign_flip"),
    *("p_better", "p_better_low", "p_better_high", "effect"),
    *("reported", "reported_spread", "reported_source", "reported_status"),
    "method",
)


def csv_table(table: Table) -> str:
    """`values` stand in the order of `seeds`; `best` is yes, tied (not told from the best) or empty."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    notes = dict(table.notes)
    for row in table.rows:
        for cell, line in zip(row.cells, table.lines, strict=True):
            names = (line.name, row.name) if table.transposed else (row.name, line.name)
            summary = cell.summary
            numbers = [summary.n, summary.mean, summary.half_width, summary.std] if summary else [0, None, None, None]
            if row.baseline:
                numbers[0] = None
            best = ("yes" if row.name == line.best else "tied") if cell.best else ""
            shown = [notes[letter] for letter in cell.notes]
            writer.writerow(
                [
                    *map(_safe, names),
                    _safe(line.unit.metric),
                    _safe(line.unit.split),
                    *map(_full, numbers),
                    " ".join(map(str, cell.scores)),
                    " ".join(map(_full, cell.scores.values())),
                    *(_full(_cost(cell, name)) for name in _COSTS),
                    "baseline" if row.baseline else cell.state,
                    best,
                    _safe(" | ".join(printable(text, longest=500) for text in shown)),
                    *map(_full, (summary.interval if summary and summary.interval else (None, None))),
                    *(_full(_cost(cell, name)) for name in _MORE_COSTS),
                    *_versus(cell.versus, table.reference),
                    *_reported(cell),
                    _safe(cell.method),
                ]
            )
    return out.getvalue().rstrip("\n")


def _cost(cell: Cell, name: str) -> float | None:
    value = cell.fact(name)
    return int(value) if name == "parameters" and value is not None else value


def _versus(found: Comparison | None, reference: str | None) -> list[str]:
    if found is None or reference is None:
        return [""] * 11
    numbers = (found.difference, found.half_width, found.p, found.p_holm, found.p_sign_flip, found.probability)
    ends = found.probability_interval or (None, None)
    return [_safe(reference), str(found.n), *map(_full, (*numbers, *ends, found.effect))]


def _reported(cell: Cell) -> list[str]:
    if (found := cell.reported) is None:
        return [""] * 4
    return [_full(found.score), _full(found.spread), _safe(found.source), found.status]


def _full(number: float | None) -> str:
    return "" if number is None else repr(number)


def _safe(text: str) -> str:
    """Text that no spreadsheet takes for a formula."""
    text = printable(text, longest=500)
    return "'" + text if text.startswith(("=", "+", "-", "@")) else text
