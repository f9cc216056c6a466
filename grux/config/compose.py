"""Compose a config from `configs/` and overrides with Hydra, and expand a sweep into its jobs.

Hydra composes and nothing else: no working folders, no logging, no callbacks and no objects are made here. Its errors
become a `UsageError` of one sentence.
"""

import contextlib
import itertools
import math
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import DictConfig, OmegaConf

from grux.config.complaints import explained
from grux.errors import UsageError

ROOT = "train"
"""The root of every config, `configs/train.yaml`; Hydra's name for it."""


LAUNCHING = {"launcher": {"_target_": "hydra_plugins.grux.Local"}, "sweeper": {"_target_": "hydra_plugins.grux.Grid"}}
"""Hydra's launcher and sweeper where nobody chose others."""

MOST_COMBINATIONS = 100_000


@dataclass(frozen=True)
class Composed:
    """A resolved config of plain dicts, lists and scalars, and the names that were chosen for its groups."""

    config: dict[str, Any]
    choices: dict[str, str]
    """{"arch": "gru", "data": "sst2", "task": ..., "model": ..., "optimizer": ..., "schedule": ...}"""
    sweep: dict[str, str]
    """The grid that an experiment file declares in `hydra.sweeper.params`: {"arch": "gru,lstm"}."""
    multirun: bool
    """An experiment file asks for its grid by `hydra.mode: MULTIRUN`."""
    launching: dict[str, Any]
    """The nodes `hydra.launcher` and `hydra.sweeper`, the latter without its params."""


def configs_folder() -> Path:
    """The folder `configs/`: inside the package in a wheel, beside it in a checkout (editable installs included)."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "configs", package.parent / "configs"):
        if (folder / f"{ROOT}.yaml").is_file():
            return folder
    raise UsageError(f"configs/{ROOT}.yaml lies neither in {package} nor beside it; install grux again.")


# Hydra's own --config-dir is appended to its search path: a user's arch/gru.yaml would silently be ignored. A plugin is
# the one place where a folder can be put before the packaged one, for every way in which Hydra starts.
_user_folder: list[str] = []
_lock = threading.RLock()


class UserFolder(SearchPathPlugin):
    """Puts the folder of `--config-dir` before the packaged configs."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        for folder in _user_folder:
            search_path.prepend(provider="user", path=f"file://{folder}", anchor="main")


@contextlib.contextmanager
def user_folder(folder: str | Path | None) -> Iterator[None]:
    """Within this context Hydra looks into `folder` before `configs/`."""
    if folder is None:
        yield
        return
    path = Path(folder).expanduser().resolve()
    if not path.is_dir():
        raise UsageError(f"--config-dir {folder} is not a folder; give one laid out like grux's configs/.")
    with _lock:
        Plugins.instance().register(UserFolder)
        _user_folder.append(str(path))
        try:
            yield
        finally:
            _user_folder.pop()


@contextlib.contextmanager
def _hydra() -> Iterator[GlobalHydra]:
    from hydra import initialize_config_dir

    with _lock:
        GlobalHydra.instance().clear()
        with initialize_config_dir(str(configs_folder()), version_base="1.3", job_name="grux"):
            yield GlobalHydra.instance()


def search_path(config_dir: str | Path | None) -> ConfigSearchPath:
    """Where Hydra looks for configs: the user's folder first, then the packaged ones."""
    with user_folder(config_dir), _hydra() as hydra:
        return hydra.config_loader().get_search_path()


def compose(overrides: Sequence[str] = (), *, config_dir: str | Path | None = None) -> Composed:
    """The config of one run. Raises `UsageError` for unknown keys and names, wrong grammar and open interpolations."""
    cfg = compose_raw(overrides, config_dir=config_dir)
    hydra = cfg.hydra
    choices = _choices(OmegaConf.to_container(hydra.runtime.choices))
    sweep = OmegaConf.to_container(hydra.sweeper.params) if hydra.sweeper.get("params") else {}
    assert isinstance(sweep, dict)
    multirun = str(hydra.mode or "").endswith("MULTIRUN")
    launching = {name: {k: v for k, v in hydra[name].items_ex(resolve=False) if k != "params"} for name in LAUNCHING}
    return Composed(_plain(cfg), choices, {str(k): str(v) for k, v in sweep.items()}, multirun, launching)


def compose_raw(overrides: Sequence[str] = (), *, config_dir: str | Path | None = None) -> DictConfig:
    """Like `compose`, as Hydra's own object, with its `hydra` node and interpolations that are not resolved."""
    from hydra import compose as hydra_compose

    with user_folder(config_dir), _hydra() as hydra, explained(overrides, hydra):
        _refuse_lists(overrides, hydra)
        return hydra_compose(ROOT, overrides=list(overrides), return_hydra_config=True)


