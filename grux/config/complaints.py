"""Say what a user did wrong in one sentence, with the nearest name that would have been right."""

import contextlib
import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from hydra.core.global_hydra import GlobalHydra
from hydra.core.object_type import ObjectType
from hydra.errors import HydraException, OverrideParseException
from omegaconf.errors import OmegaConfBaseException

from grux.errors import UsageError
from grux.nearest import nearest_keys

SURE = 0.8  # "lerning_rate" is more like "learning_rate" than this, and "path" less like "match"


def nearest(name: str, known: Iterable[str], path: str = "") -> str:
    """ "did you mean gru?" where something is near, else what there is; `path` is the dotted key they all lie under."""
    known = sorted(known)
    prefix = f"{path}." if path else ""
    match = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if match:
        return f"did you mean {prefix}{match[0]}?"
    return f"there is {', '.join(prefix + k for k in known)}." if known else "there is none."


@contextlib.contextmanager
def explained(overrides: Sequence[str], hydra: GlobalHydra) -> Iterator[None]:
    """Turn an error of Hydra or OmegaConf into a `UsageError` of one sentence."""
    try:
        yield
    except UsageError:
        raise
    except (HydraException, OmegaConfBaseException, ValueError, OSError) as error:
        raise UsageError(_sentence(error, overrides, hydra)) from error
    except Exception as error:  # yaml's errors share no base with Hydra's, and a parser may fail in any way
        if type(error).__module__.split(".")[0] not in ("yaml", "antlr4", "hydra", "omegaconf"):
            raise
        raise UsageError(_sentence(error, overrides, hydra)) from error


def _sentence(error: Exception, overrides: Sequence[str], hydra: GlobalHydra) -> str:
    text = str(error)
    if found := re.search(r"Could not find '(\S+)/([^/\s']*)'", text):
        group, name = found.groups()
        if not name:
            return f"{group}= has no name: {nearest(name, _options(group, hydra))}"
        origin = "" if any(o.lstrip("+").startswith(f"{group}=") for o in overrides) else " (asked for by a yaml file)"
        return f"{group}={name}{origin} is unknown: {nearest(name, _options(group, hydra))}"
    if found := re.search(
        r"Could not (?:override|delete from config\.|append to config\. No match for) '([^']+)'", text
    ):
        key = found[1].split("@")[0]
        return f"unknown key {key}: {_nearest_key(key, overrides, hydra)}"
    if found := re.search(r"Key '(\S+)' is not in struct[\s\S]*full_key: (\S+)", text):
        return f"unknown key {found[2]}: {_nearest_key(found[2], overrides, hydra)}"
    if "add --multirun" in text or ("sweep" in text.lower() and "," in text):
        return _several_values(next((o for o in overrides if o in text), ""), hydra)
    if isinstance(error, OverrideParseException):
        return f"cannot read {error.override!r}: write key=value, like arch=lstm or model.features=64."
    if "Config group override must be" in text:
        wrong = next((o for o in overrides if _key(o) == "" or _options(_key(o), hydra)), "")
        return f"cannot read {wrong!r}: a group is chosen by name, like arch=lstm; leave it out for its default."
    if mark := getattr(error, "problem_mark", None):  # yaml's own: the second place is where the reading stopped
        problem = getattr(error, "problem", None) or "it is no yaml"
        return f"{mark.name}, line {mark.line + 1}, column {mark.column + 1}: {problem}; repair the file."
    wrong_content = "Invalid loaded object type" in text or "Cannot merge DictConfig with ListConfig" in text
    if (wrong_content or isinstance(error, UnicodeDecodeError)) and (found := _unreadable(overrides, hydra)):
        return found
    if "\n" in text and "Available options" in text:
        text = text.split("\n")[0]
    cause = f": {error.__cause__}" if error.__cause__ and str(error.__cause__) not in text else ""
    line = " ".join(f"{text}{cause}".replace("\n", "; ").split())
    line = re.sub(r"; See https?://\S+ for details|; (full_key|object_type|reference_type)[:=]\S*", "", line)
    return f"{line.rstrip('.;')}; see `grux train --help` for what can be written."


