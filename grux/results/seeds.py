"""Runs and the seeds that they hold. Of a seed that several runs of one config have, the newest run counts."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from grux.results.record import Run


def newest_by_seed(runs: Iterable[Run]) -> dict[int, Run]:
    """Seed -> the newest finished run that holds it, seeds ascending; one that diverged is held, too."""
    found: dict[int, Run] = {}
    for run in sorted((run for run in runs if run.record), key=lambda run: (run.created, str(run.path))):
        found |= dict.fromkeys(_seeds_of(run), run)
    return dict(sorted(found.items()))


def holders(by_seed: Mapping[int, Run]) -> list[Run]:
    """Each run of `newest_by_seed` once."""
    return list({id(run): run for run in by_seed.values()}.values())


def kept_of(runs: Iterable[Run], name: str) -> list[tuple[dict[str, Any], Any]]:
    """(the entry `name` of a record, what its `counts` hold of one seed) for each finished seed that has it."""
    newest = newest_by_seed(runs)
    found = []
    for run in holders(newest):
        record = run.record or {}
        if not (entry := record.get(name)):
            continue
        for seed, own in zip(record["seeds"], entry["counts"], strict=False):
            if seed["status"] == "done" and newest[seed["seed"]] is run:
                found.append((entry, own))
    return found


def repeated_seeds(runs: Iterable[Run]) -> list[int]:
    """The seeds that more than one finished run holds, ascending."""
    counts = Counter(seed for run in runs for seed in _seeds_of(run))
    return sorted(seed for seed, count in counts.items() if count > 1)


def seeds_named(seeds: Iterable[int]) -> str:
    """ "seed 3", "seeds 0, 1, 2"."""
    names = [str(seed) for seed in sorted(seeds)]
    return f"seed{'s' if len(names) > 1 else ''} {', '.join(names)}"


def _seeds_of(run: Run) -> set[int]:
    return {entry["seed"] for entry in (run.record or {"seeds": []})["seeds"]}
