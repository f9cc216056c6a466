"""How a metric is named, scaled, directed and rounded wherever a person reads it."""

import dataclasses
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

# Records keep fractions; a reader expects percent.
PERCENT = frozenset(
    {"accuracy", "f1", "f1_point_adjusted_inflated", "macro_f1", "exact_match", "ece", "coverage", "wer", "cer", "ler"},
)
# Shares of examples or of pairs, 0 to 1; error rates of what is written (wer, cer, ler) may exceed 1.
SHARES = (PERCENT - {"wer", "cer", "ler"}) | {"auroc", "auprc"}
NAMES = {
    "auprc": "AUPRC",
    "auroc": "AUROC",
    "bits_per_character": "bits per character",
    "bleu": "BLEU",
    "cer": "CER",
    "chrf": "chrF",
    "corr": "CORR",
    "crps": "CRPS",
    "ece": "ECE",
    "exact_match": "exact match",
    "f1": "F1",
    "f1_point_adjusted_inflated": "F1 point-adjusted (inflated)",
    "macro_f1": "macro F1",
    "ler": "LER",
    "mae": "MAE",
    "mase": "MASE",
    "mse": "MSE",
    "nab": "NAB",
    "nll": "NLL",
    "nll_after_first": "NLL after the first step",
    "pinball": "pinball loss",
    "rse": "RSE",
    "wer": "WER",
}
# For records that do not say it themselves; a metric that stands in neither has no arrow and no best.
HIGHER = frozenset(
    {
        *("accuracy", "macro_f1", "exact_match", "bleu", "chrf", "corr"),
        *("auroc", "auprc", "f1", "f1_point_adjusted_inflated", "nab"),
    }
)
LOWER = frozenset(
    {
        *("loss", "perplexity", "bits_per_character", "nll", "nll_after_first", "ece", "wer", "cer", "ler"),
        *("mse", "mae", "mase", "rse", "pinball", "crps"),
    }
)

SIZES = ((10**9, "B"), (10**6, "M"), (10**3, "K"))
MOST_DECIMALS = 4  # beyond, numbers are printed as 1.00e-05


@dataclass(frozen=True)
class Unit:
    """What a line of comparable scores measures.

    `decimals` are after scaling; more than `MOST_DECIMALS` mean 1.00e-05. `higher_is_better` None: not known.
    """

    metric: str
    split: str
    higher_is_better: bool | None
    decimals: int = 3

    @property
    def scale(self) -> float:
        return 100.0 if self.metric in PERCENT else 1.0

    @property
    def bounds(self) -> tuple[float, float] | None:
        """What a score as printed cannot fall below or exceed; None where there is no such end."""
        return (0.0, self.scale) if self.metric in SHARES else None

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
        if self.decimals > MOST_DECIMALS:
            return f"{value:.2e}" if value else "0"
        text = f"{value:.{self.decimals}f}" if abs(value) < 1e6 else f"{value:.3g}"
        return text.removeprefix("-") if float(text) == 0 else text

    def difference(self, score: float, half_width: float | None = None) -> tuple[str, str]:
        """(a difference with its sign, " ± half-width" or ""), with more decimals where these would print as zero."""
        sizes = [abs(size) * self.scale for size in (half_width or score,) if size and math.isfinite(size)]
        # Rounding alone makes tiny differences; an interval that `paired.compare` gives is never rounding alone.
        own = dataclasses.replace(self, decimals=_visible(sizes, self.decimals, 12 if half_width else MOST_DECIMALS))
        text = own.number(score)
        sign = "+" if score > 0 and text.strip("0.") else ""
        return sign + text, "" if half_width is None else f" ± {own.number(half_width)}"


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

    More where a score or an interval would print as zero; more than `MOST_DECIMALS` only where that many leave less
    than two significant digits of the smallest score.
    """
    scale = 100.0 if metric in PERCENT else 1.0
    sizes = [abs(mean) * scale for mean in means if mean and math.isfinite(mean)]
    if metric in PERCENT or metric in ("bleu", "chrf", "nab"):
        decimals = 1
    else:
        decimals = max(2 - math.floor(math.log10(min(sizes))), 0) if sizes else 3
        if decimals > MOST_DECIMALS + 1:
            return decimals
        decimals = min(decimals, MOST_DECIMALS)
    widths = [width * scale for width in half_widths if width and math.isfinite(width)]
    return _visible([*sizes, *widths], decimals, MOST_DECIMALS)


def with_unit(metric: str, score: float) -> str:
    """One score by itself, as a table would print it: "81.2 %", "0.451"."""
    percent = " %" if metric in PERCENT else ""
    return Unit(metric, "", None, decimals_for(metric, [score], ())).number(score) + percent


def _visible(sizes: Sequence[float], decimals: int, most: int) -> int:
    """Decimals, `most` at most, with which none of these prints as zero."""
    while sizes and decimals < most and min(sizes) < 0.5 * 10**-decimals:
        decimals += 1
    return decimals


def short_count(count: int) -> str:
    """12,345 as 12.3K."""
    for size, letter in SIZES:
        if count >= size:
            return f"{count / size:.3g}{letter}" if count < 1000 * size else f"{count / size:.0f}{letter}"
    return str(count)


def short_seconds(seconds: float) -> str:
    """Seconds with as many digits as matter, thousands apart."""
    return f"{seconds:.1f}" if abs(seconds) < 10 else f"{seconds:,.0f}"
