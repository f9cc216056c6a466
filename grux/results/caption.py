"""What a reader must know to trust the numbers: metric, seeds, interval, selection, what the extra columns count."""

from collections.abc import Sequence
from typing import Any

from grux.results.contents import Line, Row


def caption_of(lines: Sequence[Line], rows: Sequence[Row], records: Sequence[dict[str, Any]]) -> str:
    """The caption without the word on how the best is marked: that depends on the format."""
    parts = [_measured(lines), _seeds(rows), _selection(records)]
    rules = {(record.get("parameters") or {}).get("rule") for record in records} - {None}
    if rules:
        parts.append(f"Parameters: {'; '.join(sorted(map(str, rules)))}.")
    if any(row.seconds for row in rows):
        parts.append("Seconds: training and evaluation of all seeds and columns, without compilation.")
    shown = {line.unit.metric for line in lines}
    signatures = {
        f"{name} {text}"
        for record in records
        for name, text in (record.get("signatures") or {}).items()
        if name in shown and text
    }
    if signatures:
        parts.append(f"Signature: {'; '.join(sorted(signatures))}.")
    return " ".join(part for part in parts if part)


def _measured(lines: Sequence[Line]) -> str:
    measures: dict[tuple[str, str], list[str]] = {}
    for line in lines:
        measures.setdefault((line.unit.split, line.unit.name), []).append(line.name)
    if len(measures) == 1:
        ((split, name),) = measures
        return f"{split.capitalize()} {name}."
    parts = ", ".join(f"{name} on {' and '.join(names)}" for (_, name), names in measures.items())
    return f"{lines[0].unit.split.capitalize()} scores: {parts}."


def _seeds(rows: Sequence[Row]) -> str:
    counts = sorted({cell.summary.n for row in rows if not row.baseline for cell in row.cells if cell.summary})
    if not counts:
        return ""
    if counts == [1]:
        return "One seed each: no interval."
    seeds = f"n = {counts[-1]} seeds" + (" where not given otherwise" if len(counts) > 1 else "")
    single = " One seed has no interval." if counts[0] == 1 else ""
    return f"Mean ± half-width of the 95 % interval (Student t, {seeds}).{single}"


def _selection(records: Sequence[dict[str, Any]]) -> str:
    rules: dict[str, list[str]] = {}
    for record in records:
        if rule := (record.get("selection") or {}).get("rule"):
            data = record["choices"].get("data") or record["run_id"]
            names = rules.setdefault(str(rule), [])
            if data not in names:
                names.append(data)
    if not rules:
        return ""
    if len(rules) == 1:
        return f"Selection: {next(iter(rules))}."
    return "Selection: " + "; ".join(f"{rule} ({', '.join(names)})" for rule, names in rules.items()) + "."
