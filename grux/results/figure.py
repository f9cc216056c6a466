"""A figure: panels side by side, one legend, one caption; as files for a paper or as a picture inside a page.

matplotlib is imported when something is drawn, and its state of the process (pyplot) is never touched.
"""

import io
import math
import textwrap
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from grux.errors import UsageError
from grux.results.grid import printable
from grux.results.palette import MARKERS, Style, styles_of
from grux.results.record import write_output
from grux.results.select import natural

PANELS_IN_A_ROW = 3
NARROW = 3.9  # inches: one panel on a page, readable on a telephone
LONGEST_LABEL, LONGEST_TITLE = 24, 40  # characters: what leaves room for the axes, and for the panel beside it
LEGEND_COLUMNS = 6
EDGE = 0.03  # of an axis, beyond what a score can be: a mark there is seen whole
CAPTION_LINE = 0.13  # inches
INK, FAINT = "#101214", "#d8d9da"
"""Text and axes, grid lines: no colour of the palette, so that a page can put its own in their place."""


@dataclass(frozen=True)
class Panel:
    """One system of axes. `draw(axes, styles)` puts the data on it; `names` are what it shows, for the legend."""

    title: str
    x: str
    y: str
    names: tuple[str, ...]
    draw: Callable[[Any, dict[str, Style]], None]
    height: float = 3.0
    """Inches."""


@dataclass(frozen=True)
class Figure:
    """`left_out`: a sentence for each run that has nothing to show here. `legend`: how a name looks in it.

    `across`: panels side by side; 1 puts them below each other.
    """

    stem: str
    title: str
    panels: tuple[Panel, ...]
    caption: str
    left_out: tuple[str, ...] = ()
    legend: Literal["line", "point"] | None = "line"
    across: int = PANELS_IN_A_ROW


def save(figure: Figure, folder: Path) -> list[Path]:
    """Writes `<stem>.png` and `<stem>.svg` and gives their paths; the same runs give the same files."""
    drawn = {f"{figure.stem}.{kind}": render(figure, kind) for kind in ("png", "svg")}
    for name, content in drawn.items():
        write_output(folder / name, content)
    return [folder / name for name in drawn]


def render(
    figure: Figure, kind: Literal["png", "svg"], *, on_page: bool = False, styles: dict[str, Style] | None = None
) -> bytes:
    """The picture. `styles`: of all names, where several figures share them.

    `on_page`: without background, legend and caption, and with letters as letters, for `grux.results.svg`.
    """
    figure_class, rc_context = matplotlib()
    # Fixed salt and no date: the same runs give the same file. Marks of each figure have names of their own.
    settings: dict[str, Any] = {"svg.hashsalt": f"grux {figure.stem}", "font.size": 9}
    settings |= {f"{part}.color": INK for part in ("text", "xtick", "ytick")}
    settings |= {f"axes.{part}": INK for part in ("edgecolor", "labelcolor", "titlecolor")}
    settings |= {"svg.fonttype": "none", "savefig.transparent": True} if on_page else {}
    with rc_context(settings), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a name in letters that the font lacks shows as boxes
        drawn = _draw(figure, figure_class, styles, bare=on_page)
        picture = io.BytesIO()
        options: dict[str, Any] = {"dpi": 200} if kind == "png" else {"metadata": {"Date": None}}
        drawn.savefig(picture, format=kind, **options)
    return picture.getvalue()


def matplotlib() -> tuple[Any, Any]:
    """(Figure, rc_context). Raises UsageError where matplotlib is missing."""
    try:
        from matplotlib import rc_context
        from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: F401 (what Figure.savefig draws PNG with)
        from matplotlib.figure import Figure as FigureClass
    except ImportError as error:
        raise UsageError('plots need matplotlib, which is not installed: pip install "grux[plot]".') from error
    return FigureClass, rc_context


