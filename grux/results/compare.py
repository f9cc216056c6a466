"""What differs between two runs: what went in (config, data, versions, machine) and what came out (cost, scores)."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from grux.results.grid import printable
from grux.results.paired import Comparison, compare
from grux.results.record import Run
from grux.results.schema import as_number
from grux.results.select import WITHOUT_EFFECT, flatten
from grux.results.selection import Selection
from grux.results.terminal import Page, ruled_table
from grux.results.units import Unit, decimals_for, direction

NONE = "–"
DECISIVE = ("config", "data", "commit", "versions", "device")
WITHOUT = "without effect"  # on the scores: names, folders, how the run was started
Pairs = dict[str, tuple[str, str]]
"""Key -> its value in one and in the other; only keys that differ."""


@dataclass(frozen=True)
class Scores:
    """One metric on one split, seed by seed."""

    unit: Unit
    left: dict[int, float]
    right: dict[int, float]
    versus: Comparison
    """Left minus right over common seeds."""


@dataclass(frozen=True)
class Difference:
    """`parts`: title -> what differs. `known`: titles of which both runs say something."""

    runs: tuple[Run, Run]
    parts: dict[str, Pairs]
    known: tuple[str, ...]
    scores: tuple[Scores, ...]

    @property
    def same_input(self) -> bool:
        """Whether all that decides about the numbers is known and alike."""
        return all(title in self.known and title not in self.parts for title in DECISIVE) and (
            "environment" not in self.parts
        )

    @property
    def same_scores(self) -> bool:
        """Whether both have scores, of the same seeds, and all of them equal."""
        held = [[(e["seed"], e["scores"]) for e in run.record["seeds"]] for run in self.runs if run.record]
        return len(held) == 2 and held[0] == held[1] and bool(held[0])

    @property
    def same_data_set(self) -> bool:
        left, right = (run.choices.get("data") for run in self.runs)
        return left == right


def compare_runs(left: Run, right: Run) -> Difference:
    """Both runs part by part. Runs without a record (failed, running) are compared by their config and state."""
    sides = [_parts(run) for run in (left, right)]
    # What only one of them says is no difference, but something that is not known.
    known = tuple(title for title in sides[0] if all(side.get(title) for side in sides))
    parts = {title: _differing(sides[0][title], sides[1][title]) for title in known}
    found = Difference((left, right), {title: pairs for title, pairs in parts.items() if pairs}, known, ())
    return dataclasses.replace(found, scores=_scores(left, right)) if found.same_data_set else found


def as_json(found: Difference) -> dict[str, Any]:
    """The same for other programs; keys are stable, numbers unrounded and unscaled."""
    return {
        "runs": [{"run_id": run.run_id, "path": str(run.path), "state": run.state} for run in found.runs],
        "same_input": found.same_input,
        "same_scores": found.same_scores,
        "differences": {title: {k: list(pair) for k, pair in pairs.items()} for title, pairs in found.parts.items()},
        "scores": [
            {
                "metric": scores.unit.metric,
                "split": scores.unit.split,
                "left": {str(seed): score for seed, score in scores.left.items()},
                "right": {str(seed): score for seed, score in scores.right.items()},
                "common_seeds": scores.versus.n,
                "difference": scores.versus.difference,
                "difference_half_width": scores.versus.half_width,
                "p": scores.versus.p,
            }
            for scores in found.scores
        ],
    }


def show_difference(found: Difference) -> str:
    """The page that `grux compare` prints."""
    from rich.text import Text

    page = Page()
    names = [printable(str(run.path), 100) for run in found.runs]
    page.write(f"left   {names[0]}", indent="       ")
    page.write(f"right  {names[1]}", indent="       ")
    page.write("")
    page.write(verdict(found))
    for title, pairs in found.parts.items():
        table = ruled_table([title, "left", "right"], labels=3, styled=page.styled)
        for key, values in pairs.items():
            table.add_row(*(Text(printable(text, 48)) for text in (key, *values)))
        page.write("")
        page.add(table)
    primary = [scores for scores in found.scores if scores.unit.metric == found.scores[0].unit.metric]
    for scores in primary:
        page.write("")
        page.add(_score_table(scores, page.styled))
    if others := [scores for scores in found.scores if scores not in primary]:
        page.write("")
        page.add(_mean_table(others, page.styled))
    return page.text()


def verdict(found: Difference) -> str:
    """What is alike and what is not, in a sentence or two."""
    alike = [title for title in found.known if title not in found.parts and title not in ("state", "cost", WITHOUT)]
    differing = [title for title in found.parts if title not in ("cost", WITHOUT)]
    if found.same_input and found.same_scores:
        return "These two runs are the same: config, data, commit, versions and device agree, and so does every score."
    parts = []
    if found.same_input and found.scores:
        parts.append("Config, data, commit, versions and device agree, but the scores differ.")
    else:
        parts.append(f"They differ in {_listed(differing)}." if differing else "Nothing of what is known differs.")
        if alike:
            parts.append(f"The same: {_listed(alike)}.")
    if not found.same_data_set:
        parts.append("Scores on different data are not compared.")
    elif found.same_scores and not found.same_input:
        parts.append("Every score is the same.")
    if unknown := [title for title in DECISIVE if title not in found.known]:
        parts.append(f"Not known of both: {_listed(unknown)}.")
    return " ".join(parts)


def _parts(run: Run) -> dict[str, dict[str, str]]:
    """Title -> key -> value as text."""
    record = run.record or {}
    # What stands below a choice follows from it, but a single key may have been changed as well: both are said.
    config = {**run.choices, **{key: value for key, value in flatten(run.config).items() if value is not None}}
    without = {key for key in config if key.split(".")[0] in WITHOUT_EFFECT | {"experiment"}}
    parts = {"state": {"state": run.state, **({"reason": run.problem} if run.problem else {})}}
    parts["config"] = {key: value for key, value in config.items() if key not in without}
    parts["data"] = {**(record.get("data") or {}), **(record.get("artifacts") or {})}
    if record:
        # No file is also an answer: data that are generated.
        parts["data"]["notes"] = "; ".join(map(str, record.get("data_notes") or [])) or "none"
    if record.get("commit"):
        changes = (record.get("diff") or "")[:12]
        parts["commit"] = {"commit": record["commit"], "uncommitted changes": changes or "none"}
    parts["versions"] = {key: value or NONE for key, value in (record.get("versions") or {}).items()}
    parts["device"] = machine_of(record)
    parts["environment"] = environment_of(record)
    parts["cost"] = _cost(record)
    parts[WITHOUT] = {key: value for key, value in config.items() if key in without}
    return parts


def machine_of(record: Mapping[str, Any]) -> dict[str, str]:
    """What the run was made on."""
    device = record.get("device") or {}
    return {key: str(value) for key, value in device.items() if key not in ("environment", "kernels")}


def environment_of(record: Mapping[str, Any]) -> dict[str, str]:
    """What the run was told about the machine, and whether its cell ran by compiled kernels: no part of the machine."""
    device = record.get("device") or {}
    found = {key: str(value) for key, value in (device.get("environment") or {}).items()}
    return found | ({"compiled kernels": str(device["kernels"])} if device.get("kernels") else {})


def _cost(record: Mapping[str, Any]) -> dict[str, str]:
    numbers: dict[str, Any] = {"parameters": (record.get("parameters") or {}).get("total")}
    numbers["recurrent state"] = (record.get("recurrence") or {}).get("state")
    numbers["forward FLOPs per example"] = (record.get("flops") or {}).get("forward_per_example")
    numbers["examples per second"] = record.get("examples_per_second")
    numbers |= {f"seconds: {key}": value for key, value in (record.get("seconds") or {}).items()}
    found = {key: as_number(value) for key, value in numbers.items()}
    return {key: f"{value:,.10g}" for key, value in found.items() if value is not None}


def _differing(left: Mapping[str, str], right: Mapping[str, str]) -> Pairs:
    pairs = {key: (left.get(key, NONE), right.get(key, NONE)) for key in {**left, **right}}
    return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}


def _scores(left: Run, right: Run) -> tuple[Scores, ...]:
    """Every metric that both runs have, the left run's primary one on the test split first."""
    records = [run.record for run in (left, right) if run.record]
    if len(records) < 2:
        return ()
    held = [
        {(split, metric) for entry in record["seeds"] for split, found in entry["scores"].items() for metric in found}
        for record in records
    ]
    primary = records[0]["metric"]["primary"]
    order = sorted(held[0] & held[1], key=lambda key: (key[1] != primary, key[0] != "test", key))
    made = []
    for split, metric in order:
        (one, _), (other, _) = (Selection().scores(run, split, metric) for run in (left, right))
        if not one or not other:
            continue
        upwards = direction(metric, records)
        versus = compare(one, other, higher_is_better=upwards)
        decimals = decimals_for(metric, [*one.values(), *other.values()], [versus.half_width or 0.0])
        made.append(Scores(Unit(metric, split, upwards, decimals), one, other, versus))
    return tuple(made)


