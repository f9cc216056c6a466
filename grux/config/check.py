"""Check a composed config before anything is fetched or built: first what needs no JAX, then every node.

Hydra lets `+typo=1` and a misspelt key in a yaml file pass in silence; here both end in a sentence that names the
nearest known key.
"""

import inspect
import sys
import typing
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from grux.config.complaints import nearest
from grux.config.settings import GIVEN, GROUPS, LENGTHS, MATCH_RULES, NODES, SETTINGS
from grux.config.targets import check_name, resolve
from grux.config.values import check_value, describe, takes_object
from grux.data.card import Card
from grux.errors import UsageError

MARKS = ("_target_", "_partial_")
"""The only keys with a leading underscore that mean something."""


def check_settings(config: dict[str, Any], plugins: Iterable[str] = ()) -> None:
    """Top-level keys, their types and ranges, and the text of every `_target_`. Imports no JAX.

    `plugins` are the packages of the command line (`plugins_of`); a config that admits others is refused.
    """
    plugins = tuple(plugins)
    known = (*GROUPS, *SETTINGS, *NODES)
    for key in config:
        if key == "experiment":
            raise UsageError("the experiment's yaml file is empty or lacks its first line: `# @package _global_`.")
        if key not in known:
            raise UsageError(f"unknown key {key}: {nearest(key, known)}")
    for key in known:
        if key not in config:
            raise UsageError(f"{key} is missing from the config; start from configs/train.yaml.")
    for key, annotation in SETTINGS.items():
        check_value(config[key], annotation, key)
    for node, annotations in NODES.items():
        _check_plain_node(config[node], annotations, node)
    if tuple(config["plugins"]) != plugins:
        raise UsageError(
            f"plugins={config['plugins']} stands in a yaml file; only the command line may admit packages."
        )
    if bad := set(config["group"]) & set("/\\\0") or config["group"] in ("", ".", ".."):
        raise UsageError(f"group={config['group']!r} must be the plain name of one folder{', without /' * bool(bad)}.")
    for key in ("runs", "run_dir"):
        if config[key] == "":
            raise UsageError(f"{key} is empty; name a folder, or leave it out.")
    if config["batch_size"] % config["accumulate"]:
        raise UsageError(
            f"batch_size={config['batch_size']} is cut into accumulate={config['accumulate']} parts; "
            "choose numbers that divide without rest."
        )
    _check_match(config)
    if len(given := [f"{key}={config[key]}" for key in LENGTHS if config[key] is not None]) > 1:
        raise UsageError(f"{' and '.join(given)} both say when training ends; give one of {', '.join(LENGTHS)}.")
    _check_mesh(config["mesh"], config["batch_size"], config["accumulate"])
    for group in GROUPS:
        if not isinstance(config[group], dict) or "_target_" not in config[group]:
            raise UsageError(
                f"{group} must be chosen by name, like {group}=NAME; see `grux train --help` for the names."
            )
        _check_marks(config[group], group, group, plugins)


def check_words(overrides: Iterable[str], config: dict[str, Any]) -> None:
    """Words of one command line that contradict each other; a config shows no longer who set a value."""
    given = {override.lstrip("+").partition("=")[0]: override for override in overrides}
    if config["match"] is not None and "model.features" in given:
        raise UsageError(
            f"{given['model.features']} is what match={config['match']} solves for each arch; leave one of them out."
        )
    others = [key for key in LENGTHS if key in given and config[key] is not None]
    if "epochs" in given and others:
        raise UsageError(
            f"{given['epochs']} and {given[others[0]]} both say when training ends; leave one of them out."
        )


def _check_match(config: dict[str, Any]) -> None:
    by, budget, rule = config["match"], config["budget"], config["match_rule"]
    if by is None and (budget, rule) != (None, None):
        given = f"budget={budget}" if budget is not None else f"match_rule={rule}"
        raise UsageError(f"{given} is for match; add match=NAME, one of {', '.join(MATCH_RULES)}, or leave it out.")
    if by is not None and budget is None:
        raise UsageError(f"match={by} needs to know how much; add a number, like budget=100000.")
    if by == "step_time" and (hosts := config["mesh"]["hosts"]) > 1:
        raise UsageError(
            f"match=step_time is measured in one process, and mesh.hosts={hosts} are asked for; match by flops, or "
            "give model.features."
        )
    if by is not None and rule not in (None, *MATCH_RULES[by]):
        known = f"choose one of {', '.join(MATCH_RULES[by])}" if len(MATCH_RULES[by]) > 1 else "leave match_rule out"
        raise UsageError(f"match_rule={rule} is no rule for match={by}; {known}.")


