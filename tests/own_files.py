"""Files as users have them, and the data sets that read them, by their yaml."""

import importlib
from datetime import datetime, timedelta
from pathlib import Path

import yaml

CONFIGS = Path(__file__).parents[1] / "configs" / "data"


def load(name, /, **changes):
    """The data set of a yaml, changed by some settings."""
    config = yaml.safe_load((CONFIGS / f"{name}.yaml").read_text())
    del config["defaults"]
    module, _, function = config.pop("_target_").rpartition(".")
    assert not changes.keys() - config.keys()
    return getattr(importlib.import_module(module), function)(**config | changes)


def hours(count=240, start=datetime(2020, 1, 1)):
    """Hourly rows of a series with a header: time, load, temp."""
    rows = [
        f"{start + timedelta(hours=i)},{(i * i) % 17 + i % 24},{(i * 7) % 11 - 3 + i % 24 / 10:g}" for i in range(count)
    ]
    return ["time,load,temp", *rows]


def reviews(count=120):
    """Rows of a table of texts with a header: id, review, mood."""
    moods = ("good", "bad", "so-so")
    rows = [f'{i},"film {i}, a {moods[i % 3]} one of {i * i}",{moods[i % 3]}' for i in range(count)]
    return ["id,review,mood", *rows]


def pairs(count=120):
    """Lines of source and target."""
    return [f"the number {i} of {i * i}\tle nombre {i} de {i * i}" for i in range(count)]


def replaced(rows, at, row):
    """The rows with that of line `at`, counted from 1, replaced by other ones: a text, a list of them, or nothing."""
    return [*rows[: at - 1], *([row] if isinstance(row, str) else row), *rows[at:]]


def write(path, rows, *, end="\n", encoding="utf-8"):
    path.write_bytes("".join(row + end for row in rows).encode(encoding))
    return str(path)
