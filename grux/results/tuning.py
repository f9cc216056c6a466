"""The report of a search, from files alone: what each contestant found, when one passes another, what mattered."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grux.errors import UsageError
from grux.results.expected import Crossing, Curve, best_so_far, crossings, expected_best
from grux.results.grid import printable
from grux.results.importance import importance
from grux.results.record import Run, read_run, write_atomic
from grux.results.schema import as_number
from grux.results.space import as_word, parse_space
from grux.results.statistics import summarise
from grux.results.terminal import Page, ruled_table
from grux.results.trials import Study, of_one_kind, read_studies, scores, worst_score
from grux.results.units import Unit, decimals_for

CURVE_FILE, TRIALS_FILE = "expected_best.csv", "trials.csv"


@dataclass(frozen=True)
class Report:
    """All that a search says."""

    studies: tuple[Study, ...]
    unit: Unit
    curves: dict[str, Curve]
    """Of the contestants that have a score."""
    crossings: list[Crossing]
    importance: dict[str, dict[str, float]]
    """Contestant -> setting -> share."""
    remark: str
    """Why there is no importance, "" where there is."""
    results: dict[str, Run]
    """Contestant -> the run of its best values over fresh seeds; the only place of test scores."""

    @property
    def expects(self) -> bool:
        """Whether the curves are expectations, which trials that learn from each other do not have."""
        return self.studies[0].settings["sampler"] == "random"


def make_report(folder: Path, results: Path) -> Report:
    """The report of the search in `folder`, whose final runs lie in `results`.

    Raises UsageError where there is no search, or none of its trials has a score.
    """
    studies = read_studies(folder)
    of_one_kind(studies)
    worst = worst_score(studies)
    if worst is None:
        raise UsageError(f"no trial in {folder} has a score yet; the same `grux tune` goes on with the search.")
    metric = next(study.metric for study in studies if study.metric)
    higher = next(s.higher_is_better for s in studies if s.higher_is_better is not None)
    found = {study.contestant: scores(study, worst) for study in studies}
    curve = expected_best if studies[0].settings["sampler"] == "random" else best_so_far
    curves = {
        study.contestant: curve(found[study.contestant], higher_is_better=higher) for study in studies if study.best
    }
    shares, remark = _importance(studies, worst)
    finals = {study.contestant: study.settings.get("final") for study in studies}
    return Report(
        tuple(studies),
        Unit(metric, "validation", higher, decimals_for(metric, [s for each in found.values() for s in each], ())),
        curves,
        crossings(curves, higher_is_better=higher),
        shares,
        remark,
        {name: read_run(results / Path(str(final["run"])).name) for name, final in finals.items() if final},
    )


def _importance(studies: Sequence[Study], worst: float) -> tuple[dict[str, dict[str, float]], str]:
    found = {}
    try:
        for study in studies:
            tried = [(t.values, worst if t.score is None else t.score) for t in study.trials if t.counts]
            shares = importance(parse_space(study.settings["space"]), tried)
            if shares:
                found[study.contestant] = shares
    except UsageError as error:
        return {}, str(error)
    return found, "" if found else "Too few trials to tell which settings matter."


def render_report(report: Report) -> str:
    """The report as a page of text."""
    page = Page()
    page.add(_searches(report, page.styled))
    page.write(_caption(report))
    for crossing in report.crossings:
        finds = "is expected to find" if report.expects else "had found"
        page.write(f"From {crossing.trials} trials on {crossing.leader} {finds} more than {crossing.other}.")
    if len(report.curves) > 1 and not report.crossings:
        page.write("No contestant passes another at any number of trials.")
    page.write("")
    page.add(_best_values(report, page.styled))
    if report.importance:
        page.write("")
        page.add(_shares(report, page.styled))
        page.write(
            "Importance: share of the variance of the validation score over the space (functional ANOVA, "
            "Hutter et al. 2014)."
        )
    if report.remark:
        page.write(report.remark[0].upper() + report.remark[1:])
    if report.results:
        page.write("")
        page.add(_results(report, page.styled))
        page.write(
            "Result: the best values of each contestant, trained again on seeds that no trial had. Test scores are of "
            "these runs alone; mean ± half-width of the 95 % interval over seeds."
        )
    return page.text()


def _searches(report: Report, styled: bool) -> Any:
    """A line for each contestant: how its trials ended, and what it is expected to find by then."""
    longest = max(len(curve.expected) for curve in report.curves.values())
    marks = [n for n in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512) if n < longest] + [longest]
    failed = any(_count(study, "failed") for study in report.studies)
    heads = ["", "trials", "diverged", *["failed"] * failed, *(f"best of {n}" for n in marks)]
    table = ruled_table(heads, labels=1, styled=styled)
    for study in report.studies:
        curve = report.curves.get(study.contestant)
        cells = [report.unit.number(curve.expected[n - 1]) if curve and n <= len(curve.expected) else "" for n in marks]
        done = sum(trial.counts for trial in study.trials)
        wanted = int(study.settings.get("trials", done))
        count = str(done) if done >= wanted else f"{done} of {wanted}"
        failures = [str(_count(study, "failed"))] * failed
        table.add_row(_text(study.contestant), count, str(_count(study, "diverged")), *failures, *cells)
    return table


def _count(study: Study, state: str) -> int:
    return sum(trial.state == state for trial in study.trials)


def _caption(report: Report) -> str:
    settings = report.studies[0].settings
    space = ", ".join(f"{key} ~ {text}" for key, text in settings["space"].items())
    diverged = " A diverged trial counts as the worst score of all." * any(
        _count(study, "diverged") for study in report.studies
    )
    what = (
        f"Expected best validation {report.unit.label} of a search of n trials, without replacement (Tang et al. 2020)."
        if report.expects
        else f"Best validation {report.unit.label} of the first n trials, in the order in which they were tried."
    )
    return f"{what}{diverged} Search: {settings['sampler']}, seed {settings['seed']}, {printable(space, 500)}."


def _text(name: str) -> Any:
    """A name as it stands: rich would read brackets as its own marks."""
    from rich.text import Text

    return Text(printable(name, 60))


def _best_values(report: Report, styled: bool) -> Any:
    keys = list(report.studies[0].settings["space"])
    table = ruled_table(["best trial", "number", "validation", *map(_text, keys)], labels=1, styled=styled)
    for study in report.studies:
        if best := study.best:
            assert best.score is not None
            values = (_text(as_word(best.values.get(key))) for key in keys)
            table.add_row(_text(study.contestant), str(best.number), report.unit.number(best.score), *values)
    return table


def _shares(report: Report, styled: bool) -> Any:
    names = list(report.importance)
    keys = sorted(
        report.studies[0].settings["space"], key=lambda key: -sum(report.importance[n].get(key, 0) for n in names)
    )
    table = ruled_table(["importance", *map(_text, names)], labels=1, styled=styled)
    for key in keys:
        table.add_row(_text(key), *(f"{report.importance[name].get(key, 0.0):.2f}" for name in names))
    return table


def _results(report: Report, styled: bool) -> Any:
    table = ruled_table(["result", "test", "seeds", "state"], labels=1, styled=styled)
    for name, run in report.results.items():
        record = run.record
        metric = record["metric"]["primary"] if record else ""
        rows = [row for row in record["seeds"] if row["status"] == "done"] if record else []
        found = [as_number((row["scores"].get("test") or {}).get(metric)) for row in rows]
        kept = [score for score in found if score is not None]
        text = "–"
        if kept:
            summary = summarise(kept)
            unit = Unit(metric, "test", None, decimals_for(metric, [summary.mean], [summary.half_width or 0.0]))
            width = "" if summary.half_width is None else f" ± {unit.number(summary.half_width)}"
            text = f"{unit.name} {unit.number(summary.mean)}{width}"
        table.add_row(_text(name), text, str(len(kept)), _text(run.problem or run.state))
    return table


def write_csv(report: Report, folder: Path) -> list[Path]:
    """The curves and the trials as two files in `folder`; scores as in the records (fractions, not percent)."""
    curves = [["contestant", "trials", "expected_best", "deviation", "low_5", "high_95"]]
    for name, curve in report.curves.items():
        columns = zip(curve.expected, curve.deviation, curve.low, curve.high, strict=True)
        curves += [[name, n, *row] for n, row in enumerate(columns, start=1)]
    keys = list(report.studies[0].settings["space"])
    trials = [["contestant", "trial", "state", f"validation_{report.unit.metric}", *keys, "run"]]
    for study in report.studies:
        for trial in study.trials:
            values = [as_word(trial.values.get(key)) for key in keys]
            score = "" if trial.score is None else trial.score
            trials.append([study.contestant, trial.number, trial.state, score, *values, trial.run.run_id])
    paths = [folder / CURVE_FILE, folder / TRIALS_FILE]
    for path, rows in zip(paths, (curves, trials), strict=True):
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(rows)
        write_atomic(path, text.getvalue())
    return paths
