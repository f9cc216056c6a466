"""The width of a config that asks for a cost, solved when a run starts, and kept in its folder."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from flax import nnx

from grux.config import build
from grux.counting.match import Matching, deviation, match_width, number
from grux.data.base import Dataset
from grux.errors import DataError, StorageError, UsageError
from grux.matching.times import match_time
from grux.results.record import read_json, write_json
from grux.tasks.base import Task

FILE = "matching.json"
"""Where a run folder keeps it."""


def matched(
    config: dict[str, Any], dataset: Dataset, task: Task, measure: Callable[[int], list[float]]
) -> Matching | None:
    """How the width of this config is found; None where it asks for none. Raises UsageError where none fits.

    `measure` gives milliseconds of training steps of a width.
    """
    if config["match"] is None:
        return None
    if "features" not in config["model"]:
        raise UsageError(
            f"match={config['match']} solves model.features, and model._target_={config['model']['_target_']} has no "
            "features; leave out match, or choose another model."
        )
    if config["match"] == "step_time":
        return match_time(config, measure)
    layer = build(config["arch"], plugins=config["plugins"])

    def make_model(width: int) -> nnx.Module:
        model = build(of_width(config, width)["model"], plugins=config["plugins"])
        return nnx.eval_shape(lambda: model(info=dataset.info, layer=layer, rngs=nnx.Rngs(0)))

    return match_width(
        make_model,
        task,
        dataset,
        by=config["match"],
        rule=config["match_rule"],
        budget=config["budget"],
        tolerance=config["match_tolerance"],
        start=config["model"]["features"],
    )


def of_width(config: dict[str, Any], features: int) -> dict[str, Any]:
    """The config with this width of its recurrent layers."""
    return {**config, "model": {**config["model"], "features": features}}


def kept(folder: Path, config: dict[str, Any]) -> Matching | None:
    """How the width of the run in this folder was found when it began; None where it has not, or asks for another."""
    try:
        content = Matching(**read_json(folder / FILE))
    except (DataError, StorageError, TypeError):
        return None
    asked = (content.by, content.target, content.tolerance)
    same = asked == (config["match"], config["budget"], config["match_tolerance"])
    same &= config["match_rule"] in (None, content.rule)
    return content if same and type(content.features) is int else None


def keep(folder: Path, matching: Matching) -> None:
    """Write down how the width was found."""
    write_json(folder / FILE, asdict(matching))


def sentence(matching: Matching) -> str:
    """ "width 57: 99,873 parameters for 100,000 (-0.13 %; every trained number once, ...)"."""
    reached, target = number(matching.reached), number(matching.target)
    off = deviation(matching.reached, matching.target)
    return f"width {matching.features}: {reached} {matching.unit} for {target} ({off}; {matching.meaning})"
