"""The answer of a table in sentences: who is best on each data set, by how much, and how sure that is.

The test is that of the table: paired t over common seeds, p corrected by Holm over the line (`grux.results.contest`).
"""

import math

from grux.results.contents import Cell, Line, Table
from grux.results.paired import Comparison, compare, differs, holm_corrected


def answers(table: Table) -> list[str]:
    """A sentence or two for each line of the table; before them, where there are several, one for all of them."""
    found = [_line(table, number, line) for number, line in enumerate(table.lines)]
    sentences = [sentence for _, sentence in found]
    sure = [winner for winner, _ in found if winner]
    if len(found) < 2:
        return sentences
    if not sure:
        start = "On no data set" if table.columns_key == "data" else f"For no {table.columns_key}"
        return [f"{start} is one {table.rows_key} told from all others.", *sentences]
    counts = {name: sure.count(name) for name in sorted(set(sure), key=lambda name: (-sure.count(name), name))}
    said = ", ".join(f"{name} on {count}" for name, count in counts.items()) if len(counts) > 1 else next(iter(counts))
    where = "data sets" if table.columns_key == "data" else f"values of {table.columns_key}"
    return [f"On {len(sure)} of {len(found)} {where} one {table.rows_key} is told from all others: {said}.", *sentences]


def _line(table: Table, number: int, line: Line) -> tuple[str | None, str]:
    """(who is best beyond doubt, the sentence)."""
    unit, upwards = line.unit, line.unit.higher_is_better
    where = f"On {line.name}" if table.columns_key == "data" else f"For {table.columns_key}={line.name}"
    cells = {row.name: row.cells[number] for row in table.rows if not row.baseline}
    complete = {name: cell for name, cell in cells.items() if cell.state == "done" and _is_finite(cell)}
    if not complete:
        return None, f"{where}, nothing has finished yet."
    # As in the table: of one seed nobody knows what another would have done.
    several = {name: cell for name, cell in complete.items() if len(cell.scores) > 1}
    rivals = several if len(several) > 1 else complete
    aside = [name for name in cells if name not in rivals]
    without = (
        f" Without complete scores of two seeds or more, and so not compared: {', '.join(aside)}." if aside else ""
    )
    if upwards is None:
        said = ", ".join(f"{name} {_score(cell, line)}" for name, cell in rivals.items())
        return None, f"{where}, {unit.split} {unit.name}: {said}. Nobody says whether higher is better.{without}"
    best, *others = sorted(rivals, key=lambda name: _mean(rivals[name]), reverse=upwards)
    score = f"{unit.split} {unit.name.removesuffix(' %')}"
    if not others:
        alone = f"there is no other {table.rows_key} to compare it with."
        return None, f"{where}, {best} reaches a {score} of {_score(rivals[best], line)}; {alone}{without}"
    head = f"{where}, {best} has the best {score}: {_score(rivals[best], line)}"
    versus = holm_corrected(
        {name: compare(rivals[best].scores, rivals[name].scores, higher_is_better=upwards) for name in others}
    )
    if all(found.p is None for found in versus.values()):
        second = f"before {others[0]} with {_score(rivals[others[0]], line)}"
        return None, f"{head}, {second}. Without two common seeds, chance and merit cannot be told apart.{without}"
    untold = [name for name in others if not differs(versus[name])]
    if not untold:
        return best, f"{head}; {others[0]} is next, at {_difference(versus[others[0]], line)}.{without}"
    named = ", ".join(f"{name} ({_difference(versus[name], line)})" for name in untold)
    told = [name for name in others if name not in untold]
    beaten = f" It is better than {', '.join(told)}." if told else ""
    return None, f"{head}. These seeds do not tell it from {named}.{beaten}{without}"


def _score(cell: Cell, line: Line) -> str:
    assert cell.summary is not None
    percent = " %" if line.unit.name.endswith(" %") else ""
    width = "" if cell.summary.half_width is None else f" ± {line.unit.number(cell.summary.half_width)}"
    seeds = "one seed" if cell.summary.n == 1 else f"{cell.summary.n} seeds"
    return f"{line.unit.number(cell.summary.mean)}{width}{percent} ({seeds})"


def _difference(found: Comparison, line: Line) -> str:
    """Best minus another: "a difference of +0.8 ± 0.3 points, p = 0.01"."""
    if found.difference is None:
        return "no common seeds"
    unit, percent = line.unit, " points" if line.unit.name.endswith(" %") else ""
    width = "" if found.half_width is None else f" ± {unit.number(found.half_width)}"
    p = "" if found.p_holm is None else f", p = {found.p_holm:.2g}"
    return f"a difference of {'+' if found.difference > 0 else ''}{unit.number(found.difference)}{width}{percent}{p}"


def _is_finite(cell: Cell) -> bool:
    return cell.summary is not None and math.isfinite(cell.summary.mean)


def _mean(cell: Cell) -> float:
    assert cell.summary is not None
    return cell.summary.mean
