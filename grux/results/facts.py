"""What runs cost and what they are, as columns beside the scores: `--show parameters,flops,model.features`."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from grux.errors import UsageError
from grux.nearest import nearest_keys
from grux.results.contents import Extra, Line, Row
from grux.results.record import Run
from grux.results.schema import as_number
from grux.results.seeds import holders, newest_by_seed
from grux.results.select import known_keys, value_of
from grux.results.units import short_count, short_seconds


@dataclass(frozen=True)
class Fact:
    """`adds_up`: more runs cost more; else it is a size, and different ones are shown as a range."""

    read: Callable[[dict[str, Any]], float | None]
    adds_up: bool
    text: Callable[[float], str]
    meaning: str
    rule: Callable[[dict[str, Any]], object] = lambda record: None
    """How the record says that it was counted."""
    beside: str = ""
    """The meaning where each line has it too."""


def _of(*path: str) -> Callable[[dict[str, Any]], float | None]:
    """The number at a path of a record; None where it is not finite, too."""

    def read(record: dict[str, Any]) -> float | None:
        node: Any = record
        for key in path:
            node = (node or {}).get(key)
        return _finite(as_number(node))

    return read


def _seconds(record: dict[str, Any]) -> float | None:
    return (_of("seconds", "train")(record) or 0.0) + (_of("seconds", "evaluate")(record) or 0.0)


def _finite(number: float | None) -> float | None:
    return number if number is not None and math.isfinite(number) else None


def _count(number: float) -> str:
    return short_count(round(number))


def _rule_of(node: str) -> Callable[[dict[str, Any]], object]:
    return lambda record: (record.get(node) or {}).get("rule")


FACTS = {
    "parameters": Fact(_of("parameters", "total"), False, _count, "", _rule_of("parameters")),
    "flops": Fact(_of("flops", "forward_per_example"), False, _count, "one example, forward", _rule_of("flops")),
    "training_flops": Fact(
        _of("flops", "training_per_example"), False, _count, "one example, forward and backward", _rule_of("flops")
    ),
    "state": Fact(_of("recurrence", "state"), False, _count, "numbers that a sequence carries from step to step"),
    "seconds": Fact(
        _seconds,
        True,
        short_seconds,
        "training and evaluation of all seeds and columns, without compilation",
        beside="training and evaluation of all seeds of a row or column, without compilation",
    ),
    "compile_seconds": Fact(_of("seconds", "compile"), True, short_seconds, "compilation of all programs"),
    "examples_per_second": Fact(
        _of("examples_per_second"), False, _count, "sequences in training, all seeds of a run together"
    ),
}
"""Name on the command line -> how it is read from a record."""

DEFAULT = ("parameters", "seconds")
MANY = 4
"""Values of a key that are still told one by one."""


def facts_of(runs: Sequence[Run], shown: Sequence[str]) -> dict[str, float | str]:
    """Every fact of the finished runs of one cell whose seeds are shown, and the config keys among `shown`."""
    runs = holders(newest_by_seed(runs))
    found: dict[str, float | str] = {}
    records = [run.record for run in runs if run.record]
    for name, fact in FACTS.items():
        values = [value for record in records if (value := fact.read(record)) is not None]
        if values:
            found[name] = sum(values) if fact.adds_up else values[0]
    for key in shown:
        values = [value for run in runs if key not in FACTS and (value := value_of(run, key)) is not None]
        if values:
            found[key] = ", ".join(dict.fromkeys(values))
    return found


def require_facts(runs: Sequence[Run], shown: Sequence[str], said: str) -> None:
    """Raises UsageError for a name that is no fact and no key of any run; `said` is how they were asked for."""
    for name in shown:
        if name not in FACTS and all(value_of(run, name) is None for run in runs):
            near = nearest_keys(name, [*FACTS, *known_keys(runs)])
            hint = f"did you mean {near[0]}?" if near else f"choose from {', '.join(FACTS)}, or a config key."
            raise UsageError(f"{said}: {name} is not known; {hint}")


def extras(rows: Sequence[Row], shown: Sequence[str]) -> tuple[Extra, ...]:
    """A column for each name that has something to show."""
    columns = [_extra(name, rows) for name in dict.fromkeys(shown)]
    return tuple(column for column in columns if any(column.texts))


def _extra(name: str, rows: Sequence[Row]) -> Extra:
    texts, values = [], []
    for row in rows:
        found = [cell.facts[name] for cell in row.cells if name in cell.facts]
        numbers = [value for value in found if isinstance(value, (int, float))]
        if name not in FACTS or not numbers:
            texts.append(_listed(list(dict.fromkeys(map(str, found)))))
            values.append(_number_in(texts[-1]))
            continue
        fact = FACTS[name]
        if fact.adds_up:
            numbers = [sum(numbers)]
        low, high = fact.text(min(numbers)), fact.text(max(numbers))
        texts.append(low if low == high else f"{low}–{high}")
        values.append(float(max(numbers)))
    return Extra(name, tuple(texts), tuple(values))


def line_extras(lines: Sequence[Line], rows: Sequence[Row], shown: Sequence[str]) -> tuple[Extra, ...]:
    """For each line what its trained contestants cost, all of them together where it adds up."""
    trained = [row for row in rows if not row.baseline]
    turned = [Row(line.name, tuple(row.cells[at] for row in trained)) for at, line in enumerate(lines)]
    return extras(turned, [name for name in shown if name in FACTS])


def _listed(texts: Sequence[str]) -> str:
    """The values of a key; many numbers as a range."""
    numbers = [number for text in texts if (number := _number_in(text)) is not None]
    if len(numbers) < len(texts) or len(numbers) <= MANY:
        return ", ".join(texts)
    return f"{min(numbers):g}–{max(numbers):g}"


def _number_in(text: str) -> float | None:
    """The number that a config value is, None for a word."""
    try:
        return _finite(float(text))
    except ValueError:
        return None


def meanings(columns: Sequence[Extra], records: Sequence[dict[str, Any]], transposed: bool = False) -> list[str]:
    """A sentence for each column that counts something; of a transposed table, for what stands below and beside."""
    said = []
    for column in columns:
        if (fact := FACTS.get(column.name)) is None:
            continue
        rules = sorted({str(rule) for record in records if (rule := fact.rule(record))})
        meaning = fact.beside if transposed and fact.beside else fact.meaning
        words = "; ".join(part for part in (meaning, *rules) if part)
        if words:
            said.append(f"{column.name.replace('_', ' ').capitalize()}: {words}.")
    return said
