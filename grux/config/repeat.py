"""The command line that makes a run again: its choices, and every setting in which it differs from what they bring."""

import functools
import re
import shlex
from collections.abc import Mapping
from typing import Any

from grux.config.compose import Composed, compose
from grux.config.identity import run_id
from grux.config.settings import GROUPS
from grux.errors import UsageError
from grux.results.select import WITHOUT_EFFECT, leaves

SIMPLE = re.compile(r"[A-Za-z_./][\w./-]*", re.ASCII)  # what Hydra's grammar takes for a string without quotes
NOT_A_STRING = frozenset({"null", "true", "false", "nan", "inf", "yes", "no", "on", "off"})


def repeat(config: Mapping[str, Any], choices: Mapping[str, str]) -> tuple[str, str]:
    """(`grux train ...`, a remark or "") for a run of this resolved config; ("", the reason) where there is none.

    The command was composed and makes the same run id, so it goes on with an interrupted run too; where this version of
    grux has other settings it is still the same training, under another id, and the remark says so. Settings without
    effect are left out, but for the group. A config made with files of one's own (`--config-dir`) has no command here.
    """
    try:
        overrides = _overrides(config, choices)
        made = compose(overrides)
    except UsageError as error:
        return "", f"There is no command for it with this grux and its configs/: {error}"
    same = run_id(made.config, made.choices) == run_id(dict(config), dict(choices))
    remark = "" if same else "This version of grux has other settings: the run gets another id"
    return " ".join(["grux train", *map(shlex.quote, overrides)]), remark


def _overrides(config: Mapping[str, Any], choices: Mapping[str, str]) -> list[str]:
    named = {group: choices[group] for group in GROUPS if group in choices}
    # The data bring their task and the task its model, so most choices need not be said.
    first = {group: named[group] for group in ("arch", "data") if group in named}
    brought = _base(tuple(first.items())).choices
    said = first | {group: name for group, name in named.items() if brought.get(group) != name}
    wanted, there = (
        leaves({k: v for k, v in settings.items() if k not in WITHOUT_EFFECT or k in ("group", "plugins")})
        for settings in (config, _base(tuple(said.items())).config)
    )
    overrides = [f"{group}={name}" for group, name in said.items()]
    for key, value in wanted.items():
        if key not in there or in_words(there[key]) != in_words(value):
            overrides.append(f"{'' if key in there else '+'}{key}={in_words(value)}")
    # A setting that the run's version did not have cannot be taken away; a part of a component can.
    gone = [key for key in there if key not in wanted and "." in key]
    return overrides + [f"~{key}" for key in gone]


@functools.cache
def _base(choices: tuple[tuple[str, str], ...]) -> Composed:
    return compose([f"{group}={name}" for group, name in choices])


def in_words(value: Any, quote: str = "'") -> str:
    """The value in the grammar of the command line (Hydra's overrides); `quote` is put around texts that need it."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, (list, tuple)):
        return f"[{','.join(in_words(item, quote) for item in value)}]"
    if isinstance(value, Mapping):
        items = (f"{in_words(key, quote)}:{in_words(item, quote)}" for key, item in value.items())
        return "{" + ",".join(items) + "}"
    if not isinstance(value, str):
        return repr(int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 1e15 else value)
    if SIMPLE.fullmatch(value) and value.lower() not in NOT_A_STRING:
        return value
    # In quotes a backslash counts only before a quote: those at the end or before one are doubled.
    escaped = re.sub(rf"(\\*)({quote}|$)", lambda m: m[1] * 2 + (f"\\{quote}" if m[2] else ""), value)
    return f"{quote}{escaped}{quote}"
