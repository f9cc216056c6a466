"""Writes run folders as training would leave them, so that tables and plots can be tested without training."""

import json
import math
import os
from pathlib import Path
from typing import Any

from grux.results.contents import Cell, Table
from grux.results.record import find_runs, write_json
from grux.results.table import make_table

KINDS: dict[str, dict[str, Any]] = {
    "sst2": {"task": "classification", "metric": "accuracy", "higher": True, "base": 0.78},
    "multi30k": {"task": "translation", "metric": "bleu", "higher": True, "base": 27.0},
    "ett": {"task": "forecasting", "metric": "mse", "higher": False, "base": 0.42},
}


def make_config(*, arch: str, data: str, seeds: int = 3, **changes: Any) -> dict[str, Any]:
    config = {
        "arch": {"_target_": "grux.layers.recurrent.Recurrent", "cell": {"_target_": f"grux.cells.{arch}.Cell"}},
        "model": {"features": 128},
        "data": {"_target_": f"grux.data.{data}.load"},
        "optimizer": {"_target_": "grux.training.optimizers.adam", "learning_rate": 0.001},
        "seeds": seeds,
        "first_seed": 0,
    }
    for key, value in changes.items():  # model__features=64
        *path, last = key.split("__")
        node = config
        for part in path:
            node = node.setdefault(part, {})
        node[last] = value
    return config


def make_record(
    *,
    arch: str = "gru",
    data: str = "sst2",
    scores: list[float] | None = None,
    diverged: tuple[int, ...] = (),
    run_id: str | None = None,
    config: dict[str, Any] | None = None,
    **changes: Any,
) -> dict[str, Any]:
    kind = KINDS[data]
    if scores is None:
        shift = {"gru": 0.02, "lstm": 0.01, "elman": -0.1}.get(arch, 0.0) * (1 if kind["higher"] else -1)
        scores = [kind["base"] * (1 + shift) + kind["base"] * 0.01 * step for step in (-1, 0, 1)]
    seeds = [
        {
            "seed": seed,
            "status": "diverged" if seed in diverged else "done",
            "steps": 1000,
            "best_step": 800,
            "scores": {
                "validation": {kind["metric"]: score, "loss": 0.5},
                "test": {kind["metric"]: "NaN" if seed in diverged else score, "loss": 0.6},
            },
        }
        for seed, score in enumerate(scores)
    ]
    baselines = {
        "last_value": {"test": {"mse": 1.29, "loss": 1.0}},
        "seasonal_naive": {"test": {"mse": 0.52, "loss": 1.0}},
    }
    record = {
        "format": 1,
        "run_id": run_id or f"{arch}-{data}-1a2b3c4d",
        "experiment": "quickstart",
        "created": "2026-11-21T10:00:00Z",
        "task": kind["task"],
        "choices": {"arch": arch, "data": data, "task": kind["task"], "optimizer": "adam"},
        "config": config or make_config(arch=arch, data=data, seeds=len(seeds)),
        "metric": {"primary": kind["metric"], "higher_is_better": kind["higher"]},
        "selection": {
            "metric": "loss",
            "split": "validation",
            "mode": "min",
            "rule": "best validation loss of each seed",
        },
        "seeds": seeds,
        "baselines": baselines if data == "ett" else {},
        "signatures": {"bleu": "nrefs:1|case:mixed|tok:13a|version:2.6.0"} if data == "multi30k" else {},
        "parameters": {
            "total": {"sst2": 812_345, "multi30k": 4_100_000, "ett": 52_000}[data],
            "by_rule": {"chung": 5_000, "bai": 9_100},
            "rule": "every weight",
        },
        "recurrence": {
            "state": 96,
            "step_flops": 123_456,
            "layers": [{"name": "layers.0", "state": 64}, {"name": "layers.1", "state": 32}],
        },
        "flops": {"forward_per_example": 1.2e6, "training_per_example": 3.6e6, "rule": "two per multiply-add"},
        "seconds": {"compile": 5.1, "train": 30.2, "evaluate": 1.0, "total": 36.3},
        "examples_per_second": 12345.6,
        "versions": {"python": "3.11.7", "jax": "0.10.2", "grux": "0.1.0"},
        "commit": "abc1234",
        "diff": None,
        "data": {f"{data}.csv": "ab" * 32},
        "artifacts": {},
        "device": {"platform": "cpu", "kind": "cpu", "count": 2, "cores": 2},
    }
    return record | changes


def write_run(root: Path, record: dict[str, Any] | None = None, *, metrics: bool = False, **options: Any) -> Path:
    """A finished run."""
    record = record or make_record(**options)
    folder = root / record["experiment"] / record["run_id"]
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "status.json", {"state": "done", "kind": None, "message": "", "step": 1000, "steps": 1000})
    if metrics:
        write_metrics(folder, record)
    write_json(folder / "result.json", record)
    return folder


def write_unfinished(
    root: Path,
    state: str,
    *,
    arch: str = "gru",
    data: str = "sst2",
    kind: str | None = None,
    message: str = "",
    **status,
) -> Path:
    """A run without a record."""
    folder = root / "quickstart" / f"{arch}-{data}-{state}"
    folder.mkdir(parents=True, exist_ok=True)
    content = {"state": state, "kind": kind, "message": message, "step": 400, "steps": 1000, "pid": os.getpid()}
    content |= {"choices": {"arch": arch, "data": data}, "started": "2026-11-21T09:00:00Z"}
    write_json(folder / "status.json", content | status)
    (folder / "config.yaml").write_text(json.dumps(make_config(arch=arch, data=data)))  # JSON is YAML
    return folder


def write_metrics(folder: Path, record: dict[str, Any], *, ends: dict[int, int] | None = None) -> None:
    """Learning curves of every seed; `ends`: the last step of a seed that stopped early."""
    metric, higher = record["metric"]["primary"], record["metric"]["higher_is_better"]
    lines = []
    for step in range(50, 1001, 50):
        for entry in record["seeds"]:
            seed = entry["seed"]
            if step > (ends or {}).get(seed, 1000):
                continue
            final = entry["scores"]["validation"][metric]
            value = final * (1 - 0.4 * math.exp(-step / 200)) if higher else final * (1 + 1.5 * math.exp(-step / 200))
            value *= 1 + 0.01 * math.sin(step * (seed + 1))
            common = {"step": step, "epoch": step / 200, "seed": seed, "seconds": step / 30}
            lines.append(json.dumps(common | {"split": "train", "loss": 2 * math.exp(-step / 300) + 0.3}))
            lines.append(
                json.dumps(common | {"split": "validation", "loss": math.exp(-step / 300) + 0.5, metric: value})
            )
    (folder / "metrics.jsonl").write_text("\n".join(lines) + "\n")


def table_of(root: Path, **options: Any) -> Table:
    """The table of all runs below `root`; options are those of `make_table`."""
    return make_table(find_runs([root]), **options)


def cell(table: Table, row: str, line: str = "sst2") -> Cell:
    at = [found.name for found in table.lines].index(line)
    return next(found for found in table.rows if found.name == row).cells[at]
