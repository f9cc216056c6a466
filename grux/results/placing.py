"""Finished runs laid out for a figure: which panel, name and point; and which runs are left out, with the reason."""

import math
from collections.abc import Sequence
from typing import Any

from grux.errors import UsageError
from grux.results.comparable import mixed_line, refusal
from grux.results.record import Run
from grux.results.seeds import holders, newest_by_seed, seeds_named
from grux.results.select import differences, grouped, latest, require_key
from grux.results.selection import Selection
from grux.results.statistics import Summary, summarise
from grux.results.units import Unit, decimals_for, direction

Placed = dict[str, dict[str, list[Run]]]
"""Panel -> name -> its finished runs."""


def placed(runs: Sequence[Run], rows: str, columns: str, metric: str | None = None) -> tuple[Placed, list[str]]:
    """(finished runs by the values of `columns` and `rows`, why the others are left out).

    Raises UsageError where there is nothing to show, a key is unknown, or a panel would compare what is not alike, by
    `metric` or by the one of each run.
    """
    if not runs:
        raise UsageError("there are no runs to draw: no folder with a result.json was found; train first.")
    require_key(runs, rows, f"--rows {rows}")
    require_key(runs, columns, f"--columns {columns}")
    runs = latest(runs)
    done = [run for run in runs if run.record]
    left_out = [
        f"{run.run_id}: {run.state}" + f" ({run.problem})" * bool(run.problem) for run in runs if not run.record
    ]
    if problem := mixed_line(done, rows, columns, metric):
        raise UsageError(problem)
    return {column: grouped(group, rows) for column, group in grouped(done, columns).items()}, left_out


def alike(runs: Sequence[Run], what: str) -> None:
    """Raises UsageError where the runs are not seeds of one config; `what` says what they would be in the figure."""
    if len(runs) > 1 and (differing := differences(runs)):
        raise UsageError(refusal(f"{what} would average {len(runs)} runs", differing))


def by_config(runs: Sequence[Run]) -> list[list[Run]]:
    """The runs in groups that are seeds of one config."""
    groups: list[list[Run]] = []
    for run in runs:
        for group in groups:
            if not differences([group[0], run]):
                group.append(run)
                break
        else:
            groups.append([run])
    return groups


def finite_scores_of(
    runs: Sequence[Run], split: str, metric: str, selection: Selection
) -> tuple[dict[int, float], list[str]]:
    """(the scores that can be drawn, why the other seeds have none); of a seed that several runs have, the newest's."""
    newest = newest_by_seed(runs)
    scores: dict[int, float] = {}
    problems = []
    for run in holders(newest):
        found, problem = selection.scores(run, split, metric)
        scores |= {seed: score for seed, score in found.items() if newest[seed] is run}
        problems += [f"{run.run_id}: {problem}"] if problem else []
    finite = {seed: score for seed, score in sorted(scores.items()) if math.isfinite(score)}
    if endless := scores.keys() - finite.keys():
        problems.append(f"{runs[0].run_id}: {split} {metric} of {seeds_named(endless)} is not finite")
    return finite, problems


def summary_of(scores: dict[int, float], selection: Selection, unit: Unit) -> Summary:
    """Mean and interval over the seeds; under max_over_seeds the best one's score, which has none.

    Raises UsageError where nothing says which score is the best.
    """
    if selection.rule == "max_over_seeds" and unit.higher_is_better is None:
        raise UsageError(f"--select max_over_seeds: nothing says whether a higher {unit.metric} is better.")
    return selection.summary(scores, unit.higher_is_better)


def nothing_scored(selection: Selection, split: str, metric: str | None, problems: Sequence[str]) -> UsageError:
    """What is said where no run has a score under the rule of selection that was asked for."""
    if selection.rule in ("last", "mean_last_k") and problems:
        return UsageError(f"--select {selection.rule}: {problems[0]}.")
    return UsageError(f"no finished run has a score {f'{metric} ' if metric else ''}on the split {split}; train first.")


def metric_of(records: Sequence[dict[str, Any]], metric: str | None) -> str:
    """The metric that was asked for, else the one that the runs are judged by."""
    return metric or (records[0]["metric"]["primary"] if records else "score")


def unit_of(metric: str, split: str, records: Sequence[dict[str, Any]], scores: Sequence[dict[int, float]]) -> Unit:
    """How scores are printed, with decimals for these."""
    summaries = [summarise(found.values()) for found in scores if found]
    decimals = decimals_for(metric, [s.mean for s in summaries], [s.half_width or 0.0 for s in summaries])
    return Unit(metric, split, direction(metric, records), decimals)
