"""Which class is taken for which: the counts of the test split that a classifier's record has, as a table and a figure.

They come from `result.json` (`confusion`: counts by true class in rows and predicted class in columns, best weights of
each seed). Records of before, and of more than 50 classes, have none.
"""

from collections.abc import Sequence
from typing import Any

from grux.errors import UsageError
from grux.results.figure import FAINT, INK, Figure, Panel, label
from grux.results.grid import printable
from grux.results.palette import BLUE, Style
from grux.results.placing import alike, placed
from grux.results.record import Run
from grux.results.seeds import kept_of
from grux.results.select import titled
from grux.results.selection import BEST_VAL

MOST_WRITTEN = 12
"""Classes up to which every count is written."""
NAMED = 5  # pairs of classes that are named where there are more
DARKEST = 0.65  # what is written on the shade can still be read
LONGEST_CLASS = 14

Matrix = list[list[float]]
"""Examples by true class and by predicted class, the mean over seeds."""


def mean_confusion(runs: Sequence[Run]) -> tuple[list[str], Matrix, int]:
    """(classes, mean counts, number of seeds) of runs that are seeds of one config; ([], [], 0) without any."""
    found = kept_of(runs, "confusion")
    if not found:
        return [], [], 0
    classes = found[0][0]["classes"]
    counts = [own for probe, own in found if probe["classes"] == classes and _is_square(own, len(classes))]
    if not counts:
        return [], [], 0
    rows = [[sum(column) / len(counts) for column in zip(*row, strict=True)] for row in zip(*counts, strict=True)]
    return classes, rows, len(counts)


def confusion(runs: Sequence[Run], *, rows: str = "arch", columns: str = "data") -> Figure:
    """A panel for each of `rows` and `columns`: true classes downwards, predicted ones to the right."""
    where, left_out = placed(runs, rows, columns)
    panels, shown, seeds = [], [], set()
    for column, by_name in where.items():
        for name, group in by_name.items():
            alike(group, f"the panel of {name} on {column}")
            classes, counts, count = mean_confusion(group)
            if not count:
                left_out += [f"{run.run_id}: no confusion in its record" for run in group]
                continue
            title = titled(rows, name) + (f", {titled(columns, column)}" if len(where) > 1 else "")
            panels.append(_panel(printable(title), classes, counts))
            shown += [run.record for run in group if run.record]
            seeds.add(count)
    if not panels:
        raise UsageError(
            "no run has a confusion of classes in its record; only classifiers of at most 50 classes do, trained by a "
            "grux that counts them."
        )
    over = f"mean over {' or '.join(map(str, sorted(seeds)))} seeds" if seeds != {1} else "one seed"
    caption = (
        f"Examples of the test split by true class (rows) and predicted class (columns), {over}; shade: the share of "
        f"the true class. {BEST_VAL.caption(shown, [])}"  # records hold no other weights' counts
    )
    return Figure("confusion", "Confusion of classes", tuple(panels), caption, tuple(left_out), legend=None)


def confusion_grid(run: Run) -> tuple[list[str], list[list[str]]]:
    """Heads and lines of a table: a true class and how often each class was predicted; ([], []) where not written."""
    classes, counts, _ = mean_confusion([run])
    if not 0 < len(classes) <= MOST_WRITTEN:
        return [], []
    lines = [[name, *map(_number, row)] for name, row in zip(classes, counts, strict=True)]
    return ["true \\ predicted", *classes], lines


def most_confused(run: Run) -> str:
    """The most frequent pairs of different classes, for runs with too many classes for a table; "" for others."""
    classes, counts, _ = mean_confusion([run])
    if len(classes) <= MOST_WRITTEN:
        return ""
    pairs = [
        (count, f"{true} as {predicted}")
        for true, row in zip(classes, counts, strict=True)
        for predicted, count in zip(classes, row, strict=True)
        if true != predicted and count
    ]
    pairs.sort(key=lambda pair: -pair[0])
    return ", ".join(f"{name} {_number(count)}" for count, name in pairs[:NAMED])


def _panel(title: str, classes: list[str], counts: Matrix) -> Panel:
    places = range(len(classes))

    def draw(axes: Any, styles: dict[str, Style]) -> None:
        from matplotlib.patches import Rectangle

        for true, row in enumerate(counts):
            whole = sum(row)
            for predicted, count in enumerate(row):
                if count:
                    shade = {"facecolor": BLUE, "alpha": DARKEST * count / whole, "linewidth": 0}
                    axes.add_patch(Rectangle((predicted - 0.5, true - 0.5), 1, 1, **shade))
                if len(classes) <= MOST_WRITTEN:
                    size = 8 if len(classes) <= 6 else 6
                    axes.text(predicted, true, _number(count), ha="center", va="center", fontsize=size, color=INK)
        axes.grid(False)
        for border in range(1, len(classes)):
            axes.axhline(border - 0.5, color=FAINT, linewidth=0.6)
            axes.axvline(border - 0.5, color=FAINT, linewidth=0.6)
        axes.set_xlim(-0.5, len(classes) - 0.5)
        axes.set_ylim(len(classes) - 0.5, -0.5)
        names = [label(name, LONGEST_CLASS) for name in classes]
        size = 7 if len(classes) <= MOST_WRITTEN else 4
        turned = {"rotation": 40, "ha": "right"} if max(map(len, names)) > 3 else {}
        axes.set_xticks(places, names, fontsize=size, **turned)
        axes.set_yticks(places, names, fontsize=size)
        axes.tick_params(length=0)

    return Panel(title, "predicted", "true", (), draw, height=3.4)


def _number(count: float) -> str:
    return f"{count:.0f}" if count == int(count) or count >= 10 else f"{count:.1f}"


def _is_square(counts: list[list[int]], size: int) -> bool:
    return len(counts) == size and all(len(row) == size for row in counts)