def _check_plain_node(node: Any, annotations: dict[str, Any], path: str) -> None:
    if not isinstance(node, dict):
        raise UsageError(f"{path}={node!r} must be a mapping; set its keys, like {path}.{next(iter(annotations))}=1.")
    for key in node:
        if key not in annotations:
            raise UsageError(f"unknown key {path}.{key}: {nearest(str(key), annotations, path)}")
    for key, annotation in annotations.items():
        if key not in node:
            raise UsageError(f"{path}.{key} is missing from the config; start from configs/train.yaml.")
        check_value(node[key], annotation, f"{path}.{key}")


def _check_mesh(mesh: dict[str, Any], batch_size: int, accumulate: int) -> None:
    data, hosts = mesh["data"], mesh["hosts"]
    if mesh["host"] is not None and mesh["host"] >= hosts:
        raise UsageError(
            f"mesh.host={mesh['host']} is none of mesh.hosts={hosts} processes, which are counted from 0; choose "
            f"{hosts - 1} or less."
        )
    if data % hosts:
        raise UsageError(
            f"mesh.data={data} devices are those of mesh.hosts={hosts} processes, as many of each; choose "
            f"mesh.data={-(-data // hosts) * hosts}."
        )
    if batch_size % (parts := data * accumulate):
        below, above = batch_size // parts * parts, -(-batch_size // parts) * parts
        near = below if below and batch_size - below <= above - batch_size else above
        each = f", accumulate={accumulate} times" if accumulate > 1 else ""
        raise UsageError(
            f"batch_size={batch_size} cannot be shared by mesh.data={data} devices in equal parts{each}; choose "
            f"batch_size={near}."
        )


def _check_marks(value: Any, group: str, path: str, plugins: tuple[str, ...]) -> None:
    if isinstance(value, list):
        for i, item in enumerate(value):
            _check_marks(item, group, f"{path}[{i}]", plugins)
    if not isinstance(value, dict):
        return
    for key, item in value.items():
        if not isinstance(key, str):
            raise UsageError(f"{path} has the key {key!r}, which yaml does not read as a text: quote it.")
        if key.startswith("_") and key not in MARKS:
            raise UsageError(f"unknown key {path}.{key}: {nearest(key, MARKS, path)}")
        _check_marks(item, group, f"{path}.{key}", plugins)
    if "_target_" in value:
        check_name(value["_target_"], group, f"{path}._target_", plugins)
        check_value(value.get("_partial_", False), bool, f"{path}._partial_")
    elif "_partial_" in value:
        raise UsageError(f"{path}._partial_ stands without a _target_; name the class or function to call.")


def check_nodes(config: dict[str, Any], plugins: Iterable[str] = (), groups: Sequence[str] = GROUPS) -> None:
    """Every node against the signature of what its `_target_` names: names, types, ranges, and what is missing.

    The whole tree passes the allow-list before the first module of a node is used for anything. `groups`: those that
    will be built.
    """
    plugins = tuple(plugins)
    for group in groups:
        _resolve_all(config[group], group, group, plugins)
    for group in groups:
        _check_node(config[group], group, group, plugins)
    dtype = config["model"].get("dtype", "float32")
    if config["arch"].get("strategy") == "native" and dtype != "float32":
        raise UsageError(
            f"arch.strategy=native computes in float32 and model.dtype={dtype} was asked for; "
            "choose arch.strategy=gated."
        )
    if config["arch"].get("strategy") == "native" and (devices := config["mesh"]["data"]) > 1:
        raise UsageError(
            f"arch.strategy=native takes whole batches and mesh.data={devices} divides them; choose "
            "arch.strategy=gated or auto."
        )
    if config["seconds"] is not None:
        _check_open_end(config, plugins)


def _check_open_end(config: dict[str, Any], plugins: tuple[str, ...]) -> None:
    """Seconds leave the number of steps open: only a schedule that can do without it is possible."""
    target = resolve(config["schedule"]["_target_"], "schedule", "schedule._target_", plugins)
    total = signature(target).get("total_steps")
    try:
        check_value(None, total.annotation if total else Any, "total_steps")
    except UsageError as error:
        raise UsageError(
            f"seconds={config['seconds']} leaves the number of steps open, and schedule={target.__name__} is made of "
            "it; choose schedule=constant or schedule=plateau, or end the training by steps, epochs or flops."
        ) from error


