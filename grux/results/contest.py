"""Who is best on a line, who is not told from the best, and how all stand to a reference.

Of the rows that have every seed of the line the one with the best mean is compared with each other complete row, over
the seeds that both have; p values are corrected by Holm over the line. The best is the best of these seeds, so a close
second is found different a little more often than in one case of twenty; what is bold errs on the side of too few.

A row that lacks seeds cannot be best: the mean over other seeds is another number. If it is better all the same, over
the seeds that it has, then nobody is best.
"""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass

from grux.errors import UsageError
from grux.nearest import nearest_keys
from grux.results.cells import Notes
from grux.results.contents import Cell
from grux.results.paired import Comparison, compare, differs, holm_corrected
from grux.results.seeds import seeds_named


@dataclass(frozen=True)
class Contest:
    """`best`: best mean of the rows that have every seed of the line; None where there is none.

    `versus`: the best minus each other row over common seeds. `better`: rows without all seeds that are told to be
    better than the best, `untold` rows that are not told from it. `lacking`: row -> the seeds that only others have.
    """

    best: str | None
    versus: dict[str, Comparison]
    better: tuple[str, ...]
    untold: tuple[str, ...]
    lacking: dict[str, list[int]]


def contest(cells: Mapping[str, Cell], higher_is_better: bool) -> Contest:
    """Among the complete cells of a line, all with a finite mean."""
    seeds = {seed for cell in cells.values() for seed in cell.scores}
    lacking = {name: sorted(seeds - cell.scores.keys()) for name, cell in cells.items()}
    lacking = {name: found for name, found in lacking.items() if found}
    if not (full := [name for name in cells if name not in lacking]):
        return Contest(None, {}, (), (), lacking)
    sign = 1 if higher_is_better else -1
    best = max(full, key=lambda name: sign * cells[name].mean)
    versus = holm_corrected(
        {
            name: compare(cells[best].scores, cell.scores, higher_is_better=higher_is_better)
            for name, cell in cells.items()
            if name != best
        }
    )
    told = {name: sign * (found.difference or 0.0) for name, found in versus.items() if differs(found)}
    better = tuple(name for name, ahead in told.items() if ahead < 0)
    return Contest(best, versus, better, tuple(name for name in versus if name not in told), lacking)


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
    marked = dict(column)
    found = contest(complete, bool(higher_is_better))

    def note(name: str, text: str) -> None:
        marked[name] = dataclasses.replace(
            marked[name], notes=(*marked[name].notes, notes.letter(f"{name} on {line}: {text}"))
        )

    for name, lacking in found.lacking.items():
        shown = seeds_named(lacking[:8]) + (" ..." if len(lacking) > 8 else "")
        note(name, f"no {shown}, which others have; comparisons use common seeds only, and it is never marked")
    if higher_is_better is None or len(complete) < 2:  # of one, best says nothing
        return marked, None
    if found.best is None:
        notes.letter(f"{line}: no row has every seed that others have, so none is marked")
        return marked, None
    for name, comparison in found.versus.items():
        if comparison.p is None:
            note(name, f"fewer than two seeds in common with {found.best}, so not compared")
    if found.better:
        for name in found.better:
            note(name, f"better than {found.best} over common seeds, so none is marked")
        return marked, None
    for name in (found.best, *found.untold):
        if name not in found.lacking:
            marked[name] = dataclasses.replace(marked[name], best=True)
    return marked, found.best


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
