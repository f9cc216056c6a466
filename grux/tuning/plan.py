"""What a command line of `grux tune` asks for: contestants, the space, and for each trial its job."""

import json
import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import yaml

from grux.arguments import PositiveInt
from grux.config.axes import check_together
from grux.config.check import check_nodes, check_pair
from grux.config.complaints import nearest
from grux.config.compose import configs_folder
from grux.config.identity import slug
from grux.config.settings import Seed
from grux.config.values import check_value
from grux.errors import GruxError, UsageError
from grux.launch.jobs import CommandLine, Job, check_storage, named_job, prepare, refuse_several_processes
from grux.launch.settings import settings_here
from grux.results.select import SEEDS, WITHOUT_EFFECT
from grux.results.space import Distribution, Value, as_word, parse, parse_space
from grux.results.trials import SUFFIX

FILE_KEYS = {
    "trials": PositiveInt,
    "sampler": Literal["random", "tpe"],
    "seed": Seed,
    "seeds": PositiveInt,
    "space": dict,
}
"""What a file of configs/search/ holds."""
WORDS = {"trials": "trials", "sampler": "sampler", "search_seed": "seed", "search_seeds": "seeds"}
"""Words of the command line that stand for a key of the file."""
NEVER = WITHOUT_EFFECT | SEEDS | {"arch", "data", "task", "role", "experiment"}
"""No search is over these."""
FRESH = 1_000_000
"""Seeds of trials begin so far above those of the result: no seed that chose anything is reported."""


@dataclass(frozen=True)
class Search:
    """How is searched: the same for every contestant."""

    trials: int
    sampler: str
    seed: int
    seeds: int
    space: dict[str, Distribution]

    @property
    def settings(self) -> dict[str, Any]:
        """As a study file keeps it."""
        space = {key: str(one) for key, one in self.space.items()}
        return {"trials": self.trials, "sampler": self.sampler, "seed": self.seed, "seeds": self.seeds, "space": space}


@dataclass(frozen=True)
class Contestant:
    """One of those that are compared; `overrides` are those of its result, without what is searched."""

    name: str
    overrides: tuple[str, ...]

    @property
    def file(self) -> str:
        """Its name as a file name, no two alike."""
        safe = slug(self.name)
        return safe if safe == self.name else f"{safe}-{zlib.crc32(self.name.encode()):08x}"


@dataclass(frozen=True)
class Plan:
    """A search and its result, before anything is started."""

    search: Search
    contestants: tuple[Contestant, ...]
    line: CommandLine
    base: Job
    """The first contestant with nothing searched: what the others share with it stands in its config."""

    @property
    def settings(self) -> dict[str, Any]:
        """What every study file of this search says."""
        config = self.base.config
        return {**self.search.settings, "data": config["data"], "task": config["task"]}

    @property
    def results(self) -> Path:
        """The folder of the final runs."""
        return Path(self.base.config["runs"]) / self.base.config["group"]

    @property
    def folder(self) -> Path:
        """The folder of the trials."""
        return self.results.with_name(self.results.name + SUFFIX)

    def trial(self, contestant: Contestant, values: Mapping[str, Value]) -> Job:
        """The job of a trial: a run like every other, on seeds of its own, that never sees a test split."""
        first = self.base.config["first_seed"] + FRESH
        own = [f"group={self.folder.name}", "role=search", f"seeds={self.search.seeds}", f"first_seed={first}"]
        return self._prepared([*contestant.overrides, *_words(values), *own])

    def final(self, contestant: Contestant, values: Mapping[str, Value]) -> Job:
        """The job of a result: these values on the seeds of the command line."""
        return self._prepared([*contestant.overrides, *_words(values)])

    def _prepared(self, overrides: Sequence[str]) -> Job:
        return prepare(overrides, config_dir=self.line.config_dir, plugins=self.line.plugins)

    def check(self) -> None:
        """Every contestant at both ends of the space and at every choice; imports JAX. Raises GruxError."""
        self._check_times()
        check_storage(self.folder)
        points = max(2, *(len(one.arguments) for one in self.search.space.values()))
        for contestant in self.contestants:
            for point in range(points):
                quantile = min(point / (points - 1), 1 - 1e-9)
                values = {key: one.at(quantile) for key, one in self.search.space.items()}
                with named_job([contestant.name, *_words(values)]):
                    job = self.trial(contestant, values)
                    check_nodes(job.config, self.line.plugins)
                    check_pair(job.config, self.line.plugins)
                    check_together(job.config, self.line.plugins)

    def _check_times(self) -> None:
        """Raises UsageError where a match by time would want other times for every trial than for the results."""
        from grux.matching.times import NO_PART

        if self.base.config["match"] != "step_time":
            return
        if changed := [key for key in self.search.space if key.split(".")[0] not in NO_PART]:
            raise UsageError(
                f"match=step_time goes by times of one config, and the trials differ in {changed[0]}; add "
                f"search.{changed[0]}=null, or match by parameters, state or flops."
            )
        if (trials := self.search.seeds) != (results := self.base.config["seeds"]):
            raise UsageError(
                f"match=step_time goes by times of one number of seeds, but trials have {trials} and results "
                f"{results}; give search_seeds={results}, or match by parameters, state or flops."
            )


