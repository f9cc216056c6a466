"""The table: a row for each architecture (or any key), a column for each data set (or any key), scores over seeds.

Contestants stand against each other along a *line*: cells of one metric on one data set. Lines are columns by default;
where the keys are given the other way round (rows=data, columns=arch) the same table is drawn transposed. Only like is
averaged with like: a cell holds seeds of one config, a line holds one metric on the same data files.
"""

import dataclasses
import difflib
from collections.abc import Sequence

from grux.errors import UsageError
from grux.results.caption import caption_of
from grux.results.comparable import is_of_data, mixed_line, refusal
from grux.results.contents import Cell, Line, Row, Table
from grux.results.record import Run
from grux.results.schema import as_number
from grux.results.select import differences, grouped, latest, require_key, value_of
from grux.results.statistics import Summary, summarise
from grux.results.units import Unit, decimals_for, direction


def make_table(
    runs: Sequence[Run], *, rows: str = "arch", columns: str = "data", split: str = "test", metric: str | None = None
) -> Table:
    """The table of these runs; of each config the newest finished run counts.

    `metric` None takes each run's primary metric. Raises UsageError where there is nothing to show, where a key, metric
    or split is unknown, and where a cell or line would mix what must not be mixed.
    """
    if not runs:
        raise UsageError(
            "there are no runs to show: no folder with a result.json or status.json was found; train first."
        )
    runs = latest(runs)
    require_key(runs, rows, f"--rows {rows}")
    require_key(runs, columns, f"--columns {columns}")
    if rows == columns:
        raise UsageError(f"--rows and --columns are both {rows}; give two different keys, such as arch and data.")
    _require_score(runs, metric, split)
    # Data sets never compete, so where they are asked for as rows the lines of the table run along its rows.
    transposed = is_of_data(rows) and not is_of_data(columns)
    if transposed:
        rows, columns = columns, rows
    if problem := mixed_line(runs, rows, columns):
        raise UsageError(problem)
    return _Maker(rows, columns, split, metric).make(runs, transposed)


class _Maker:
    """Collects footnotes while it walks over rows and lines."""

    def __init__(self, rows: str, columns: str, split: str, metric: str | None):
        self.rows, self.columns, self.split, self.metric = rows, columns, split, metric
        self.notes: dict[str, str] = {}  # text -> letter

    def make(self, runs: list[Run], transposed: bool) -> Table:
        by_row = grouped(runs, self.rows)
        by_line = grouped(runs, self.columns)
        placed = {(row, line): _having(by_row[row], self.columns, line) for row in by_row for line in by_line}
        by_row = {row: group for row, group in by_row.items() if any(placed[row, line] for line in by_line)}
        by_line = {line: group for line, group in by_line.items() if any(placed[row, line] for row in by_row)}
        cells = {(row, line): self.cell(row, line, placed[row, line]) for row in by_row for line in by_line}
        made_lines, baseline_rows = [], {}
        for line, group in by_line.items():
            records = [run.record for run in group if run.record]
            metric = _metric_of(records, self.metric)
            column = {row: cells[row, line] for row in by_row}
            summaries = [cell.summary for cell in column.values() if cell.summary]
            decimals = decimals_for(metric, [s.mean for s in summaries], [s.half_width or 0.0 for s in summaries])
            unit = Unit(metric, self.split, direction(metric, records), decimals)
            made_lines.append(Line(line, unit))
            for row, cell in _mark_best(column, unit).items():
                cells[row, line] = cell
            for name, score in self.baselines(line, records, metric).items():
                baseline_rows.setdefault(name, {})[line] = Cell({}, Summary(1, score, None, None), "done")
        missing = Cell({}, None, "missing")
        made_rows = [Row(row, tuple(cells[row, line] for line in by_line)) for row in by_row]
        for name, found in baseline_rows.items():
            made_rows.append(Row(name, tuple(found.get(line, missing) for line in by_line), baseline=True))
        # A run that broke before it wrote down what it was still must not be silence.
        for run in runs:
            if value_of(run, self.rows) is None or value_of(run, self.columns) is None:
                self.note(f"not shown: {run.path}: {run.problem or f'it has no {self.rows} or no {self.columns}'}")
        return Table(
            rows_key=self.rows,
            columns_key=self.columns,
            lines=tuple(made_lines),
            rows=tuple(made_rows),
            notes=tuple((letter, text) for text, letter in self.notes.items()),
            caption=caption_of(made_lines, made_rows, [run.record for run in runs if run.record]),
            transposed=transposed,
        )

    def note(self, text: str) -> str:
        """The letter of this footnote: a, b, ..., z, aa, ab, ..."""
        if text not in self.notes:
            number, letters = len(self.notes), ""
            while number >= 0:
                number, rest = number // 26 - 1, number % 26
                letters = chr(ord("a") + rest) + letters
            self.notes[text] = letters
        return self.notes[text]

    def cell(self, row: str, line: str, runs: list[Run]) -> Cell:
        if not runs:
            return Cell({}, None, "missing")
        done = sorted((run for run in runs if run.record), key=lambda run: run.created)
        if differing := differences(done) if len(done) > 1 else {}:
            raise UsageError(refusal(f"the cell {row} × {line} would average {len(done)} runs", differing))
        records = [run.record for run in done if run.record]
        scores: dict[int, float] = {}
        asked: set[int] = set()
        notes, diverged = [], []
        for record in records:
            for entry in record["seeds"]:
                asked.add(entry["seed"])
                score = as_number(entry["scores"].get(self.split, {}).get(_metric_of([record], self.metric)))
                if entry["status"] == "done" and score is not None:
                    scores[entry["seed"]] = score
                elif entry["status"] == "done":
                    notes.append(self.note(f"{row} on {line}, seed {entry['seed']}: no such score on {self.split}"))
                else:
                    diverged.append(entry["seed"])
            if isinstance(wanted := record["config"].get("seeds"), int) and wanted > len(record["seeds"]):
                notes.append(self.note(f"{row} on {line}: {len(record['seeds'])} of {wanted} seeds"))
                asked.add(-1)  # one that has no score
        if diverged:
            notes.append(self.note(f"{row} on {line}: {_seeds(diverged)} diverged (a loss that is not finite)"))
        state = "done" if scores else "diverged" if diverged else "missing"
        for run in runs:
            if not run.record:
                notes.append(self.note(f"{row} on {line}: {_plight(run)}"))
                # More seeds of this config that did not arrive leave the mean partial; a failed try of another not.
                if scores and not differences([done[0], run]):
                    state = "partial"
                elif not scores:
                    state = run.state
        if state == "done" and asked != scores.keys():
            state = "partial"
        seconds = [_seconds(record) for record in records]
        return Cell(
            scores=dict(sorted(scores.items())),
            summary=summarise(scores.values()) if scores else None,
            state=state,
            notes=tuple(dict.fromkeys(notes)),
            parameters=next((record["parameters"]["total"] for record in records if record.get("parameters")), None),
            seconds=sum(own for own, _ in seconds) if seconds else None,
            compile_seconds=sum(compiled for _, compiled in seconds) if seconds else None,
        )

    def baselines(self, line: str, records: list[dict], metric: str) -> dict[str, float]:
        """Baseline name -> score. Every run of the line computes the same; a difference is worth a note."""
        found: dict[str, float] = {}
        for record in records:
            for name, scores in (record.get("baselines") or {}).items():
                score = as_number(scores.get(self.split, {}).get(metric))
                if score is None:
                    continue
                if abs(found.setdefault(name, score) - score) > 1e-4 * abs(score):
                    self.note(f"{name} on {line}: runs give {found[name]:.6g} and {score:.6g}; the first is shown")
        return found


