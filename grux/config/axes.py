"""Which numbers of a config may differ between the members of one program, and what such a program takes for them.

    grux train -m learning_rate=1e-3,3e-3 model.dropout=0.1,0.3 together=[learning_rate,model.dropout]

A number can be an axis where an array can stand in its place: the settings in `AXES`, and every number of the model,
the arch and the optimizer whose constructor takes an array for it (`Rate`, or JAX's `ArrayLike` in optax). All others
decide about shapes, or about what the program is made of.
"""

import copy
import json
from collections.abc import Iterable, Mapping
from typing import Any

from grux.config.check import signature
from grux.config.targets import resolve
from grux.config.values import takes_array
from grux.errors import UsageError

AXES = ("learning_rate", "clip", "initial_scale")
NODES = ("model", "arch", "optimizer")


def possible_axes(config: dict[str, Any], plugins: Iterable[str] = ()) -> list[str]:
    """The keys of this config that can be an axis."""
    return [*AXES, *(key for group in NODES for key in _axes(config[group], group, group, tuple(plugins)))]


def check_together(config: dict[str, Any], plugins: Iterable[str] = ()) -> None:
    """Raise `UsageError` for a key of `together` that cannot be an axis, and for times, which belong to a run alone."""
    if config["together"] and (config["match"] == "step_time" or config["seconds"] is not None):
        timed = f"seconds={config['seconds']}" if config["seconds"] is not None else "match=step_time"
        raise UsageError(
            f"{timed} is a time of one run alone, and runs that are one program share theirs; leave out "
            f"together=[{','.join(config['together'])}], or choose another budget."
        )
    possible = possible_axes(config, plugins)
    for key in config["together"]:
        if key not in possible:
            raise UsageError(
                f"together={key}: runs that differ in {key} cannot be one program; those that differ in "
                f"{', '.join(possible)} can. Leave {key} out of together: its values are trained one after another."
            )


def rest_of(config: dict[str, Any]) -> str:
    """All but the numbers that `together` names, as text: runs with the same rest can be one program."""
    return json.dumps(with_values(config, dict.fromkeys(config["together"])), sort_keys=True)


def value_at(config: dict[str, Any], key: str) -> float | None:
    """What stands under a dotted key: a number, or the null of `clip`."""
    node: Any = config
    for part in key.split("."):
        node = node[part]
    return node


def with_values(config: dict[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of the config with other values under some dotted keys."""
    changed = copy.deepcopy(config)
    for key, value in values.items():
        *above, last = key.split(".")
        node = changed
        for part in above:
            node = node[part]
        node[last] = value
    return changed


def _axes(node: dict[str, Any], group: str, path: str, plugins: tuple[str, ...]) -> list[str]:
    parameters = signature(resolve(node["_target_"], group, f"{path}._target_", plugins))
    found = []
    for key, value in node.items():
        if isinstance(value, dict) and "_target_" in value:
            found += _axes(value, group, f"{path}.{key}", plugins)
        elif key in parameters and takes_array(parameters[key].annotation) and type(value) in (int, float):
            found.append(f"{path}.{key}")
    return found
