"""Runs in an order of one's choice, and each as a plain mapping: what `grux ls --sort` and `--json` give."""

from collections.abc import Callable, Sequence
from typing import Any

from grux.errors import UsageError
from grux.nearest import nearest_keys
from grux.results.record import Run
from grux.results.schema import as_number
from grux.results.select import known_keys, natural, value_of
from grux.results.selection import BEST_VAL, Selection
from grux.results.statistics import Summary
from grux.results.units import direction

NUMBERS: dict[str, Callable[[Run], float | None]] = {
    "score": lambda run: found.mean if (found := score_of(run)) else None,
    "seconds": lambda run: as_number(((run.record or {}).get("seconds") or {}).get("total")),
    "parameters": lambda run: as_number(((run.record or {}).get("parameters") or {}).get("total")),
}
"""What runs can be sorted by beside `created` and their own keys."""


def sort_runs(runs: Sequence[Run], key: str) -> list[Run]:
    """Ascending by `key`, descending by `-key`: a name of `NUMBERS`, `created`, a choice or config key.

    Runs without a value come last either way; equal ones by age. Raises UsageError for a key that no run has.
    """
    name, downwards = key.removeprefix("-"), key.startswith("-")
    known = [*NUMBERS, "created", *known_keys(runs)]
    if runs and name not in known:
        near = nearest_keys(name, known, n=3)
        hint = (
            f"did you mean {' or '.join(near)}?" if near else f"choose {', '.join(NUMBERS)}, created, or a config key."
        )
        raise UsageError(f"--sort {key}: no run has the key {name}; {hint}")

    def value(run: Run) -> Any:
        if name in NUMBERS:
            return None if (number := NUMBERS[name](run)) is None or number != number else number
        text = run.created or None if name == "created" else value_of(run, name)
        return None if text is None else natural(text)

    by_age = sorted(runs, key=lambda run: (run.created, run.run_id))
    valued = sorted((run for run in by_age if value(run) is not None), key=value, reverse=downwards)
    return valued + [run for run in by_age if value(run) is None]


def score_of(run: Run, selection: Selection = BEST_VAL) -> Summary | None:
    """Mean and interval over seeds of the primary test score, a fraction where grux keeps fractions."""
    return summary_of(run, "test", run.record["metric"]["primary"], selection) if run.record else None


def summary_of(run: Run, split: str, metric: str, selection: Selection = BEST_VAL) -> Summary | None:
    """The same of any score; under max_over_seeds the best seed alone."""
    scores, _ = selection.scores(run, split, metric)
    upwards = direction(metric, [run.record] if run.record else [])
    return selection.summary(scores, upwards) if scores else None


def as_rows(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """One mapping for each run, all with the same keys; null where a run has nothing to say."""
    return [_row(run) for run in runs]


def _row(run: Run) -> dict[str, Any]:
    record, status, score = run.record or {}, run.status or {}, score_of(run)
    return {
        "run_id": run.run_id,
        "experiment": run.experiment,
        "path": str(run.path),
        "state": run.state,
        "problem": run.problem,
        "choices": run.choices,
        "step": status.get("step"),
        "steps": status.get("steps"),
        "created": run.created or None,
        "metric": record["metric"]["primary"] if record else None,
        "score": score.mean if score else None,
        "half_width": score.half_width if score else None,
        "seeds": len(record["seeds"]) if record else None,
        "parameters": (record.get("parameters") or {}).get("total"),
        "seconds": NUMBERS["seconds"](run),
    }