def check_pair(config: dict[str, Any], plugins: Iterable[str] = ()) -> None:
    """What does not fit together is refused before anything is fetched: data made for another task (every data set of
    grux has a card), a model that gives other quantiles than the task scores."""
    plugins = tuple(plugins)
    data = resolve(config["data"]["_target_"], "data", "data._target_", plugins)
    task = resolve(config["task"]["_target_"], "task", "task._target_", plugins)
    card, name = getattr(sys.modules.get(data.__module__), "CARD", None), getattr(task, "name", None)
    if isinstance(card, Card) and name and card.task != name:
        raise UsageError(
            f"task={name} was asked for, but data={card.name} is made for {card.task}; "
            f"leave out task={name} or choose other data."
        )
    scored, given = config["task"].get("quantiles"), config["model"].get("quantiles")
    if scored != given:
        raise UsageError(
            f"task.quantiles={scored} are scored and the model gives {given}; leave out model.quantiles, which follows "
            "the task, and choose a model that has it."
        )


def _resolve_all(value: Any, group: str, path: str, plugins: tuple[str, ...]) -> None:
    if isinstance(value, dict):
        if "_target_" in value:
            resolve(value["_target_"], group, f"{path}._target_", plugins)
        for key, item in value.items():
            _resolve_all(item, group, f"{path}.{key}", plugins)
    elif isinstance(value, list):
        for i, item in enumerate(value):
            _resolve_all(item, group, f"{path}[{i}]", plugins)


def _check_node(node: dict[str, Any], group: str, path: str, plugins: tuple[str, ...]) -> None:
    target = resolve(node["_target_"], group, f"{path}._target_", plugins)
    parameters = signature(target)
    given = GIVEN[group]
    settable = {name: p for name, p in parameters.items() if name not in given}
    open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    settable = {name: p for name, p in settable.items() if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)}
    for key, value in node.items():
        if key in MARKS:
            continue
        if key in given:
            raise UsageError(f"{path}.{key} is filled in by grux{_instead(key, path)}; remove it.")
        if key in settable:
            _check_argument(value, settable[key].annotation, group, f"{path}.{key}", plugins)
        elif not open_ended:
            raise UsageError(f"unknown key {path}.{key}: {nearest(key, settable, path)}")
    _check_strategy(node, group, path, plugins)
    # What a plugin's partial gets from its caller is not known here.
    if node.get("_partial_") and node["_target_"].split(".")[0] in plugins:
        return
    for name, parameter in settable.items():
        if parameter.default is parameter.empty and name not in node:
            raise UsageError(f"{path}.{name} is missing: {node['_target_']} needs {describe(parameter.annotation)}.")


def _check_strategy(node: dict[str, Any], group: str, path: str, plugins: tuple[str, ...]) -> None:
    """A cell run by a strategy that cannot run it is refused here, not after the data were fetched."""
    cell, path = node.get("cell"), f"{path}.cell"
    if not isinstance(cell, dict) or "_target_" not in cell or node.get("strategy") in (None, "auto"):
        return
    kind = resolve(cell["_target_"], group, f"{path}._target_", plugins)
    # A function that makes a cell gives one of the kind of the cell that it wraps.
    while not inspect.isclass(kind) and isinstance(cell.get("cell"), dict) and "_target_" in cell["cell"]:
        cell, path = cell["cell"], f"{path}.cell"
        kind = resolve(cell["_target_"], group, f"{path}._target_", plugins)
    from grux.cells.base import Cell
    from grux.engine.run import choose

    if inspect.isclass(kind) and issubclass(kind, Cell):
        choose(kind, node["strategy"])


def _check_argument(value: Any, annotation: Any, group: str, path: str, plugins: tuple[str, ...]) -> None:
    if isinstance(value, dict) and "_target_" in value:
        if not takes_object(annotation):
            raise UsageError(f"{path} must be {describe(annotation)}, not a node with _target_.")
        _check_node(value, group, path, plugins)
    elif isinstance(value, list) and any(isinstance(v, dict) and "_target_" in v for v in value):
        inner = [a for a in typing.get_args(annotation) if a is not Ellipsis]
        for i, item in enumerate(value):
            _check_argument(item, inner[0] if inner else Any, group, f"{path}[{i}]", plugins)
    else:
        check_value(value, annotation, path)


def signature(target: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """Parameters by name, with annotations that are written as text resolved where they can be."""
    # NNX's metaclass hides a constructor behind (*args, **kwargs): read __init__ itself.
    function = target.__init__ if inspect.isclass(target) else target
    parameters = dict(inspect.signature(function).parameters)
    if inspect.isclass(target):
        del parameters[next(iter(parameters))]
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except Exception:  # a name known to type checkers only: an unread annotation accepts every value
        hints = {}
    return {name: p.replace(annotation=hints.get(name, p.annotation)) for name, p in parameters.items()}


def _instead(key: str, path: str) -> str:
    if key == "features":
        return ": the width of a layer is model.features"
    if key == "learning_rate":
        return ": set learning_rate at the top level"
    return f" for {path}"
