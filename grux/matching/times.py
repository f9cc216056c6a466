"""Milliseconds of a training step by width, as they were measured on this machine.

    <cache>/times/<16 hex digits>.json       one file for each config without its width, machine and version of JAX

`grux count --time` measures a few widths. A width between them is then measured itself before it is used: what a run
says that it reached was measured, never interpolated.
"""

import datetime
import hashlib
import json
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from grux import provenance
from grux.counting.match import Matching, deviation, number
from grux.counting.search import GAP
from grux.data.fetch import cache_folder
from grux.errors import GruxError, UsageError
from grux.results.record import read_json, storage_error, write_json
from grux.results.select import WITHOUT_EFFECT

REPEATS = 9
"""Timings of a width; the median counts."""
ATTEMPTS = 6
"""Widths that are measured at most to meet one budget."""
NO_PART = WITHOUT_EFFECT | {
    *("first_seed", "epochs", "steps", "flops", "seconds", "eval_every", "patience", "learning_rate"),
    *("match", "budget", "match_rule", "match_tolerance", "role"),
}
"""Settings that a training step does not contain."""
VERSIONS = ("grux", "jax", "jaxlib")

Times = dict[int, dict[str, Any]]
"""Width -> milliseconds (the median), low and high (quartiles), measured (UTC)."""


def conditions(config: dict[str, Any]) -> dict[str, Any]:
    """All that a time belongs to but the width: the config of a step, the machine, the versions."""
    relevant = {key: value for key, value in config.items() if key not in NO_PART}
    relevant["model"] = {key: value for key, value in config["model"].items() if key != "features"}
    versions = {name: version for name, version in provenance.versions().items() if name in VERSIONS}
    relevant["mesh"] = {"data": config["mesh"]["data"]}
    cores = provenance.available_cores()
    machine = provenance.device(jax.local_devices(), cores)
    # What a launcher tells its job of the machine stands in the counts of devices and cores already. No part of a step
    # heeds OMP_NUM_THREADS, and a launcher sets it whatever the user's is.
    machine["environment"] = {
        name: value
        for name, value in machine["environment"].items()
        if name not in ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS") and (name, value) != ("NPROC", str(cores))
    }
    return {"config": relevant, "machine": machine, "versions": versions}


def table_of(config: dict[str, Any]) -> Path:
    """The file of these conditions."""
    text = json.dumps(conditions(config), sort_keys=True, default=str)
    return cache_folder().parent / "times" / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"


def read_times(config: dict[str, Any]) -> Times:
    """What was measured under these conditions; {} where nothing was, or its file is damaged."""
    try:
        rows = read_json(table_of(config))["times"]
        found = {int(width): {**row, "milliseconds": float(row["milliseconds"])} for width, row in rows.items()}
    except (GruxError, KeyError, TypeError, ValueError, AttributeError):
        return {}
    return dict(sorted(found.items()))


def add_time(config: dict[str, Any], width: int, milliseconds: list[float]) -> dict[str, Any]:
    """Write down the timings of one width, and give its row."""
    low, middle, high = statistics.quantiles(milliseconds, n=4) if len(milliseconds) > 1 else milliseconds * 3
    day = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d")
    row = {"milliseconds": middle, "low": low, "high": high, "repeats": len(milliseconds), "measured": day}
    path = table_of(config)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(path.parent, error) from error
    rows = {str(each): value for each, value in {**read_times(config), width: row}.items()}
    write_json(path, {**conditions(config), "times": rows})
    return row


def match_time(config: dict[str, Any], measure: Callable[[int], list[float]]) -> Matching:
    """The width whose step takes nearest to the budget, in milliseconds.

    Raises UsageError where nothing was measured, where the budget lies outside of what was, and where no width that
    was tried comes near enough.
    """
    target, tolerance = config["budget"], config["match_tolerance"]
    times = read_times(config)
    if not times:
        cores = provenance.available_cores()
        raise UsageError(
            f"match=step_time budget={number(target)}: no training step of this config was measured on this machine "
            f"(with {cores} core{'s' * (cores > 1)} for this process); measure first, by the same words after "
            "`grux count --time`."
        )
    for _ in range(ATTEMPTS):
        width = _crossing(times, target)
        # A model may not have every width: one of two directions has even ones.
        offsets = sorted(range(-GAP, GAP + 1), key=abs)
        if not any(_measured(config, times, width + offset, measure) for offset in offsets if width + offset > 0):
            break
        if _crossing(times, target) == width:
            break
    features = min(times, key=lambda each: abs(times[each]["milliseconds"] - target))
    row = times[features]
    reached = row["milliseconds"]
    if abs(reached - target) > tolerance * target:
        raise UsageError(
            f"match=step_time budget={number(target)}: no width takes {number(target)} ms to {tolerance:.3g} of it: "
            f"the nearest measured is {number(reached)} at model.features={features} ({deviation(reached, target)}); "
            "choose a budget near it, or a larger match_tolerance."
        )
    machine = conditions(config)["machine"]
    meaning = (
        f"a training step of all seeds, measured: median of {row.get('repeats')} on {machine['count']} x "
        f"{machine['kind']}, {machine['cores']} cores, {row.get('measured')}"
    )
    return Matching("step_time", "measured", meaning, "ms", target, reached, tolerance, features)


def _measured(config: dict[str, Any], times: Times, width: int, measure: Callable[[int], list[float]]) -> bool:
    """Whether the time of this width is known, after it was measured where it had not been."""
    if width not in times:
        try:
            timings = measure(width)
        except UsageError:  # no such width
            return False
        times[width] = add_time(config, width, timings)
    return True


def _crossing(times: Times, target: float) -> int:
    """The width between those measured at which a step should take the target.

    Raises UsageError where the target lies outside of them: nothing is known there.
    """
    widths = sorted(times)
    # Noise must not make a wider network the faster one.
    spent = np.maximum.accumulate([times[width]["milliseconds"] for width in widths])
    if not spent[0] <= target <= spent[-1]:
        raise UsageError(
            f"match=step_time budget={number(target)}: widths {widths[0]} to {widths[-1]} were measured and take "
            f"{spent[0]:.4g} to {spent[-1]:.4g} ms; choose a budget between, or measure more by widths=A,B,C after "
            "`grux count --time`."
        )
    # Along a power law, of which a time is nearer than of a straight line.
    return round(float(np.exp(np.interp(np.log(target), np.log(spent), np.log(widths)))))