def _score_table(scores: Scores, styled: bool) -> Any:
    from rich.text import Text

    unit, versus = scores.unit, scores.versus
    heads = [f"{unit.split} {unit.label}", "left", "right", "left − right"]
    table = ruled_table([Text(printable(head)) for head in heads], labels=1, styled=styled)
    for seed in sorted(scores.left.keys() | scores.right.keys()):
        pair = [side.get(seed) for side in (scores.left, scores.right)]
        texts = [NONE if value is None else unit.number(value) for value in pair]
        both = None if pair[0] is None or pair[1] is None else pair[0] - pair[1]
        table.add_row(f"seed {seed}", *texts, NONE if both is None else unit.difference(both)[0])
    if versus.n > 1:
        table.add_section()
        table.add_row(f"mean of {versus.n}", *_means(scores))
    return table


def _mean_table(found: Sequence[Scores], styled: bool) -> Any:
    from rich.text import Text

    table = ruled_table(["mean of common seeds", "left", "right", "left − right"], labels=1, styled=styled)
    for scores in found:
        table.add_row(Text(printable(f"{scores.unit.split} {scores.unit.label}")), *_means(scores))
    return table


def _means(scores: Scores) -> list[str]:
    """Left, right and their difference, with its interval, over common seeds."""
    unit, versus = scores.unit, scores.versus
    common = scores.left.keys() & scores.right.keys()
    if versus.difference is None:
        return [NONE, NONE, NONE]
    means = [unit.number(sum(side[seed] for seed in common) / versus.n) for side in (scores.left, scores.right)]
    p = "" if versus.p is None else f" (p = {versus.p:.2g})"
    return [*means, "".join(unit.difference(versus.difference, versus.half_width)) + p]


def _listed(words: Sequence[str]) -> str:
    return ", ".join(words[:-1]) + " and " + words[-1] if len(words) > 1 else "".join(words)