def _refuse_lists(overrides: Sequence[str], hydra: GlobalHydra) -> None:
    """Hydra merges the files of arch=[gru,lstm] one over the other, and what comes out has no name."""
    for word in overrides:
        key, _, value = word.lstrip("+").partition("=")
        if value.startswith("[") and "." not in key and hydra.config_loader().get_group_options(key.split("@")[0]):
            names = value.strip("[]").replace(" ", "")
            raise UsageError(
                f"{word}: {key} takes one name; {key}={names.split(',')[0]}, or -m {key}={names} for each."
            )


def expand(overrides: Sequence[str], *, config_dir: str | Path | None = None, sweep: dict[str, str]) -> list[list[str]]:
    """The jobs of a sweep, each a list of overrides: every combination of `arch=gru,lstm seeds=1,3`, `range`, `glob`.

    `sweep` is the grid of the experiment file; the same key on the command line takes its place.
    Raises `UsageError` where there is no job at all.
    """
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper

    tokens = [f"{key}={value}" for key, value in sweep.items()] + list(overrides)
    with user_folder(config_dir), _hydra() as hydra, explained(tokens, hydra):
        parsed = _parse(tokens, hydra)
        _check_size(parsed)
        jobs = [job for batch in BasicSweeper.split_arguments(parsed, None) for job in batch]
    if not jobs:
        raise UsageError(f"the sweep {' '.join(tokens)} selects no job: a glob or range matches nothing; widen it.")
    return jobs


def parsed(overrides: Sequence[str], *, config_dir: str | Path | None = None, sweep: dict[str, str]) -> list[Override]:
    """The words of a sweep as Hydra reads them, with the values that each one takes; `sweep` as in `expand`."""
    tokens = [f"{key}={value}" for key, value in sweep.items()] + list(overrides)
    with user_folder(config_dir), _hydra() as hydra, explained(tokens, hydra):
        return _parse(tokens, hydra)


def _check_size(overrides: Sequence[Override]) -> None:
    """Before all combinations are made: `range(0,1000000)` three times over would fill any memory."""
    sizes = {}
    for override in overrides:
        values = override.sweep_string_iterator() if override.is_discrete_sweep() else ()
        swept = sum(1 for _ in itertools.islice(values, MOST_COMBINATIONS + 1))
        sizes[override.get_key_element()] = swept if override.is_sweep_override() else 1
    if math.prod(sizes.values()) > MOST_COMBINATIONS:
        raise UsageError(f"the sweep has more than {MOST_COMBINATIONS} combinations; narrow it.")


def plugins_of(overrides: Sequence[str]) -> tuple[str, ...]:
    """The packages that the command line admits by `plugins=[mylab]`; a yaml file cannot admit any."""
    with _hydra() as hydra, explained(overrides, hydra):
        values = [o.value() for o in _parse(overrides, hydra) if o.key_or_group.lstrip("+") == "plugins"]
    names = values[-1] if values else []
    names = [names] if isinstance(names, str) else names
    if not isinstance(names, list) or not all(isinstance(n, str) and n.isidentifier() for n in names):
        raise UsageError(f"plugins={names} must list names of packages, like plugins=[mylab].")
    return tuple(names)


def _parse(tokens: Sequence[str], hydra: GlobalHydra) -> list[Override]:
    from hydra.core.override_parser.overrides_parser import OverridesParser

    return OverridesParser.create(config_loader=hydra.config_loader()).parse_overrides(list(tokens))


def _plain(cfg: DictConfig) -> dict[str, Any]:
    """Dicts, lists and scalars, with every interpolation resolved and without Hydra's own node."""
    keys = [str(key) for key in cfg if key != "hydra"]
    try:
        container = OmegaConf.to_container(OmegaConf.masked_copy(cfg, keys), resolve=True, throw_on_missing=True)
    except Exception as error:  # OmegaConf's tree of errors: missing (???), open or circular interpolations
        sentence = " ".join(str(error).split("full_key")[0].split())
        key = getattr(error, "full_key", None) or "the config"
        raise UsageError(f"{key} has no value: {sentence}; set it on the command line or in its yaml file.") from error
    assert isinstance(container, dict)
    return {str(key): value for key, value in container.items()}


def _choices(choices: Any) -> dict[str, str]:
    """Group -> name. A placed default shows as `task@_global_.task`; Hydra's own groups are left out."""
    named = {key.split("@")[0]: name for key, name in choices.items() if name}
    return {key: str(name) for key, name in named.items() if key != "hydra" and not key.startswith("hydra/")}
