"""Choosing and grouping runs by any key: a config group (`arch`), `group`, a config key (`model.features`), or several.

Several keys with commas between them are one: `optimizer,learning_rate` has the values "adam, 0.001", "adam, 0.01", ...
A run that lacks some has the others: of `data,data.name` "probes, copying" is one value, and "ecg5000" another.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from grux.errors import UsageError
from grux.nearest import nearest_keys
from grux.results.record import Run

# Settings that say where and how a run is written: no part of its identity.
WITHOUT_EFFECT = frozenset(
    {
        *("group", "runs", "run_dir", "force", "tensorboard", "progress", "plugins", "checkpoint_every"),
        *("max_to_keep", "launcher", "together", "mesh"),
    }
)
# With these the scores are the same to float tolerance, which is another run but not another thing to compare.
NEUTRAL = WITHOUT_EFFECT | {"experiment", "hydra", "seed_strategy", "test_weights"}
# Runs that differ in these alone are more seeds of the same thing.
SEEDS = frozenset({"seeds", "first_seed"})

_BETWEEN = ", "
_OUTSIDE_BRACKETS = re.compile(r",(?![^\[]*\])")

_ATTRIBUTES = {"group": "experiment", "run_id": "run_id", "state": "state"}


def value_of(run: Run, key: str) -> str | None:
    """The run's value of the key as text; None where it has none.

    The name of a config group means the choice, not the whole node. `group` is the folder that the run lies in;
    `experiment` is the experiment's file, and for a run without one its folder.
    """
    if "," in key:
        values = [value for part in parts_of(key) if (value := value_of(run, part)) is not None]
        return _BETWEEN.join(values) if values else None
    if key in _ATTRIBUTES:
        return str(getattr(run, _ATTRIBUTES[key]))
    if key in run.choices:
        return run.choices[key]
    if key == "experiment":
        return run.experiment
    node: Any = run.config
    for part in key.split("."):
        if not isinstance(node, dict) or part not in node:
            return None
        node = node[part]
    return as_text(node)


def parts_of(key: str) -> list[str]:
    """The keys that this one is made of; itself where it is one."""
    return [part.strip() for part in key.split(",")]


def titled(key: str, value: str) -> str:
    """A value where its key does not stand beside it: "gru" says what it is, and 0.5 becomes "dropout=0.5"."""
    pairs = zip(parts_of(key), value.split(_BETWEEN), strict=False) if "," in key else [(key, value)]
    return _BETWEEN.join(v if "." not in k and natural(v)[0][0] else f"{k.split('.')[-1]}={v}" for k, v in pairs)


def as_text(value: object) -> str:
    """A config value as one would type it on the command line."""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)


def known_keys(runs: Iterable[Run]) -> list[str]:
    """Every key that `value_of` knows for at least one run."""
    keys: set[str] = {*_ATTRIBUTES, "experiment"}
    for run in runs:
        keys.update(run.choices)
        keys.update(flatten(run.config))
    return sorted(keys)


def require_key(runs: Sequence[Run], key: str, what: str) -> None:
    """Raises UsageError, with the nearest known keys, where no run has a key that `what` asks for."""
    missing = next((part for part in parts_of(key) if all(value_of(run, part) is None for run in runs)), None)
    if missing is not None:
        near = nearest_keys(missing, known_keys(runs), n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else "name a config group such as arch, or a config key."
        raise UsageError(f"no run has the key of {what}; {hint}")


def matching(runs: Sequence[Run], filters: Iterable[str]) -> list[Run]:
    """The runs that pass every filter `key=value` or `key=value,value`, e.g. `arch=gru,lstm` or `model.features=64`.

    A comma within brackets belongs to the value: `model.features=[64,32]`. Raises UsageError for a filter that is not
    of this form, names several keys, or one that no run has.
    """
    for text in filters:
        key, separator, values = text.partition("=")
        if not separator or not key:
            raise UsageError(f"the filter {text!r} is not of the form key=value; write for example arch=gru,lstm.")
        if "," in key:
            keys, first = parts_of(key), values.split(",")[0]
            raise UsageError(
                f"the filter {text} names {len(keys)} keys; write a filter for each, such as {keys[0]}={first}."
            )
        if runs:
            require_key(runs, key, f"the filter {text}")
        wanted = [_comparable(value) for value in _OUTSIDE_BRACKETS.split(values)]
        runs = [run for run in runs if (value := value_of(run, key)) is not None and _comparable(value) in wanted]
    return list(runs)


def grouped(runs: Iterable[Run], key: str) -> dict[str, list[Run]]:
    """Runs by their value of the key, values in natural order (numbers by size); runs without the key are left out."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        if (value := value_of(run, key)) is not None:
            groups.setdefault(value, []).append(run)
    return {value: groups[value] for value in sorted(groups, key=natural)}


def latest(runs: Iterable[Run]) -> list[Run]:
    """One run for each config: the newest finished one, else the newest. Runs without a config are all kept."""
    newest: dict[str, Run] = {}
    for run in sorted(runs, key=lambda run: (run.record is not None, run.created)):
        newest[config_id(run)] = run
    return sorted(newest.values(), key=lambda run: str(run.path))


def config_id(run: Run) -> str:
    """A hash of the experiment and every config value on which the scores depend, seeds included."""
    if not run.config:
        return str(run.path)
    config = {key: value for key, value in run.config.items() if key not in NEUTRAL}
    content = json.dumps([run.experiment, run.choices.get("arch"), config], sort_keys=True, default=str)
    return hashlib.sha256(content.encode(errors="replace")).hexdigest()


def differences(runs: Sequence[Run]) -> dict[str, list[str]]:
    """Key -> its different values, for every choice and config key in which the runs differ but neutral ones and seeds.

    Where a choice differs, the config keys below it are left out: they follow from it.
    """
    choices = {key: values for key, values in _varying([run.choices for run in runs]).items() if key not in NEUTRAL}
    ignored = NEUTRAL | SEEDS | choices.keys()
    configs = _varying([flatten(run.config) for run in runs])
    return choices | {key: values for key, values in configs.items() if key.split(".")[0] not in ignored}


def flatten(config: dict[str, Any]) -> dict[str, str]:
    """Dotted key -> value as text, for every leaf."""
    return {key: as_text(value) for key, value in leaves(config).items()}


def leaves(config: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Dotted key -> value, for every leaf; an empty mapping is one."""
    found: dict[str, Any] = {}
    for key, value in config.items():
        found |= leaves(value, f"{prefix}{key}.") if isinstance(value, dict) and value else {f"{prefix}{key}": value}
    return found


def _varying(mappings: Sequence[dict[str, str]]) -> dict[str, list[str]]:
    keys = sorted(set().union(*mappings))
    values = {key: list(dict.fromkeys(mapping.get(key, "(none)") for mapping in mappings)) for key in keys}
    return {key: found for key, found in values.items() if len(found) > 1}


def _comparable(value: str) -> float | str:
    """So that 1e-3 finds 0.001, and [64,32] finds [64, 32]."""
    try:
        return float(value)
    except ValueError:
        return value.replace(", ", ",") if value.startswith("[") else value


def natural(value: str) -> tuple[tuple[bool, float, str], ...]:
    """Sorts numbers by size and before words, words by their letters; values of several keys part by part."""
    numbers = [_comparable(part) for part in value.split(_BETWEEN)]
    return tuple((True, 0.0, number) if isinstance(number, str) else (False, number, "") for number in numbers)
