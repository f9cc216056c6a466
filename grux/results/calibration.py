"""How far a classifier's confidence can be believed: accuracy by confidence, a reliability diagram (Guo et al. 2017).

The sums come from `result.json` (`calibration`, one for each seed: examples, right ones and summed confidence in bins
of equal width; see grux.tasks.classification). Records of before have none.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from grux.errors import UsageError
from grux.results.figure import INK, Figure, Panel
from grux.results.grid import printable
from grux.results.palette import MARKERS, Style
from grux.results.placing import alike, placed
from grux.results.record import Run
from grux.results.schema import as_number
from grux.results.seeds import kept_of
from grux.results.select import titled
from grux.results.selection import BEST_VAL
from grux.results.statistics import summarise
from grux.results.units import Unit

LARGEST = 60  # points squared, of a bin that holds everything
ECE = Unit("ece", "test", False, decimals=1)


@dataclass(frozen=True)
class Reliability:
    """Bins that hold an example, all seeds together, and the mean error over seeds."""

    confidence: tuple[float, ...]
    """Mean confidence of each bin."""
    accuracy: tuple[float, ...]
    share: tuple[float, ...]
    """The part of all examples that each bin holds."""
    error: float
    """Expected calibration error, 0 to 1, the mean over seeds."""


def reliability_of(runs: Sequence[Run]) -> Reliability | None:
    """Of runs that are seeds of one config; None without sums of any finished seed."""
    errors: list[float] = []
    totals: list[tuple[float, float, float]] = []
    for _, own in kept_of(runs, "calibration"):
        bins = [
            (float(n), float(correct), confidence)
            for n, correct, sure in zip(own["examples"], own["correct"], own["confidence"], strict=False)
            if (confidence := as_number(sure)) is not None and confidence == confidence
        ]
        if not (examples := sum(n for n, _, _ in bins)) or (totals and len(bins) != len(totals)):
            continue
        errors.append(sum(abs(correct - sure) for _, correct, sure in bins) / examples)
        added = totals or [(0.0, 0.0, 0.0)] * len(bins)
        totals = [(n + a, c + b, s + d) for (n, c, s), (a, b, d) in zip(bins, added, strict=True)]
    if not errors:
        return None
    everything = sum(n for n, _, _ in totals)
    held = [one for one in totals if one[0]]
    return Reliability(
        confidence=tuple(sure / n for n, _, sure in held),
        accuracy=tuple(correct / n for n, correct, _ in held),
        share=tuple(n / everything for n, _, _ in held),
        error=summarise(errors).mean,
    )


def calibration(runs: Sequence[Run], *, rows: str = "arch", columns: str = "data") -> Figure:
    """A panel for each of `columns`, a line for each of `rows`: accuracy in bins of confidence, the diagonal dotted."""
    where, left_out = placed(runs, rows, columns)
    panels: list[Panel] = []
    errors: list[str] = []
    shown = []
    for column, by_name in where.items():
        lines: dict[str, Reliability] = {}
        for name, group in by_name.items():
            alike(group, f"the line of {name} on {column}")
            if (found := reliability_of(group)) is None:
                left_out += [f"{run.run_id}: no calibration in its record" for run in group]
                continue
            lines[name] = found
            shown += [run.record for run in group if run.record]
        if lines:
            title = titled(columns, column)
            said = [f"{printable(name)} {ECE.number(found.error)}" for name, found in lines.items()]
            errors.append((f"{printable(title)}: " if len(where) > 1 else "") + ", ".join(said))
            one = f" (ECE {ECE.number(next(iter(lines.values())).error)} %)" if len(lines) == 1 else ""
            panels.append(_panel(title + one, lines))
    if not panels:
        raise UsageError("no run has a calibration in its record; classifiers do, trained by a grux that notes it.")
    caption = (
        "Accuracy of test predictions by their confidence, the probability of the predicted class, in 15 bins of equal "
        "width, all seeds together; the larger a point the more examples; dotted: confidence that can be believed. "
        f"Expected calibration error in %, mean over seeds: {'; '.join(errors)}. {BEST_VAL.caption(shown, [])}"
    )
    return Figure("calibration", "Reliability diagram", tuple(panels), caption, tuple(left_out))


def _panel(title: str, lines: dict[str, Reliability]) -> Panel:
    def draw(axes: Any, styles: dict[str, Style]) -> None:
        axes.plot([0, 1], [0, 1], color=INK, linestyle=":", linewidth=0.8)
        for name, found in lines.items():
            colour, dash = styles[name]
            axes.plot(found.confidence, found.accuracy, color=colour, linestyle=dash, linewidth=1.2)
            sizes = [4 + LARGEST * share for share in found.share]
            axes.scatter(found.confidence, found.accuracy, s=sizes, color=colour, marker=MARKERS[dash], linewidth=0)
        axes.set_xlim(0, 1)
        axes.set_ylim(-0.03, 1.03)

    return Panel(title, "confidence", "accuracy", tuple(lines), draw)