def limit(axes: Any, bounds: tuple[float, float] | None, axis: Literal["x", "y"] = "y") -> None:
    """Ends the axis of a score at what a score can be, where it reaches further."""
    if bounds is not None:
        low, high = getattr(axes, f"get_{axis}lim")()
        edge = EDGE * (min(high, bounds[1]) - max(low, bounds[0]))
        getattr(axes, f"set_{axis}lim")(max(low, bounds[0] - edge), min(high, bounds[1] + edge))


def label(text: str, longest: int = LONGEST_LABEL) -> str:
    """Text that fits, and that matplotlib neither takes for mathematics nor hides from the legend."""
    text = printable(text, 4 * LONGEST_TITLE)
    if len(text) > longest:  # the middle goes: names of one kind often begin alike, or end alike
        tail = (longest - 1) // 2
        text = f"{text[: longest - 1 - tail]}…{text[-tail:]}"
    text = text.replace("$", r"\$")
    return " " + text if text.startswith("_") else text


def labels(names: Sequence[str]) -> list[str]:
    """The label of each name; longer ones where different names would look alike."""
    different = len({label(name, 4 * LONGEST_TITLE) for name in names})
    longest = LONGEST_LABEL
    while len({label(name, longest) for name in names}) < different:
        longest += 4
    return [label(name, longest) for name in names]


def _draw(figure: Figure, figure_class: Any, styles: dict[str, Style] | None, *, bare: bool) -> Any:
    panels = figure.panels
    columns = min(len(panels), figure.across)
    rows = math.ceil(len(panels) / columns)
    heights = [max(panel.height for panel in panels[row * columns : (row + 1) * columns]) for row in range(rows)]
    width = NARROW if bare else max(3.6 * columns, 5.2)
    drawn = figure_class(figsize=(width, sum(heights)), layout="constrained")
    grid = drawn.add_gridspec(rows, columns, height_ratios=heights)
    names = sorted({name for panel in panels for name in panel.names}, key=natural)
    styles = styles or styles_of(names)
    for number, panel in enumerate(panels):
        axes = drawn.add_subplot(grid[number // columns, number % columns])
        axes.set_title(label(panel.title, LONGEST_TITLE), fontsize=10)
        axes.set_xlabel(label(panel.x, LONGEST_TITLE))
        axes.set_ylabel(label(panel.y, LONGEST_TITLE))
        axes.grid(True, color=FAINT, linewidth=0.6)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        panel.draw(axes, styles)
    if bare:
        return drawn
    # Legend and caption have room of their own: the panels keep their height, however much there is to say.
    caption = textwrap.fill(figure.caption.replace("$", r"\$"), width=int(width * 17))
    drawn.supxlabel(caption, fontsize=7.5)
    room = 0.1 + CAPTION_LINE * (1 + caption.count("\n"))
    if figure.legend:
        room += 0.1 + _legend(drawn, figure.legend, names, styles)
    drawn.set_size_inches(width, sum(heights) + room)
    return drawn


def _legend(drawn: Any, kind: str, names: Sequence[str], styles: dict[str, Style]) -> float:
    """Puts the legend above the panels, in as many columns as there is width for, and gives its height in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    renderer = FigureCanvasAgg(drawn).get_renderer()
    handles, texts = [_handle(styles[name], kind) for name in names], labels(names)
    for columns in range(min(len(names), LEGEND_COLUMNS), 0, -1):
        legend = drawn.legend(handles, texts, loc="outside upper center", ncols=columns, frameon=False)
        size = legend.get_window_extent(renderer)
        if columns == 1 or size.width <= drawn.bbox.width:
            return size.height / drawn.dpi
        legend.remove()
    return 0.0


def _handle(style: Style, legend: str) -> Any:
    from matplotlib.lines import Line2D

    colour, dash = style[0], cast(Any, style[1])
    if legend == "line":
        return Line2D([], [], color=colour, linestyle=dash, linewidth=1.6)
    return Line2D([], [], color=colour, linestyle="none", marker=MARKERS[dash], markersize=5)
