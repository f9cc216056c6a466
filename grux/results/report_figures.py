"""The figures of a report: each panel a drawing of its own, so that a telephone shows them one below the other."""

import dataclasses
from collections.abc import Sequence

from grux.errors import UsageError
from grux.results.figure import Figure, matplotlib, render
from grux.results.markup import Markup, element
from grux.results.palette import DOTS, LONG, MARKERS, Style, styles_of
from grux.results.plots import make_figure, options_of
from grux.results.record import Run
from grux.results.svg import PAGE_COLOURS, inline
from grux.results.view import View

# Every kind with its options, in the order of the page.
SHOWN = (
    ("final", None),
    ("curves", None),
    ("pareto", "parameters"),
    ("pareto", "flops"),
    ("pareto", "seconds"),
    ("lag", None),
    ("length", None),
    ("confusion", None),
    ("calibration", None),
    ("profile", None),
)
DASHES = {"-": None, "--": "7 4", "-.": "8 3 2 3", ":": "2 3", LONG: "14 3", DOTS: "8 3 2 3 2 3"}
POINTS = {  # of a marker in the middle of a box of 44 by 16
    "s": "17,3 27,3 27,13 17,13",
    "^": "22,2 28,13 16,13",
    "v": "22,14 28,3 16,3",
    "D": "22,1 28,8 22,15 16,8",
    "P": "20,2 24,2 24,6 28,6 28,10 24,10 24,14 20,14 20,10 16,10 16,6 20,6",
}


def figures(runs: Sequence[Run], view: View) -> tuple[list[Markup], list[str]]:
    """(a legend and every figure that these runs allow, why others are not there)."""
    try:
        matplotlib()
    except UsageError as error:
        return [], [str(error)]
    made: list[Figure] = []
    notes: list[str] = []
    for kind, against in SHOWN:
        if kind == "profile" and view.aggregate is None:
            continue
        options = options_of(kind, view) | {"against": against}
        try:
            figure = make_figure(kind, runs, rows=view.rows, columns=view.columns, **options)
        except UsageError as error:
            notes.append(f"No figure of {kind}{f' against {against}' if against else ''}: {error}")
            continue
        made.append(figure)
        notes += [f"{figure.title} without {sentence}" for sentence in figure.left_out]
    styles = styles_of(name for figure in made for panel in figure.panels for name in panel.names)
    return [*([_legend(styles)] if made else []), *(_drawn(figure, styles) for figure in made)], notes


def _drawn(figure: Figure, styles: dict[str, Style]) -> Markup:
    drawings = []
    for number, panel in enumerate(figure.panels):
        single = dataclasses.replace(figure, stem=f"{figure.stem}-{number}", panels=(panel,))
        picture = render(single, "svg", on_page=True, styles=styles)
        drawings.append(Markup(inline(picture, single.stem, f"{figure.title}: {panel.title}, {panel.y} by {panel.x}")))
    return element(
        "figure",
        element("h3", figure.title),
        element("div", *drawings, class_="panels"),
        element("figcaption", figure.caption),
    )


def _legend(styles: dict[str, Style]) -> Markup:
    items = []
    for name, (colour, dash) in styles.items():
        ink = PAGE_COLOURS.get(colour, colour)
        line = element(
            "line", x1="1", x2="43", y1="8", y2="8", stroke=ink, stroke_width="3", stroke_dasharray=DASHES[dash]
        )
        swatch = element("svg", line, _mark(MARKERS[dash], ink), viewBox="0 0 44 16", aria_hidden="true")
        items.append(element("li", swatch, name))
    return element("ul", *items, class_="legend")


def _mark(marker: str, colour: str) -> Markup:
    if marker == "o":
        return element("circle", cx="22", cy="8", r="5", fill=colour)
    return element("polygon", points=POINTS[marker], fill=colour)
