"""How the contestants were brought to the same size: what records say in `matching`."""

import math
from collections.abc import Sequence

from grux.results.record import Run
from grux.results.schema import as_number
from grux.results.select import value_of
from grux.results.units import short_count, short_seconds

WIDTH = "model.features"


def matched_sentence(runs: Sequence[Run], rows_key: str) -> str:
    """ "Matched by parameters to 100K (all weights); reached 99.2K–101K; not matched: elman." ; "" where none was."""
    done = [run for run in runs if run.record]
    groups: dict[tuple[str, float, str], list[float]] = {}
    for run in done:
        found = (run.record or {}).get("matching")
        if not found:
            continue
        key = (found["by"], as_number(found["target"]) or 0.0, found["rule"])
        groups.setdefault(key, []).append(as_number(found["reached"]) or 0.0)
    if not groups:
        return ""
    parts = []
    for (by, target, rule), reached in sorted(groups.items()):
        low, high = _amount(by, min(reached)), _amount(by, max(reached))
        span = low if low == high else f"{low}–{high}"
        parts.append(f"by {by.replace('_', ' ')} to {_amount(by, target)} ({rule}), reached {span}")
    without = {str(value_of(run, rows_key)) for run in done if not (run.record or {}).get("matching")}
    rest = f"; not matched: {', '.join(sorted(without))}" if without else ""
    return f"Matched {'; '.join(parts)}{rest}."


def widths_differ(runs: Sequence[Run]) -> bool:
    """Whether matching gave the contestants different widths, so that the width belongs into the table."""
    widths = {value_of(run, WIDTH) for run in runs if (run.record or {}).get("matching")} - {None}
    return len(widths) > 1


def _amount(by: str, number: float) -> str:
    if not math.isfinite(number):
        return str(number)
    return f"{short_seconds(number)} s" if by == "step_time" else short_count(round(number))
