"""What a table draws, one grid below the other: the scores, differences to a reference, all data sets together."""

import math
from dataclasses import dataclass

from grux.results.contents import Table
from grux.results.grid import Grid, Item, best_sentence, make_grid, printable
from grux.results.suite import THRESHOLDS, Estimate

DASH = Item("–")


@dataclass(frozen=True)
class Section:
    """A grid and the caption below it."""

    grid: Grid
    caption: str


def sections(table: Table, mark: str) -> list[Section]:
    """The sections that this table has. `mark` is how the format shows what is best."""
    made = [Section(make_grid(table), table.caption + best_sentence(table, mark))]
    if table.reference is not None:
        made.append(Section(_versus(table), table.versus_caption))
    if table.aggregates:
        made.append(Section(_aggregates(table), table.aggregates_caption))
    return made


def footnotes(table: Table) -> list[tuple[str, str]]:
    """(letter, text) below the first section."""
    return [(letter, printable(text, longest=500)) for letter, text in table.notes]


def _versus(table: Table) -> Grid:
    """A row for each contestant on each line; numbers of a difference in the unit of its line."""
    heads = [table.rows_key, table.columns_key, "metric", f"− {table.reference}", "n", "p", "p (Holm)"]
    heads += ["P(better)", "effect"]
    rows: list[tuple[Item, ...]] = []
    rules = set()
    for at, line in enumerate(table.lines):
        if rows:
            rules.add(len(rows))
        for row in table.rows:
            cell = row.cells[at]
            if row.baseline or row.name == table.reference:
                continue
            labels = [Item(printable(name)) for name in (row.name, line.name, line.unit.label)]
            found = cell.versus
            if found is None or found.difference is None:
                rows.append((*labels, DASH, Item(str(found.n if found else 0)), DASH, DASH, DASH, DASH))
                continue
            texts = line.unit.difference(found.difference, found.half_width)
            difference = Item(*texts, value=found.difference * line.unit.scale)
            chances = DASH
            if found.probability is not None and found.probability_interval is not None:
                chances = _estimate((found.probability, *found.probability_interval))
            effect = DASH if found.effect is None else Item(f"{found.effect:.2f}", value=found.effect)
            n = Item(str(found.n), value=found.n)
            rows.append((*labels, difference, n, _p(found.p), _p(found.p_holm), chances, effect))
    return Grid(tuple((printable(head),) for head in heads), tuple(rows), labels=3, rules=frozenset(rules))


def _aggregates(table: Table) -> Grid:
    heads = [table.rows_key, "runs", "IQM", "mean", *(f"above {above:g}" for above in THRESHOLDS)]
    with_reference = any(found.probability for found in table.aggregates.values())
    heads += ["P(better)"] * with_reference
    rows = []
    for name, found in table.aggregates.items():
        estimates = [found.iqm, found.mean, *found.profile]
        items = [Item(printable(name)), Item(str(found.runs), value=found.runs), *map(_estimate, estimates)]
        if with_reference:
            items.append(_estimate(found.probability) if found.probability else DASH)
        rows.append(tuple(items))
    return Grid(tuple((printable(head),) for head in heads), tuple(rows), labels=1, rules=frozenset())


def _estimate(estimate: Estimate) -> Item:
    value, low, high = estimate
    return Item(f"{value:.2f}", "" if math.isnan(low) else f" [{low:.2f}, {high:.2f}]", value=value)


def _p(p: float | None) -> Item:
    return DASH if p is None else Item("<0.001" if p < 0.001 else f"{p:.3f}", value=p)