def plan_of(line: CommandLine, own: Sequence[str]) -> Plan:
    """The plan of a command line, whose words for the search alone are `own`. Raises UsageError; imports no JAX."""
    search = _search(own, line.config_dir)
    given = {word.lstrip("+~").partition("=")[0]: word for word in line.words}
    for key in search.space:
        if key.split(".")[0] in NEVER:
            raise UsageError(f"search.{key}: {key} is no hyperparameter of a model or its training; take it out.")
        if key in given:
            raise UsageError(
                f"{given[key]} gives a value to what is searched; leave it out, or add search.{key}=null to search "
                "the rest alone."
            )
    for key in ("role", "run_dir", "force"):
        if key in given:
            raise UsageError(f"{given[key]} is not for grux tune, which places its runs itself; leave it out.")
    if line.hydra:
        raise UsageError(f"{line.hydra[0]}: grux tune starts its trials on this machine; leave it out.")
    each = replace(line, is_sweep=True).jobs()
    bases = [prepare(words, config_dir=line.config_dir, plugins=line.plugins) for words in each]
    names = _names(each, bases[0].choices)
    if len(set(names)) < len(names):
        raise UsageError("a contestant is named twice; name each one once.")
    contestants = tuple(Contestant(name, tuple(words)) for name, words in zip(names, each, strict=True))
    for key in ("group", "runs", "seeds", "first_seed"):
        if len({base.config[key] for base in bases}) > 1:
            raise UsageError(f"{key} differs between the contestants; give all of them the same.")
    for key in ("data", "task"):
        if len({json.dumps(base.config[key], sort_keys=True) for base in bases}) > 1:
            raise UsageError(
                f"{key} differs between the contestants ({', '.join(names)}), whose scores would not compare; tune one "
                f"{key} at a time, each under a group=NAME of its own."
            )
    refuse_several_processes(bases)
    if search.sampler != "random" and (joined := next((base.config["together"] for base in bases), [])):
        raise UsageError(
            f"together=[{','.join(joined)}]: trials that learn from those before are no one program; leave it out, or "
            "give sampler=random."
        )
    settings_here([base.config for base in bases])
    if bases[0].config["seeds"] > FRESH or bases[0].config["first_seed"] + FRESH + search.seeds > 2**31:
        raise UsageError(
            "seeds of the result would meet those of the search; choose fewer seeds or a lower first_seed."
        )
    return Plan(search, contestants, line, bases[0])


def _search(own: Sequence[str], config_dir: str | None) -> Search:
    """The file that `search=NAME` names, changed by the other words."""
    values: dict[str, str] = {}
    changed: dict[str, str] = {}
    for word in own:
        key, _, value = word.partition("=")
        (changed if key.startswith("search.") else values)[key] = value
    content = _file(values.pop("search", "default"), config_dir)
    for word, text in values.items():
        content[WORDS[word]] = _scalar(word, text)
    for key, annotation in FILE_KEYS.items():
        name = next((word for word, stands_for in WORDS.items() if stands_for == key), key)
        check_value(content[key], annotation, name)
    space = parse_space(content["space"])
    for key, text in changed.items():
        space[key.removeprefix("search.")] = parse(text, key) if text != "null" else None  # type: ignore[assignment]
    space = {key: one for key, one in space.items() if one is not None}
    if not space:
        raise UsageError("nothing is searched; name a setting like search.learning_rate=log(1e-4,1e-1).")
    return Search(content["trials"], content["sampler"], content["seed"], content["seeds"], space)


def _file(name: str, config_dir: str | None) -> dict[str, Any]:
    folders = [Path(config_dir).expanduser()] if config_dir else []
    files = {path.stem: path for folder in (configs_folder(), *folders) for path in (folder / "search").glob("*.yaml")}
    if name not in files:
        raise UsageError(f"search={name} is unknown: {nearest(name, files)}")
    try:
        content = yaml.safe_load(files[name].read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"{files[name]} cannot be read ({' '.join(str(error).split())}); repair the file.") from error
    if not isinstance(content, dict) or not isinstance(content.get("space"), dict):
        raise UsageError(f"{files[name]} has no mapping `space`; copy configs/search/default.yaml and change it.")
    for key in content:
        if key not in FILE_KEYS:
            raise UsageError(f"{files[name]}: unknown key {key}: {nearest(str(key), FILE_KEYS)}")
    for key in FILE_KEYS:
        if key not in content:
            raise UsageError(f"{files[name]}: {key} is missing; copy configs/search/default.yaml and change it.")
    return content


def _scalar(word: str, text: str) -> Any:
    try:
        return int(text)
    except ValueError:
        return text


def _names(each: Sequence[Sequence[str]], choices: Collection[str]) -> list[str]:
    """What tells the contestants apart: "gru" where one of `choices` does, else "epochs=3" or "arch=gru epochs=3"."""
    own = [[word for word in words if not all(word in others for others in each)] for words in each]
    if all(len(words) == 1 and words[0].partition("=")[0] in choices for words in own):
        return [words[0].partition("=")[2] for words in own]
    if len(each) == 1:
        return [next((w.partition("=")[2] for w in each[0] if w.startswith("arch=")), "default")]
    return [" ".join(words) for words in own]


def _words(values: Mapping[str, Value]) -> list[str]:
    return [f"{key}={as_word(value)}" for key, value in values.items()]


class Incomplete(GruxError):
    """A search of which some trials are still to be tried; the exit code is that of the first that failed."""

    def __init__(self, message: str, exit_code: int):
        super().__init__(message)
        self.exit_code = exit_code
