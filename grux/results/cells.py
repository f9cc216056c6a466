"""A cell of the table from the runs that belong to it: scores, what they cost, and why some are missing."""

from collections.abc import Sequence

from grux.errors import UsageError
from grux.results.comparable import refusal
from grux.results.contents import Cell
from grux.results.facts import facts_of
from grux.results.record import Run
from grux.results.schema import as_number
from grux.results.seeds import holders, newest_by_seed, repeated_seeds, seeds_named
from grux.results.select import differences
from grux.results.selection import Selection

MISSING = Cell({}, None, "missing")

WAY_OUT = {
    "interrupted": "the same command goes on where it stopped",
    "failed": "the same command tries again",
    "damaged": "the same command makes it again",
    "unknown": "the same command makes it again",
}


class Notes:
    """Footnotes by letter, each text once: a, b, ..., z, aa, ab, ..."""

    def __init__(self) -> None:
        self._letters: dict[str, str] = {}

    def letter(self, text: str) -> str:
        if text not in self._letters:
            number, letters = len(self._letters), ""
            while number >= 0:
                number, rest = number // 26 - 1, number % 26
                letters = chr(ord("a") + rest) + letters
            self._letters[text] = letters
        return self._letters[text]

    def all(self) -> tuple[tuple[str, str], ...]:
        return tuple((letter, text) for text, letter in self._letters.items())


class CellMaker:
    """Makes cells under one split, metric and selection rule; leaves footnotes."""

    def __init__(
        self,
        notes: Notes,
        *,
        split: str,
        metric: str | None,
        selection: Selection,
        interval: str,
        shown: Sequence[str] = (),
    ):
        self._notes, self._split, self._metric = notes, split, metric
        self._selection, self._interval, self._shown = selection, interval, shown

    def cell(self, row: str, line: str, runs: list[Run], higher_is_better: bool | None) -> Cell:
        """The cell of these runs, of which the finished ones must be more seeds of one config."""
        if not runs:
            return MISSING
        name = f"{row} on {line}"
        done = [run for run in runs if run.record]
        if differing := differences(done) if len(done) > 1 else {}:
            raise UsageError(refusal(f"the cell {row} × {line} would average {len(done)} runs", differing))
        newest = newest_by_seed(done)
        scores: dict[int, float] = {}
        asked = set(newest)
        texts = []
        if again := repeated_seeds(done):
            texts.append(f"several runs have {seeds_named(again)}; the newest is shown")
        for run in holders(newest):
            record = run.record
            assert record is not None
            own = {seed for seed, holder in newest.items() if holder is run}
            found, problem = self._selection.scores(run, self._split, self._metric or record["metric"]["primary"])
            scores |= {seed: score for seed, score in found.items() if seed in own}
            if problem and not own - diverged_seeds(run) <= found.keys():
                texts.append(problem)
            if isinstance(wanted := record["config"].get("seeds"), int) and wanted > len(record["seeds"]):
                texts.append(f"{len(record['seeds'])} of {wanted} seeds")
                asked.add(-1)  # one that has no score
        diverged = [seed for seed, holder in newest.items() if seed in diverged_seeds(holder)]
        if diverged:
            texts.append(f"{seeds_named(diverged)} diverged (a loss that is not finite)")
        state = "done" if scores else "diverged" if diverged else "missing"
        for run in runs:
            if run.record or superseded(run, done):
                continue
            texts.append(plight(run))
            # More seeds of this config that did not arrive leave the mean partial; a failed try of another not.
            if scores and not differences([done[0], run]):
                state = "partial"
            elif not scores:
                state = run.state
        if state == "done" and asked != scores.keys():
            state = "partial"
        notes = tuple(dict.fromkeys(self._notes.letter(f"{name}: {text}") for text in texts))
        return Cell(
            scores=dict(sorted(scores.items())),
            summary=self._selection.summary(scores, higher_is_better, self._interval) if scores else None,
            state=state,
            notes=notes,
            facts=facts_of(done, self._shown),
        )


def superseded(run: Run, done: Sequence[Run]) -> bool:
    """Whether a try without a record was made good by a run of its cell that was finished later.

    A try that asks for seeds which no finished run has stays open, as does one that goes on at this moment.
    """
    later = [other for other in done if other.created > run.created]
    if run.state == "running" or not later:
        return False
    if run.config and not differences([run, *later]):
        first, count = run.config.get("first_seed", 0), run.config.get("seeds", 0)
        if isinstance(first, int) and isinstance(count, int):
            have = {entry["seed"] for other in done for entry in (other.record or {})["seeds"]}
            return set(range(first, first + count)) <= have
    return True


def plight(run: Run) -> str:
    """The state of a run without a record, how far it came, why, and what to do."""
    status = run.status or {}
    where = f", step {status['step']} of {status['steps']}" if status.get("step") and status.get("steps") else ""
    # Who stopped it says that it was interrupted, which is the state already.
    told = run.problem and not (
        run.state == "interrupted" and status.get("kind") in ("Interrupted", "KeyboardInterrupt")
    )
    reason = f" ({run.problem})" if told else ""
    # What was refused will be refused again: its own sentence says what to change.
    way_out = "" if status.get("kind") == "UsageError" else WAY_OUT.get(run.state, "")
    return f"{run.state}{where}{reason}{f'; {way_out}' if way_out and way_out not in reason else ''}, see {run.path}"


def baseline_scores(records: Sequence[dict], line: str, split: str, metric: str, notes: Notes) -> dict[str, float]:
    """Baseline name -> score. Every run of the line computes the same; a difference is worth a note."""
    found: dict[str, float] = {}
    for record in records:
        for name, scores in (record.get("baselines") or {}).items():
            score = as_number(scores.get(split, {}).get(metric))
            if score is None:
                continue
            if abs(found.setdefault(name, score) - score) > 1e-4 * abs(score):
                notes.letter(f"{name} on {line}: runs give {found[name]:.6g} and {score:.6g}; the first is shown")
    return found


def diverged_seeds(run: Run) -> set[int]:
    """The seeds of a finished run that did not end with a score."""
    return {entry["seed"] for entry in (run.record or {"seeds": []})["seeds"] if entry["status"] != "done"}
