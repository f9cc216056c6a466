"""The shape of `result.json` and `status.json`, as far as tables and plots rely on it.

A run folder may be half written, from another program, or from a later grux; `record.find_runs` asks here first, and
everything after that may trust the types. Keys that are not listed are free.
"""

import math

RECORD_FORMAT = 1

_NON_FINITE = ("NaN", "Infinity", "-Infinity")


class _Number:
    """Any number, also a non-finite one in the spelling that `record.write_json` gives it."""

    def __str__(self) -> str:
        return "a number"


class _Optional:
    def __init__(self, shape):
        self.shape = shape


_NUMBER = _Number()
_SCORES = {str: {str: _NUMBER}}  # split -> metric -> value
_BIN = {"shortest": int, "longest": int, "examples": int}
_CALIBRATION = {"examples": [int], "correct": [int], "confidence": [_NUMBER]}
_LAYER = {str: object, "name": str, "state": int}

RECORD = {
    "format": int,
    "run_id": str,
    "experiment": str,
    "created": _Optional(str),
    "task": _Optional(str),
    "choices": {str: _Optional(str)},
    "config": {str: object},
    "metric": {"primary": str, "higher_is_better": bool},
    "selection": _Optional({str: _Optional(str)}),
    "matching": _Optional(
        {
            str: object,
            "by": str,
            "rule": str,
            "meaning": _Optional(str),
            "unit": _Optional(str),
            "target": _NUMBER,
            "reached": _NUMBER,
            "features": _Optional(int),
        }
    ),
    "budget": _Optional(
        {
            str: object,
            "by": str,
            "limit": _NUMBER,
            "used": _NUMBER,
            "steps": _Optional(int),
            "patience": _Optional(int),
            "rule": str,
        }
    ),
    "seeds": [
        {
            "seed": int,
            "status": str,
            "steps": _Optional(int),
            "best_step": _Optional(int),
            "scores": _SCORES,
            "last_scores": _Optional(_SCORES),
        }
    ],
    "baselines": _Optional({str: _SCORES}),
    "signatures": _Optional({str: _Optional(str)}),
    "parameters": _Optional({str: object, "total": int, "by_rule": _Optional({str: int}), "rule": _Optional(str)}),
    "recurrence": _Optional({str: object, "state": int, "step_flops": int, "layers": [_LAYER]}),
    "flops": _Optional(
        {
            str: object,
            "forward_per_example": _Optional(_NUMBER),
            "training_per_example": _Optional(_NUMBER),
            "rule": _Optional(str),
        }
    ),
    # Lists in the order of "seeds".
    "gradient_by_lag": _Optional({"rule": str, "lags": [int], "examples": [int], "norms": [[_NUMBER]]}),
    "score_by_length": _Optional({"rule": str, "split": str, "bins": [_BIN], "scores": [{str: [_NUMBER]}]}),
    "confusion": _Optional({"rule": str, "split": str, "classes": [str], "counts": [[[int]]]}),
    "calibration": _Optional({"rule": str, "split": str, "counts": [_CALIBRATION]}),
    "seconds": _Optional({str: _NUMBER}),
    "examples_per_second": _Optional(_NUMBER),
    "versions": _Optional({str: _Optional(str)}),
    "commit": _Optional(str),
    "diff": _Optional(str),
    "info": _Optional({str: object}),
    "weights": _Optional({"file": str, "sha256": str}),
    "sources": _Optional({str: str}),
    "data": _Optional({str: str}),
    "artifacts": _Optional({str: str}),
    "device": _Optional({str: object}),
}

STATUS = {
    "state": str,
    "kind": _Optional(str),
    "message": _Optional(str),
    "step": _Optional(int),
    "steps": _Optional(int),
    "pid": _Optional(int),
    "started": _Optional(str),
    "updated": _Optional(str),
    "choices": _Optional({str: _Optional(str)}),
    "host": _Optional(str),
}


def as_number(value: object) -> float | None:
    """`value` as a float: numbers and the spellings of non-finite ones; None for null and for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        try:
            return float(value)
        except OverflowError:
            return math.inf if value > 0 else -math.inf
    return float(value) if isinstance(value, str) and value in _NON_FINITE else None


def problem_of_record(record: object) -> str | None:
    """Why this is not a record that this grux can read, or None."""
    if isinstance(record, dict) and type(record.get("format")) is int and record["format"] > RECORD_FORMAT:
        return f"its format {record['format']} is newer than this grux reads ({RECORD_FORMAT}): upgrade grux"
    if not is_shallow(record):
        return "result.json is nested too deep to be a record"
    return _mismatch(record, RECORD, "result.json")


def problem_of_status(status: object) -> str | None:
    """Why this is not a status that this grux can read, or None."""
    return _mismatch(status, STATUS, "status.json")


def is_shallow(value: object, depth: int = 40) -> bool:
    """Whether nothing is nested deeper than any real config, so that plain recursion is safe."""
    if isinstance(value, (dict, list)):
        items = value.values() if isinstance(value, dict) else value
        return depth > 0 and all(is_shallow(item, depth - 1) for item in items)
    return True


def _mismatch(value: object, shape: object, where: str) -> str | None:
    """The first place where `value` does not have the `shape`, as a phrase; None where all of it fits.

    A shape is a type, `_NUMBER`, `[shape]` for a list, or a dict: its `str` key gives the shape of every value, its
    literal keys are required unless optional.
    """
    if isinstance(shape, _Optional):
        return None if value is None else _mismatch(value, shape.shape, where)
    if shape is object:
        return None
    if shape is _NUMBER:
        return None if value is None or as_number(value) is not None else f"{where} is not a number"
    if isinstance(shape, list):
        if not isinstance(value, list):
            return f"{where} is not a list"
        return next(filter(None, (_mismatch(item, shape[0], f"{where}[{i}]") for i, item in enumerate(value))), None)
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            return f"{where} is not a mapping"
        for key, part in shape.items():
            if key is not str and key not in value and not isinstance(part, _Optional):
                return f"{where} has no {key}"
        for key, item in value.items():
            part = shape.get(key, shape.get(str, object))
            if problem := _mismatch(item, part, f"{where}: {key}"):
                return problem
        return None
    # A bool is an int to Python, not to a reader of a table.
    assert isinstance(shape, type)
    fits = isinstance(value, shape) and (shape is bool or not isinstance(value, bool))
    return None if fits else f"{where} is not of type {shape.__name__}"
