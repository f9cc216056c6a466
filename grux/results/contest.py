"""Who is best on a line, who is not told from the best, and how all stand to a reference.

The best mean of a line is compared with every other complete contestant, over the seeds that both have; p values are
corrected by Holm over the line. The best is the best of these seeds, so a close second is found different a little
more often than in one case of twenty; what is bold errs on the side of too few.
"""

import dataclasses
import math
from collections.abc import Mapping

from grux.errors import UsageError
from grux.nearest import nearest_keys
from grux.results.cells import Notes, seeds_named
from grux.results.contents import Cell
from grux.results.paired import compare, differs, holm_corrected


def judged(
    column: Mapping[str, Cell], higher_is_better: bool | None, line: str, notes: Notes
) -> tuple[dict[str, Cell], str | None]:
    """(the cells of a line with the best and those not told from it marked, name of the best).

    Only complete cells take part, with two seeds at least: of one nobody knows what another seed would have done.
    """
    complete = {
        name: cell
        for name, cell in column.items()
        if cell.state == "done" and cell.summary and cell.summary.n > 1 and math.isfinite(cell.summary.mean)
    }
    marked = _with_missing_seeds(column, complete, line, notes)
    if higher_is_better is None or len(complete) < 2:  # of one, best says nothing
        return marked, None
    sign = 1 if higher_is_better else -1
    best = max(complete, key=lambda name: sign * _mean(complete[name]))
    found = holm_corrected(
        {
            name: compare(cell.scores, complete[best].scores, higher_is_better=higher_is_better)
            for name, cell in complete.items()
            if name != best
        }
    )
    marked[best] = dataclasses.replace(marked[best], best=True)
    for name, comparison in found.items():
        verdict = differs(comparison)
        if verdict is None:
            letter = notes.letter(f"{name} on {line}: fewer than two seeds in common with {best}, so not compared")
            marked[name] = dataclasses.replace(marked[name], notes=(*marked[name].notes, letter))
        elif not verdict:
            marked[name] = dataclasses.replace(marked[name], best=True)
    return marked, best


def _mean(cell: Cell) -> float:
    assert cell.summary is not None
    return cell.summary.mean


def _with_missing_seeds(
    column: Mapping[str, Cell], complete: Mapping[str, Cell], line: str, notes: Notes
) -> dict[str, Cell]:
    """A footnote where a complete contestant has not the seeds that others of its line have."""
    everywhere = {seed for cell in complete.values() for seed in cell.scores}
    marked = dict(column)
    for name, cell in complete.items():
        if lacking := sorted(everywhere - cell.scores.keys()):
            shown = seeds_named(lacking[:8]) + (" ..." if len(lacking) > 8 else "")
            text = f"{name} on {line}: no {shown}, which others have; comparisons use common seeds only"
            marked[name] = dataclasses.replace(cell, notes=(*cell.notes, notes.letter(text)))
    return marked


def against(
    column: Mapping[str, Cell], baselines: Mapping[str, float], reference: str, higher_is_better: bool | None
) -> dict[str, Cell]:
    """The cells of a line with `versus`, but for the reference itself. A baseline has the same score at every seed."""
    contestants = {name: cell.scores for name, cell in column.items() if name != reference and cell.scores}
    if reference in column:
        reached = column[reference].scores
        found = {n: compare(scores, reached, higher_is_better=higher_is_better) for n, scores in contestants.items()}
    elif reference in baselines:  # without seeds there is no P(better) over pairs of them
        same = baselines[reference]
        found = {
            name: compare(scores, dict.fromkeys(scores, same), higher_is_better=None)
            for name, scores in contestants.items()
        }
    else:
        found = {}
    corrected = holm_corrected(found)
    return {name: dataclasses.replace(cell, versus=corrected.get(name)) for name, cell in column.items()}


def require_reference(reference: str, known: list[str]) -> None:
    """Raises UsageError where no row and no baseline has this name."""
    if reference not in known:
        near = nearest_keys(reference, known)
        hint = f"did you mean {near[0]}?" if near else f"choose one of {', '.join(known)}."
        raise UsageError(f"--reference {reference} is no row of the table; {hint}")
