"""How a metric is named, scaled, directed and rounded wherever a person reads it."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

# Records keep fractions; a reader expects percent.
PERCENT = frozenset({"accuracy", "f1"})
NAMES = {"bleu": "BLEU", "chrf": "chrF", "f1": "F1", "mse": "MSE", "mae": "MAE", "mase": "MASE"}
# For records that do not say it themselves; a metric that stands in neither has no arrow and no best.
HIGHER = frozenset({"accuracy", "f1", "bleu", "chrf"})
LOWER = frozenset({"loss", "perplexity", "mse", "mae", "mase"})

MOST_DECIMALS = 4


@dataclass(frozen=True)
class Unit:
    """What a line of comparable scores measures. `decimals` are after scaling; `higher_is_better` None: not known."""

    metric: str
    split: str
    higher_is_better: bool | None
    decimals: int = 3

    @property
    def scale(self) -> float:
        return 100.0 if self.metric in PERCENT else 1.0

    @property
    def name(self) -> str:
        return NAMES.get(self.metric, self.metric) + (" %" if self.metric in PERCENT else "")

    @property
    def arrow(self) -> str:
        return {True: "↑", False: "↓", None: ""}[self.higher_is_better]

    @property
    def label(self) -> str:
        return f"{self.name} {self.arrow}".strip()

    def number(self, score: float) -> str:
        """A score (or a half-width) as printed: fixed decimals, so that a column can be read down."""
        value = score * self.scale
        if not math.isfinite(value):
            return "nan" if value != value else "∞" if value > 0 else "-∞"
        return f"{value:.{self.decimals}f}" if abs(value) < 1e6 else f"{value:.3g}"


def direction(metric: str, records: Iterable[dict[str, Any]]) -> bool | None:
    """Whether higher is better: as a record says, else by name, else None."""
    for record in records:
        directions = record["metric"].get("directions")
        if isinstance(directions, dict) and isinstance(directions.get(metric), bool):
            return directions[metric]
        if record["metric"]["primary"] == metric:
            return record["metric"]["higher_is_better"]
        selection = record.get("selection") or {}
        if selection.get("metric") == metric and selection.get("mode") in ("min", "max"):
            return selection["mode"] == "max"
    return True if metric in HIGHER else False if metric in LOWER else None


def decimals_for(metric: str, means: Iterable[float], half_widths: Iterable[float]) -> int:
    """Decimals for a line of scores: one for scores of 0 to 100, else three significant digits of the smallest.

    More where the narrowest interval would print as zero.
    """
    scale = 100.0 if metric in PERCENT else 1.0
    sizes = [abs(mean) * scale for mean in means if mean and math.isfinite(mean)]
    if metric in PERCENT or metric in ("bleu", "chrf"):
        decimals = 1
    else:
        decimals = min(max(2 - math.floor(math.log10(min(sizes))), 0), MOST_DECIMALS) if sizes else 3
    widths = [width * scale for width in half_widths if width and math.isfinite(width)]
    while widths and decimals < MOST_DECIMALS and min(widths) < 0.5 * 10**-decimals:
        decimals += 1
    return decimals


def short_count(count: int) -> str:
    """12,345 as 12.3K."""
    for size, letter in ((10**9, "B"), (10**6, "M"), (10**3, "K")):
        if count >= size:
            return f"{count / size:.3g}{letter}" if count < 1000 * size else f"{count / size:.0f}{letter}"
    return str(count)


def short_seconds(seconds: float) -> str:
    """Seconds with as many digits as matter, thousands apart."""
    return f"{seconds:.1f}" if abs(seconds) < 10 else f"{seconds:,.0f}"
