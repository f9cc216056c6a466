"""The allow-list of `_target_`: what a config may name, and nothing else.

A config is data and may come from a stranger. Everything is refused unless it is a component *defined* in the part of
grux that the group is for, a public optimiser of optax, or part of a package that the command line admits by
`plugins=[mylab]`. Names that a module merely imports (`grux.models.classifier.os.system`) are not defined in it.
"""

import importlib
import importlib.util
import inspect
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from grux.config.complaints import nearest
from grux.errors import GruxError, UsageError

AREAS = {
    "arch": ("grux.layers", "grux.cells", "grux.engine"),
    "model": ("grux.models", "grux.layers", "grux.cells", "grux.engine"),
    "task": ("grux.tasks",),
    "data": ("grux.data",),
    "optimizer": ("optax", "optax.contrib", "grux.training.optimizers"),
    "schedule": ("grux.training.schedules",),
}
"""Group -> modules and packages whose definitions it may name."""

FACADES = ("optax", "optax.contrib")
"""Modules whose definitions lie in private modules below them: the public name counts."""


def check_name(target: Any, group: str | None, where: str, plugins: Iterable[str] = ()) -> None:
    """Refuse a `_target_` by its text alone; imports nothing. Without a group, the areas of all groups count."""
    areas = AREAS[group] if group else tuple(dict.fromkeys(area for areas in AREAS.values() for area in areas))
    if not isinstance(target, str) or not all(part.isidentifier() for part in target.split(".")):
        raise UsageError(f"{where}={target!r} must be a dotted name such as {areas[0]}.module.Name.")
    module = target.rpartition(".")[0]
    admitted = module.split(".")[0] in plugins or any(_inside(module, area) for area in areas)
    if not admitted or any(part.startswith("_") for part in target.split(".")):
        raise UsageError(
            f"{where}={target} is not allowed: {group or 'a config'} takes what is defined in {' or '.join(areas)}; "
            "admit a package of your own on the command line with plugins=[name]."
        )


def resolve(target: str, group: str | None, where: str, plugins: Iterable[str] = ()) -> Callable[..., Any]:
    """The class or function that `target` names. Raises `UsageError` for anything not on the allow-list."""
    plugins = tuple(plugins)
    check_name(target, group, where, plugins)
    module_name, _, name = target.rpartition(".")
    own = module_name.split(".")[0] in plugins
    module = _module(module_name, where, target, own)
    found = vars(module).get(name)
    if found is None:
        raise UsageError(f"{where}={target} does not exist: {nearest(name, _components(module, own))}")
    if not _is_component(found, module_name, name, own):
        raise UsageError(
            f"{where}={target} is not allowed: it is no component that is defined in {module_name}; "
            f"{nearest(name, _components(module, own))}"
        )
    return found


def _inside(module: str, area: str) -> bool:
    return module == area if area in FACADES else module == area or module.startswith(f"{area}.")


def _module(name: str, where: str, target: str, own: bool) -> Any:
    parent, _, last = name.rpartition(".")
    if parent and not own:
        package = importlib.import_module(parent) if name not in FACADES else None
        folder = getattr(package, "__path__", None)
        if package is not None and (folder is None or importlib.util.find_spec(name) is None):
            files = [f.stem for path in folder or () for f in Path(path).glob("[!_]*.py")]
            raise UsageError(f"{where}={target} does not exist: in {parent}, {nearest(last, files)}")
    try:
        return importlib.import_module(name)
    except GruxError:
        raise
    except Exception as error:
        if not own and not isinstance(error, ModuleNotFoundError):
            raise
        raise UsageError(f"{where}={target} cannot be imported: {error}; install what it needs.") from error


def _components(module: Any, own: bool) -> list[str]:
    public = [name for name in vars(module) if not name.startswith("_")]
    return [name for name in public if _is_component(vars(module)[name], module.__name__, name, own)]


def _is_component(found: Any, module: str, name: str, own: bool) -> bool:
    is_class, is_function = inspect.isclass(found), inspect.isfunction(found)
    if not (is_class or is_function):
        return False
    home = found.__module__ or ""
    if module in FACADES:
        return is_function and home.split(".")[0] == "optax"
    defined_there = home == module or home.startswith(f"{module}.")
    if own:
        return home.split(".")[0] == module.split(".")[0]
    # Below grux.data lie functions that write files. What a config may call there is a class, or a function that
    # promises a Dataset; below grux.cells one that promises a Cell; below grux.training functions that make schedules;
    # elsewhere only classes are components.
    makes_component = is_class or module.startswith("grux.training.") or _promise(found) in ("Dataset", "Cell")
    return defined_there and found.__qualname__ == name and makes_component


def _promise(function: Any) -> str:
    promise = function.__annotations__.get("return")
    return promise if isinstance(promise, str) else getattr(promise, "__name__", "")