def _several_values(override: str, hydra: GlobalHydra) -> str:
    """What a word with commas may have meant, quoted so that it comes through a shell."""
    key, _, values = override.partition("=")
    said = f"{override or 'an override'} has several values: add -m to run them all"
    if not values or "(" in values or _options(_key(override), hydra):
        return f"{said}, or give one."
    return (
        f"{said}, or write '{key}=[{values}]' for a list and \"{key}='{values}'\" for one text, both with all quotes."
    )


def _key(override: str) -> str:
    return override.partition("=")[0].lstrip("+")


def _unreadable(overrides: Sequence[str], hydra: GlobalHydra) -> str | None:
    """What is wrong with the first yaml file that is no text or no mapping, files asked for by name before others.

    Hydra's errors do not name the file.
    """
    for source in hydra.config_loader().get_sources():
        folder = Path(source.path)
        files = folder.rglob("*.yaml") if source.scheme() == "file" else ()
        for file in sorted(files, key=lambda file: (not any(file.stem in o for o in overrides), file)):
            try:
                content = yaml.safe_load(file.read_text(encoding="utf-8"))
            except UnicodeDecodeError as error:
                return f"{file}: byte {error.start} (0x{error.object[error.start]:02x}) is not utf-8; convert the file."
            except (OSError, yaml.YAMLError) as error:
                return f"{file} cannot be read ({' '.join(str(error).split())}); repair the file."
            if content is not None and not isinstance(content, dict):
                return f"{file} holds {type(content).__name__} and not a mapping; write lines like seeds: 3."
    return None


def _options(group: str, hydra: GlobalHydra) -> list[str]:
    try:
        return hydra.config_loader().get_group_options(group, results_filter=ObjectType.CONFIG)
    except Exception:  # a suggestion must never hide the error it belongs to
        return []


def _nearest_key(key: str, overrides: Sequence[str], hydra: GlobalHydra) -> str:
    """The nearest key of the config as it stands without the overrides that set values."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.types import RunMode

    loader = hydra.config_loader()
    parsed = OverridesParser.create(config_loader=loader).parse_overrides(list(overrides))
    groups = [o.input_line for o in parsed if o.input_line and _options(o.key_or_group, hydra)]
    try:
        node: Any = loader.load_configuration("train", overrides=groups, run_mode=RunMode.RUN)
    except Exception:  # as above
        return "see `grux train --cfg job` for the keys there are."
    *path, last = key.split(".")
    if path and path[0] == "hydra":
        for part in path:
            node = node.get(part, {})
        return nearest(last, _keys(node), ".".join(path))
    known = _all_keys(node)
    group, choice = ".".join(path), ""
    if group in known:
        # Below a node that is there a name is looked for elsewhere only where it is hardly misspelt.
        names = difflib.get_close_matches(last, {other.split(".")[-1] for other in known}, n=len(known), cutoff=SURE)
        known = [other for other in known if other.startswith(f"{group}.") or other.split(".")[-1] in names]
        name = node.hydra.runtime.choices.get(group)
        choice = f"{group}={name} has no such setting; " if name else ""
    if near := nearest_keys(key, known):
        return f"did you mean {near[0]}?"
    for depth, part in enumerate(path):
        if part not in _keys(node):
            return nearest(part, _keys(node), ".".join(path[:depth]))
        node = node[part]
    return choice + nearest(last, _keys(node), ".".join(path))


def _all_keys(node: Any, path: str = "") -> list[str]:
    """Every dotted key of the config, nodes and leaves."""
    keys = []
    for key in _keys(node):
        keys += [path + key, *_all_keys(node[key], f"{path}{key}.")]
    return keys


def _keys(node: Any) -> list[str]:
    keys = [str(k) for k in node] if hasattr(node, "items") else []
    return [k for k in keys if k != "hydra" and not k.startswith("_")]