def _having(runs: list[Run], key: str, value: str) -> list[Run]:
    return [run for run in runs if value_of(run, key) == value]


def _metric_of(records: Sequence[dict], metric: str | None) -> str:
    return metric or (records[0]["metric"]["primary"] if records else "score")


def _seconds(record: dict) -> tuple[float, float]:
    """(training and evaluation, compilation) of a finished run."""
    seconds = {key: as_number(value) or 0.0 for key, value in (record.get("seconds") or {}).items()}
    return seconds.get("train", 0.0) + seconds.get("evaluate", 0.0), seconds.get("compile", 0.0)


def _plight(run: Run) -> str:
    status = run.status or {}
    where = f", step {status['step']} of {status['steps']}" if status.get("step") and status.get("steps") else ""
    return f"{run.state}{where}{f' ({run.problem})' if run.problem else ''}, see {run.path}"


def _seeds(seeds: Sequence[int]) -> str:
    return f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, sorted(seeds)))}"


def _mark_best(column: dict[str, Cell], unit: Unit) -> dict[str, Cell]:
    """Best of the complete cells in bold; cells that print the same number as the best are best too."""
    complete = [cell.summary.mean for cell in column.values() if cell.state == "done" and cell.summary]
    complete = [mean for mean in complete if mean == mean]
    if unit.higher_is_better is None or len(complete) < 2:  # of one, best says nothing
        return column
    best = unit.number(max(complete) if unit.higher_is_better else min(complete))
    return {
        row: dataclasses.replace(cell, best=cell.state == "done" and unit.number(cell.summary.mean) == best)
        if cell.summary
        else cell
        for row, cell in column.items()
    }


def _require_score(runs: Sequence[Run], metric: str | None, split: str) -> None:
    """Raises UsageError where no finished run has a score of this name on this split."""
    scores = [
        entry["scores"] for run in runs if run.record for entry in run.record["seeds"] if entry["status"] == "done"
    ]
    splits = {name: found for seed in scores for name, found in seed.items()}
    if not scores:
        return
    if split not in splits:
        raise UsageError(f"no run has scores on the split {split!r}; choose one of {', '.join(sorted(splits))}.")
    metrics = sorted({name for seed in scores for name in seed.get(split, {})})
    if metric is not None and metric not in metrics:
        near = difflib.get_close_matches(metric, metrics, n=1)
        hint = f"did you mean {near[0]}?" if near else f"choose one of {', '.join(metrics)}."
        raise UsageError(f"no run has the metric {metric!r} on the split {split!r}; {hint}")
