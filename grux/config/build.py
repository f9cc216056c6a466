"""Build the object that a config node describes: resolve within the allow-list, call with keywords, nothing else."""

import functools
from collections.abc import Iterable
from typing import Any

from grux.config.targets import resolve


def build(node: dict[str, Any], *, plugins: Iterable[str] = (), **arguments: Any) -> Any:
    """Call what `node["_target_"]` names with the node's other keys and `arguments`; inner nodes are built first.

    With `_partial_: true` the call is left to the receiver (`functools.partial`). Raises `UsageError` for a name
    outside the allow-list, also in a tree that `check_nodes` has not seen.
    """
    plugins = tuple(plugins)
    keywords = {key: _built(item, plugins) for key, item in node.items() if key not in ("_target_", "_partial_")}
    target = resolve(node["_target_"], None, "_target_", plugins)
    if node.get("_partial_"):
        return functools.partial(target, **keywords, **arguments)
    return target(**keywords, **arguments)


def _built(value: Any, plugins: tuple[str, ...]) -> Any:
    if isinstance(value, dict):
        if "_target_" in value:
            return build(value, plugins=plugins)
        return {key: _built(item, plugins) for key, item in value.items()}
    if isinstance(value, list):
        return [_built(item, plugins) for item in value]
    return value
