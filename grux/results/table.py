"""The table: a row for each architecture (or any key), a column for each data set (or any key), scores over seeds.

Contestants stand against each other along a *line*: cells of one metric on one data set. Lines are columns by default;
where the keys are given the other way round (rows=data, columns=arch) the same table is drawn transposed. Only like is
averaged with like: a cell holds seeds of one config, a line holds one metric on the same data files.
"""

import dataclasses
import difflib
import math
from collections.abc import Sequence
from typing import Any

from grux.errors import UsageError
from grux.results.caption import aggregates_caption, caption_of, versus_caption
from grux.results.cells import MISSING, CellMaker, Notes, baseline_scores
from grux.results.comparable import by_file, is_of_data, mixed_line, unequal_training
from grux.results.contents import Cell, Line, Row, Table
from grux.results.contest import against, judged, require_reference
from grux.results.facts import extras, line_extras, require_facts
from grux.results.matched import WIDTH, widths_differ
from grux.results.normalised import aggregated
from grux.results.record import Run
from grux.results.reported import placed, read_reported
from grux.results.select import grouped, latest, parts_of, require_key, value_of
from grux.results.selection import Selection
from grux.results.statistics import Summary
from grux.results.units import Unit, decimals_for, direction
from grux.results.view import View


def make_table(runs: Sequence[Run], view: View | None = None, **changes: Any) -> Table:
    """The table of these runs; of each config the newest finished run counts. `changes` are fields of `View`.

    `metric` None takes each run's primary metric. Raises UsageError where there is nothing to show, where a key, metric
    or split is unknown, and where a cell or line would mix what must not be mixed.
    """
    view = (view or View()).changed(**changes)
    if not runs:
        raise UsageError(
            "there are no runs to show: no folder with a result.json or status.json was found; train first."
        )
    runs = latest(runs)
    require_layout(runs, view)
    require_facts(runs, view.show, view.said("show"))
    rows, columns = by_file(runs, view.rows, view.columns)
    # Data sets never compete, so where they are asked for as rows the lines of the table run along its rows.
    transposed = is_of_data(rows) and not is_of_data(columns)
    if transposed:
        rows, columns = columns, rows
    view = dataclasses.replace(view, rows=rows, columns=columns)
    if problem := mixed_line(runs, view.rows, view.columns, view.metric):
        raise UsageError(problem)
    if widths_differ(runs) and WIDTH not in (*parts_of(view.rows), *parts_of(view.columns)):
        view = dataclasses.replace(view, show=(*view.show, WIDTH))
    return _Maker(runs, view).make(transposed)


def require_layout(runs: Sequence[Run], view: View) -> None:
    """Raises UsageError where no run has the keys of rows and columns, or the metric on the split."""
    require_key(runs, view.rows, view.said("rows"))
    require_key(runs, view.columns, view.said("columns"))
    _require_score(runs, view.metric, view.split)


