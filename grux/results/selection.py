"""Which of a seed's scores stands for it: the selection rule, and the same runs under each.

best_val        at the step that was best on validation: what a record holds, and what papers should print
last            with the last weights; a seed that stopped early has its own last ones
mean_last_k     mean over the last k evaluations of the seed, from metrics.jsonl
max_over_seeds  best_val of the best seed only, chosen by the very score that is printed
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from grux.results.record import Run, read_metrics
from grux.results.schema import as_number
from grux.results.seeds import seeds_named
from grux.results.statistics import Summary, summarise

RULES = ("best_val", "last", "mean_last_k", "max_over_seeds")


@dataclass(frozen=True)
class Selection:
    """A rule of `RULES`; `k` matters to mean_last_k alone."""

    rule: str = "best_val"
    k: int = 5

    def scores(self, run: Run, split: str, metric: str) -> tuple[dict[int, float], str | None]:
        """(seed -> score of the seeds that finished, why some have none and what to do about it)."""
        assert run.record is not None
        done = [entry for entry in run.record["seeds"] if entry["status"] == "done"]
        if self.rule == "mean_last_k":
            return self._mean_of_last(run, {entry["seed"] for entry in done}, split, metric)
        part = "last_scores" if self.rule == "last" else "scores"
        found = {entry["seed"]: as_number(((entry.get(part) or {}).get(split) or {}).get(metric)) for entry in done}
        scores = {seed: score for seed, score in found.items() if score is not None}
        if len(scores) == len(done):
            return scores, None
        if self.rule == "last":
            return scores, (
                f"its record has no {split} {metric} of the last weights; "
                "train again with test_weights=last (or every) and force=true"
            )
        return scores, f"no such score on {split} for {seeds_named(found.keys() - scores.keys())}"

    def _mean_of_last(self, run: Run, seeds: set[int], split: str, metric: str) -> tuple[dict[int, float], str | None]:
        values: dict[int, list[float]] = {seed: [] for seed in seeds}
        for row in read_metrics(run):
            value = as_number(row.get(metric))
            if row.get("split") == split and row.get("seed") in values and value is not None:
                values[row["seed"]].append(value)
        enough = {seed: found[-self.k :] for seed, found in values.items() if len(found) >= self.k}
        scores = {seed: math.fsum(found) / self.k for seed, found in sorted(enough.items())}
        if len(scores) == len(seeds):
            return scores, None
        most = max(map(len, values.values()), default=0)
        if most == 0:
            return scores, (
                f"its metrics.jsonl has no {split} {metric}; scores that need decoding are never computed at each "
                "evaluation, others on test data only with test_weights=every: train again with that, or choose "
                "another metric or --select last"
            )
        short = seeds_named(seeds - scores.keys())
        return scores, f"{short} had fewer than {self.k} evaluations; choose a smaller --last, or a smaller eval_every"

    def best_of(self, scores: Mapping[int, float], higher_is_better: bool | None) -> float | None:
        """The one score that stands for a cell under max_over_seeds, of the finite ones; None under the other rules."""
        finite = list(filter(math.isfinite, scores.values()))
        if self.rule != "max_over_seeds" or not finite:
            return None
        return max(finite) if higher_is_better else min(finite)

    def summary(self, scores: Mapping[int, float], higher_is_better: bool | None, interval: str = "t") -> Summary:
        """What stands for a cell: mean and interval over its seeds, or the one score of `best_of`."""
        best = self.best_of(scores, higher_is_better)
        return summarise(scores.values(), interval) if best is None else Summary(len(scores), best, None, None)

    def caption(self, records: Sequence[dict[str, Any]], seeds: Sequence[int]) -> str:
        """The sentence that every table carries. `seeds`: over how many the best was taken, in each cell."""
        if self.rule == "last":
            return "Selection: last weights of each seed (select: last)."
        if self.rule == "mean_last_k":
            return f"Selection: mean over the last {self.k} evaluations of each seed (select: mean_last_k)."
        rules: dict[str, list[str]] = {}
        for record in records:
            if rule := (record.get("selection") or {}).get("rule"):
                data = record["choices"].get("data") or record["run_id"]
                names = rules.setdefault(str(rule), [])
                if data not in names:
                    names.append(data)
        if not rules:
            said = ""
        elif len(rules) == 1:
            said = next(iter(rules))
        else:
            said = "; ".join(f"{rule} ({', '.join(names)})" for rule, names in rules.items())
        if self.rule == "max_over_seeds":
            several = "1 seed" if set(seeds) == {1} else f"{' or '.join(map(str, sorted(set(seeds))))} seeds"
            within = f" Within a seed: {said}." if said else ""
            return (
                f"Selection: the best of {several}, chosen by the score that is shown, which is therefore too good "
                f"(select: max_over_seeds).{within}"
            )
        return f"Selection: {said} (select: best_val)." if said else ""


BEST_VAL = Selection()
