"""Runs that are trained as one program: which they are, and what lies on disk about them.

    runs/<group>/<id>/               each run's own folder, as if it had been trained alone, but for its checkpoints
    runs/<group>/together-<hash>/    checkpoints/ of all of them, and members.json: who they are

Runs with the same config but for the numbers that `together` names are one program. What was begun goes on as it was
begun: a run with checkpoints of its own goes on alone; the runs of an unfinished program go on in it, all of them, also
those that the command line names no more, for their states lie in one checkpoint. Of them the finished stand still. So
nothing that was trained is trained again, whatever the command line adds or leaves out.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from grux.config.axes import rest_of, value_at, with_values
from grux.config.identity import run_id
from grux.errors import GruxError
from grux.results.record import read_json, read_run, write_json

MANIFEST = "members.json"
CHECKPOINTS = "checkpoints"


@dataclass(frozen=True)
class Plan:
    """One run that is asked for; nothing of it has been built."""

    config: dict[str, Any]
    choices: dict[str, str]
    run_id: str
    folder: Path


@dataclass(frozen=True)
class Program:
    """One run, or several that are trained together."""

    folder: Path
    """Where the checkpoints lie: the folder of the one run, or that of all."""
    names: tuple[str, ...]
    """The folder names of all runs of the program, in the order of its members."""
    plans: tuple[Plan | None, ...]
    """The run by each name; None where it is finished, or has been begun anew alone."""
    values: dict[str, tuple[float | None, ...]]
    """Key of the config to its number in each run; empty where there is one run."""

    @property
    def waiting(self) -> tuple[Plan, ...]:
        """The runs that are to be finished."""
        return tuple(plan for plan in self.plans if plan is not None)

    @property
    def owner(self) -> str:
        """Whose checkpoints they are: no others are read."""
        return self.folder.name if self.values else self.waiting[0].run_id

    def write_manifest(self) -> None:
        """Who the members are, before there is a first checkpoint of them."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self.folder / MANIFEST, {"names": self.names, "values": self.values})


def elsewhere(program: Program, folder: Path) -> Program:
    """The same program, whose runs are written below another folder; checkpoints stay where they are."""
    plans = tuple(plan and replace(plan, folder=folder / plan.folder.name) for plan in program.plans)
    return replace(program, plans=plans)


def alone(plan: Plan) -> Program:
    """The program of one run."""
    return Program(plan.folder, (plan.folder.name,), (plan,), {})


def programs(plans: Sequence[Plan]) -> list[Program]:
    """The plans, none of them finished, as programs in the order of their first runs."""
    groups: dict[tuple[str, ...], list[Plan]] = {}
    for plan in plans:
        begun = _begun(plan)
        if begun is not None:
            key = ("begun", str(begun))
        elif plan.config["together"] and not _has_checkpoints(plan.folder):
            key = ("new", str(plan.folder.parent), str(sorted(plan.choices.items())), rest_of(plan.config))
        else:
            key = ("alone", str(plan.folder))
        groups.setdefault(key, []).append(plan)
    return [_continued(Path(key[1]), group) if key[0] == "begun" else _new(group) for key, group in groups.items()]


def _new(plans: list[Plan]) -> Program:
    if len(plans) == 1:
        return alone(plans[0])
    names = tuple(plan.folder.name for plan in plans)
    digest = hashlib.sha256("\n".join(names).encode()).hexdigest()[:8]
    base = folder = plans[0].folder.parent / f"together-{digest}"
    number = 1
    while _has_checkpoints(folder):  # of runs whose own folders are gone
        number += 1
        folder = base.with_name(f"{base.name}-{number}")
    values = {key: tuple(value_at(plan.config, key) for plan in plans) for key in plans[0].config["together"]}
    return Program(folder, names, tuple(plans), {key: each for key, each in values.items() if len(set(each)) > 1})


def _continued(folder: Path, plans: list[Plan]) -> Program:
    """The unfinished program in `folder`, some of whose runs are `plans`."""
    manifest = read_json(folder / MANIFEST)
    named = {plan.folder.name: plan for plan in plans}

    def plan_of(number: int, name: str) -> Plan | None:
        if name in named:
            return named[name]
        place = folder.parent / name
        if read_run(place).state == "done" or _has_checkpoints(place):
            return None
        # From the command line, never from the file, but for the numbers that differ.
        config = with_values(plans[0].config, {key: each[number] for key, each in manifest["values"].items()})
        return Plan(config, plans[0].choices, run_id(config, plans[0].choices), place)

    names = tuple(manifest["names"])
    values = {key: tuple(each) for key, each in manifest["values"].items()}
    return Program(folder, names, tuple(plan_of(number, name) for number, name in enumerate(names)), values)


def _begun(plan: Plan) -> Path | None:
    """The folder of the program in which this run was begun and can go on; None where there is none."""
    if _has_checkpoints(plan.folder):
        return None
    try:
        name = read_json(plan.folder / "status.json")["together"]
        folder = plan.folder.parent / Path(name).name
        manifest = read_json(folder / MANIFEST)
        number = manifest["names"].index(plan.folder.name)
        fits = all(value_at(plan.config, key) == each[number] for key, each in manifest["values"].items())
    except (GruxError, AttributeError, IndexError, KeyError, TypeError, ValueError):  # never begun so, or damaged
        return None
    return folder if fits and _has_checkpoints(folder) else None


def _has_checkpoints(folder: Path) -> bool:
    checkpoints = folder / CHECKPOINTS
    return checkpoints.is_dir() and any(path.name[:1].isdigit() for path in checkpoints.iterdir())