class _Maker:
    """Walks over rows and lines."""

    def __init__(self, runs: Sequence[Run], view: View):
        self.runs, self.view = runs, view
        self.notes = Notes()
        self.selection = Selection(view.select, view.last)
        self.cells = CellMaker(
            self.notes,
            split=view.split,
            metric=view.metric,
            selection=self.selection,
            interval=view.interval,
            shown=view.show,
        )
        self.baselines: dict[str, dict[str, float]] = {}  # line -> name -> score

    def make(self, transposed: bool) -> Table:
        view = self.view
        by_row, by_line = grouped(self.runs, view.rows), grouped(self.runs, view.columns)
        placed_runs = {(row, line): _having(by_row[row], view.columns, line) for row in by_row for line in by_line}
        by_line = {line: by_line[line] for line in (*view.names, *by_line) if line in by_line}  # in the order of names
        by_row = {row: group for row, group in by_row.items() if any(placed_runs[row, line] for line in by_line)}
        by_line = {line: group for line, group in by_line.items() if any(placed_runs[row, line] for row in by_row)}
        lines: list[Line] = []
        columns: dict[str, dict[str, Cell]] = {}
        for value, group in by_line.items():
            own = {row: placed_runs[row, value] for row in by_row}
            name = view.names.get(value, value)
            if name in columns:
                raise UsageError(f"{view.said('names')}: two lines are called {name}; give each a name of its own.")
            made, columns[name] = self.line(name, [run.record for run in group if run.record], own)
            lines.append(dataclasses.replace(made, named=value in view.names))
        self._require_scores(columns)
        self._refer(lines, columns)
        rows = self.rows(list(by_row), columns)
        aggregates = self._aggregates(rows, lines)
        rows = self._merged(rows, lines) if view.baselines != "all" else rows
        rows = self._with_reported(rows, lines)
        # A run that broke before it wrote down what it was still must not be silence.
        for run in self.runs:
            if value_of(run, view.rows) is None or value_of(run, view.columns) is None:
                self.notes.letter(f"not shown: {run.path}: {run.problem or f'it has no {view.rows} or {view.columns}'}")
        beside = extras(rows, view.show)
        costs = line_extras(lines, rows, view.show) if transposed else ()
        return Table(
            rows_key=view.rows,
            columns_key=view.names.get(view.columns, view.columns),
            lines=tuple(lines),
            rows=tuple(rows),
            notes=self.notes.all(),
            caption=caption_of(
                lines,
                rows,
                self.runs,
                selection=self.selection,
                interval=view.interval,
                columns=beside,
                rows_key=view.rows,
                transposed=transposed,
            ),
            transposed=transposed,
            extras=beside,
            line_extras=costs,
            reference=self.view.reference,
            versus_caption=versus_caption(self.view.reference) if self.view.reference else "",
            aggregates=aggregates,
            select=self.selection.rule,
            aggregates_caption=aggregates_caption(*view.bounds, self.view.reference) if view.bounds else "",
        )

    def line(self, name: str, records: list[dict], own: dict[str, list[Run]]) -> tuple[Line, dict[str, Cell]]:
        """The line with its unit, and its cells with the best marked."""
        metric = self.view.metric or (records[0]["metric"]["primary"] if records else "score")
        upwards = direction(metric, records)
        if self.selection.rule == "max_over_seeds" and upwards is None:
            raise UsageError(f"{self.view.said('select')}: nothing says whether a higher {metric} is better.")
        column = {row: self.cells.cell(row, name, runs, upwards) for row, runs in own.items()}
        summaries = [cell.summary for cell in column.values() if cell.summary]
        widths = [
            s.half_width or (s.interval[1] - s.interval[0]) / 2 if s.interval else s.half_width for s in summaries
        ]
        unit = Unit(
            metric,
            self.view.split,
            upwards,
            decimals_for(metric, [s.mean for s in summaries], [w or 0 for w in widths]),
        )
        best = None
        if self.selection.rule != "max_over_seeds":  # where luck was chosen nobody is best
            column, best = judged(column, upwards, name, self.notes)
        if text := unequal_training(own, self.view.rows):
            self.notes.letter(f"{name}: {text}")
        self.baselines[name] = baseline_scores(records, name, self.view.split, metric, self.notes)
        return Line(name, unit, best), column

    def rows(self, names: list[str], columns: dict[str, dict[str, Cell]]) -> list[Row]:
        """Contestants first, then the methods that were not trained."""
        rows = [Row(row, tuple(column[row] for column in columns.values())) for row in names]
        for method in self.methods():
            scores = [self.baselines[line].get(method) for line in columns]
            cells = (MISSING if s is None else Cell({}, Summary(1, s, None, None), "done") for s in scores)
            rows.append(Row(method, tuple(cells), baseline=True))
        return rows

    def _merged(self, rows: list[Row], lines: list[Line]) -> list[Row]:
        """The contestants, and with `baselines` best one row with the best untrained score of each line."""
        trained = [row for row in rows if not row.baseline]
        if self.view.baselines == "none" or len(trained) == len(rows):
            return trained
        cells = []
        for at, line in enumerate(lines):
            found = [(row.name, row.cells[at]) for row in rows if row.baseline and math.isfinite(row.cells[at].mean)]
            if not found or line.unit.higher_is_better is None:
                cells.append(MISSING)
                continue
            choose = max if line.unit.higher_is_better else min
            method, cell = choose(found, key=lambda pair: pair[1].mean)
            cells.append(dataclasses.replace(cell, method=method))
        return [*trained, Row("best baseline", tuple(cells), baseline=True)]

    def methods(self) -> list[str]:
        """The names of all methods that were not trained."""
        return list(dict.fromkeys(method for found in self.baselines.values() for method in found))

    def _refer(self, lines: list[Line], columns: dict[str, dict[str, Cell]]) -> None:
        if (reference := self.view.reference) is None:
            return
        known = [*dict.fromkeys(row for column in columns.values() for row in column), *self.methods()]
        if "reference" in self.view.places and reference not in known:  # a filter may have left it out
            self.notes.letter(f"no differences: {self.view.said('reference')} is no row of this table")
            self.view = self.view.changed(reference=None)
            return
        require_reference(reference, known)
        for line in lines:
            column = columns[line.name]
            columns[line.name] = against(column, self.baselines[line.name], reference, line.unit.higher_is_better)

    def _with_reported(self, rows: list[Row], lines: list[Line]) -> list[Row]:
        if self.view.reported is None:
            return rows
        claims = [
            dataclasses.replace(claim, column=self.view.names.get(claim.column, claim.column))
            for claim in read_reported(self.view.reported)
        ]
        found = placed(claims, [row.name for row in rows], lines, self.notes)
        return [
            dataclasses.replace(
                row,
                cells=tuple(
                    dataclasses.replace(cell, reported=found.get((row.name, line.name)))
                    for cell, line in zip(row.cells, lines, strict=True)
                ),
            )
            for row in rows
        ]

    def _aggregates(self, rows: list[Row], lines: list[Line]) -> dict[str, Any]:
        if self.view.bounds is None:
            return {}
        try:
            return aggregated(rows, lines, *self.view.bounds, self.view.reference, self.notes)
        except UsageError as error:
            if "aggregate" not in self.view.places:
                raise
            reason = str(error).removeprefix(f"--aggregate {self.view.aggregate}: ").removeprefix("--aggregate: ")
            raise UsageError(f"{self.view.said('aggregate')}: {reason}") from error

    def _require_scores(self, columns: dict[str, dict[str, Cell]]) -> None:
        """Raises UsageError where no record can serve a selection rule that was asked for."""
        cells = [cell for column in columns.values() for cell in column.values()]
        finished = any(run.record for run in self.runs)
        if self.selection.rule in ("last", "mean_last_k") and finished and not any(cell.scores for cell in cells):
            texts = dict(self.notes.all())
            reason = next((texts[letter] for cell in cells if cell.state != "diverged" for letter in cell.notes), "")
            raise UsageError(f"{self.view.said('select')}: {reason}.")


def _having(runs: list[Run], key: str, value: str) -> list[Run]:
    return [run for run in runs if value_of(run, key) == value]


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
