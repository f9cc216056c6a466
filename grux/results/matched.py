"""How the contestants were brought to the same size: what records say in `matching`."""

import math
from collections.abc import Sequence
from typing import Any

from grux.results.record import Run
from grux.results.schema import as_number
from grux.results.select import value_of
from grux.results.units import short_count

WIDTH = "model.features"


def matched_sentence(runs: Sequence[Run], rows_key: str) -> str:
    """ "Matched by parameters to 100K (all: every weight), reached 99.2K–101K; not matched: elman."; "" where none was.

    What the rule counts is said where all runs say the same.
    """
    groups: dict[tuple[str, float, str], list[dict[str, Any]]] = {}
    named: dict[tuple[str, float, str], set[str]] = {}
    for run in runs:
        if run.record and (found := run.record.get("matching")):
            key = (found["by"], as_number(found["target"]) or 0.0, found["rule"])
            groups.setdefault(key, []).append(found)
            named.setdefault(key, set()).add(str(value_of(run, rows_key)))
    if not groups:
        return ""
    parts = []
    # Where not all rows are of one size a reader must see which is which.
    apart = len({frozenset(names) for names in named.values()}) > 1
    everyone = {str(value_of(run, rows_key)) for run in runs if run.record}
    said: set[tuple[str, str]] = set()
    for (by, target, rule), group in sorted(groups.items()):
        reached = [as_number(found["reached"]) or 0.0 for found in group]
        low, high = _amount(by, min(reached)), _amount(by, max(reached))
        span = low if low == high else f"{low}–{high}"
        # Of the other measures the unit is said by what was matched.
        unit = f" {group[0].get('unit') or 'ms'}" if by == "step_time" else ""
        meanings = {found.get("meaning") for found in group} - {None}
        counted = rule
        if len(meanings) == 1 and (counts := (rule, str(meanings.pop()))) not in said:
            counted = ": ".join(counts)
            said.add(counts)
        parts.append(f"by {by.replace('_', ' ')} to {_amount(by, target)}{unit} ({counted}), reached {span}{unit}")
        if apart:
            own = named[by, target, rule]
            parts[-1] = f"{'all' if own == everyone else ', '.join(sorted(own))} {parts[-1]}"
    without = {str(value_of(run, rows_key)) for run in runs if run.record and not run.record.get("matching")}
    rest = f"; not matched: {', '.join(sorted(without))}" if without else ""
    return f"Matched {'; '.join(parts)}{rest}."


def widths_differ(runs: Sequence[Run]) -> bool:
    """Whether matching gave the contestants different widths, so that the width belongs into the table."""
    widths = {value_of(run, WIDTH) for run in runs if (run.record or {}).get("matching")} - {None}
    return len(widths) > 1


def _amount(by: str, number: float) -> str:
    if not math.isfinite(number):
        return str(number)
    if by == "step_time":
        return f"{number:.3g}" if number < 1000 else f"{number:,.0f}"
    return short_count(round(number))
