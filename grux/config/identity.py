"""Name a run after what it computes: a readable slug and a hash of the config."""

import hashlib
import json
import re
from typing import Any

from grux.results.select import WITHOUT_EFFECT

LATER = {
    **{"match": None, "budget": None, "match_rule": None, "flops": None, "seconds": None, "role": "result"},
    "initial_scale": 1.0,
}
"""Settings that came after the first runs were named, with the value that means what was so before.

With it they are no part of the id, so that those runs are still found.
"""

MAX_SLUG = 60
"""Characters; file systems allow 255 bytes, a table column less."""


def run_id(config: dict[str, Any], choices: dict[str, str]) -> str:
    """ "gru-sst2-1a2b3c4d": arch and data, and a hash of every setting that can change a result.

    A width that is solved follows from what was asked for: the id is known, and the same, before and after.
    """
    relevant = {key: value for key, value in config.items() if key not in WITHOUT_EFFECT}
    relevant = {key: value for key, value in relevant.items() if key not in LATER or value != LATER[key]}
    if "match" in relevant:
        relevant["model"] = {key: value for key, value in relevant["model"].items() if key != "features"}
    else:
        relevant.pop("match_tolerance", None)
    text = json.dumps(_canonical(relevant), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    return f"{slug(choices.get('arch', 'run'), choices.get('data', ''))}-{digest}"


def slug(*names: str) -> str:
    """Lower-case letters, digits, _ and single hyphens: safe on every file system."""
    joined = "-".join(name for name in names if name)
    clean = re.sub(r"-+", "-", re.sub(r"[^a-z0-9_]+", "-", joined.lower())).strip("-")
    return clean[:MAX_SLUG].strip("-") or "run"


def _canonical(value: Any) -> Any:
    """1 and 1.0 are the same setting."""
    if isinstance(value, dict):
        return {str(key): _canonical(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_canonical(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
