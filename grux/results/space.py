"""The space that a search draws from: for each setting a distribution, written as text.

    log(1e-4, 1e-1)        log-uniform          uniform(0, 0.5)     uniform
    logint(16, 512)        the same, whole      int(1, 4)           whole numbers, both ends included
    choice(0, 0.2, null)   each alike

Study files keep these texts, so that a report can be made without the configs they came from.
"""

import difflib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from grux.errors import UsageError

Value = float | int | bool | str | None
"""What a setting can be set to."""

KINDS = ("log", "uniform", "logint", "int", "choice")
WHOLE = ("logint", "int")
DIGITS = 4
"""Of a drawn number, so that a person can read and type it: finer than any search is."""


@dataclass(frozen=True)
class Distribution:
    """Bounds (low, high) of numbers, or the options of a choice."""

    kind: str
    arguments: tuple[Value, ...]

    def at(self, quantile: float) -> Value:
        """The value at a quantile in [0, 1): what a uniform random number becomes."""
        if self.kind == "choice":
            return self.arguments[int(quantile * len(self.arguments))]
        low, high = self.bounds
        if self.kind == "int":
            return int(low) + int(quantile * (high - low + 1))
        if self.kind == "logint":
            # Each whole number stands for the stretch up to the next one.
            drawn = math.floor(low * ((high + 1) / low) ** quantile)
            return min(max(drawn, int(low)), int(high))
        return rounded(low * (high / low) ** quantile if self.kind == "log" else low + quantile * (high - low), self)

    @property
    def bounds(self) -> tuple[float, float]:
        low, high = self.arguments
        assert isinstance(low, (int, float)) and isinstance(high, (int, float))
        return low, high

    def __str__(self) -> str:
        return f"{self.kind}({', '.join(as_word(value) for value in self.arguments)})"


def parse_space(texts: Mapping[str, Any]) -> dict[str, Distribution]:
    """Setting -> distribution, of text like `log(1e-4, 1e-1)`. Raises UsageError with the name of what is wrong."""
    return {key: parse(text, f"search.{key}") for key, text in texts.items()}


def parse(text: Any, where: str) -> Distribution:
    """One distribution; `where` names it in errors."""
    found = re.fullmatch(r"\s*(\w+)\s*\((.*)\)\s*", text) if isinstance(text, str) else None
    if not found:
        raise UsageError(f"{where}={text} is no distribution; write one like log(1e-4,1e-1) or choice(0,0.2,0.5).")
    kind, inside = found.groups()
    if kind not in KINDS:
        near = difflib.get_close_matches(kind, KINDS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there is {', '.join(KINDS)}."
        raise UsageError(f"{where}={text}: {kind} is unknown; {hint}")
    arguments = tuple(_value(part.strip(), f"{where}={text}") for part in inside.split(","))
    if kind == "choice":
        if len(set(map(as_word, arguments))) < len(arguments):
            raise UsageError(f"{where}={text} names a value twice; a choice takes each with the same chance.")
        return Distribution(kind, arguments)
    numbers = [x for x in arguments if isinstance(x, (int, float)) and not isinstance(x, bool)]
    if len(arguments) != 2 or len(numbers) != 2 or not numbers[0] < numbers[1]:
        raise UsageError(f"{where}={text} needs two numbers, the lower first, like {kind}(1,8).")
    if kind in WHOLE and not all(isinstance(x, int) for x in numbers):
        raise UsageError(f"{where}={text} needs whole numbers, like {kind}(1,8).")
    if kind.startswith("log") and numbers[0] <= 0:
        raise UsageError(f"{where}={text}: a logarithm needs numbers above 0.")
    return Distribution(kind, arguments)


def rounded(value: Value, distribution: Distribution) -> Value:
    """A drawn value to DIGITS, inside its bounds; what is whole or chosen stays as it is."""
    if distribution.kind not in ("log", "uniform") or not isinstance(value, (int, float)):
        return value
    low, high = distribution.bounds
    return min(max(float(f"{value:.{DIGITS}g}"), low), high)


def as_word(value: Value) -> str:
    """A value as it is typed on a command line."""
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _value(text: str, where: str) -> Value:
    if text in ("null", "true", "false"):
        return {"null": None, "true": True, "false": False}[text]
    for kind in (int, float):
        try:
            number = kind(text)
        except ValueError:
            continue
        if not math.isfinite(number):
            raise UsageError(f"{where}: {text} is no number to draw.")
        return number
    # What Hydra's grammar would read as something else than a word has no place in a choice.
    if not re.fullmatch(r"[A-Za-z_][\w.-]*", text, re.ASCII):
        raise UsageError(f"{where}: {text!r} is neither a number nor a plain word.")
    return text
