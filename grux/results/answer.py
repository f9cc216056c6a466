"""The answer of a table in sentences: who is best on each data set, by how much, and how sure that is.

The test is that of the table: paired t over common seeds, p corrected by Holm over the line (`grux.results.contest`).
"""

import math
from collections.abc import Mapping, Sequence

from grux.results.contents import Cell, Line, Table
from grux.results.contest import Contest, contest
from grux.results.paired import Comparison


def answers(table: Table) -> list[str]:
    """A sentence or two for each line of the table; before them, where there are several, one for all of them."""
    if table.select == "max_over_seeds":
        return _best_seeds(table)
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


def _best_seeds(table: Table) -> list[str]:
    """Where luck was chosen there is no winner."""
    sentences = []
    for number, line in enumerate(table.lines):
        cells = {row.name: row.cells[number] for row in table.rows if not row.baseline}
        percent = " %" if line.unit.name.endswith(" %") else ""
        said = ", ".join(
            f"{name} {line.unit.number(cell.mean)}{percent} (of {len(cell.scores)})"
            for name, cell in cells.items()
            if cell.scores
        )
        measure = f"{line.unit.split} {line.unit.name.removesuffix(' %')}"
        sentences.append(f"{_where(table, line)}, {measure} of the best seed: {said or 'nothing has finished yet'}.")
    return [*sentences, f"Seeds were chosen by the very score that is shown, so no {table.rows_key} is named best."]


def _where(table: Table, line: Line) -> str:
    return f"On {line.name}" if table.columns_key == "data" else f"For {table.columns_key}={line.name}"


def _line(table: Table, number: int, line: Line) -> tuple[str | None, str]:
    """(who is best beyond doubt, the sentence)."""
    unit, upwards = line.unit, line.unit.higher_is_better
    where = _where(table, line)
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
    all_scores = ", ".join(f"{name} {_score(cell, line)}" for name, cell in rivals.items())
    if upwards is None:
        said = f"{where}, {unit.split} {unit.name}: {all_scores}. Nobody says whether higher is better."
        return None, said + without
    score = f"{unit.split} {unit.name.removesuffix(' %')}"
    if len(rivals) == 1:
        (only,) = rivals
        alone = f"there is no other {table.rows_key} to compare it with."
        return None, f"{where}, {only} reaches a {score} of {_score(rivals[only], line)}; {alone}{without}"
    found = contest(rivals, upwards)
    if found.best and all(versus.p is None for versus in found.versus.values()):
        first, second, *_ = sorted(rivals, key=lambda name: rivals[name].mean, reverse=upwards)
        head = f"{where}, {first} has the best {score}: {_score(rivals[first], line)}"
        second = f"before {second} with {_score(rivals[second], line)}"
        return None, f"{head}, {second}. Without two common seeds, chance and merit cannot be told apart.{without}"
    winner, sentence = _judgement(found, rivals, line, table.rows_key, score)
    return winner, f"{where}, {sentence}{without}"


def _judgement(
    found: Contest, rivals: Mapping[str, Cell], line: Line, rows_key: str, score: str
) -> tuple[str | None, str]:
    """(who is best beyond doubt, the sentence after "On sst2,") where at least two could be compared."""
    if (best := found.best) is None:
        return None, f"no {rows_key} has every seed that others have, so none is named: train the missing seeds."
    among = f" of those with all {len(rivals[best].scores)} seeds" if found.lacking else ""
    head = f"{best} has the best {score}{among}: {_score(rivals[best], line)}"

    def said(names: Sequence[str]) -> str:
        return ", ".join(f"{name} ({_difference(found.versus[name], line)})" for name in names)

    if found.better:
        return None, (
            f"{head}. But over common seeds it is behind {said(found.better)}, so none is named: train the missing "
            "seeds."
        )
    told = [name for name in found.versus if name not in found.untold]
    if not found.untold:
        second = min(told, key=lambda name: abs(found.versus[name].difference or 0.0))
        return best, f"{head}; {second} is next, at {_difference(found.versus[second], line)}."
    beaten = f" It is better than {', '.join(told)}." if told else ""
    return None, f"{head}. These seeds do not tell it from {said(found.untold)}.{beaten}"


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
    percent = " points" if line.unit.name.endswith(" %") else ""
    p = "" if found.p_holm is None else f", p = {found.p_holm:.2g}"
    return f"a difference of {''.join(line.unit.difference(found.difference, found.half_width))}{percent}{p}"


def _is_finite(cell: Cell) -> bool:
    return cell.summary is not None and math.isfinite(cell.summary.mean)
