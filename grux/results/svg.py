"""A drawing of matplotlib as part of a page: what may stand in it, names of its own, colours that follow the page.

Nothing of the drawing is trusted: elements and attributes that are not listed here do not pass, so that neither a
script nor a rule of style nor an address can, whoever wrote the names on the axes.
"""

import re
from xml.etree import ElementTree

from grux.results.figure import FAINT, INK

NAMESPACE = "http://www.w3.org/2000/svg"
LINK = "{http://www.w3.org/1999/xlink}href"
ELEMENTS = frozenset({"svg", "g", "path", "text", "tspan", "defs", "clipPath", "use", "rect", "line", "circle"})
ATTRIBUTES = frozenset(
    {
        "id",
        "d",
        "x",
        "y",
        "x1",
        "x2",
        "y1",
        "y2",
        "r",
        "cx",
        "cy",
        "width",
        "height",
        "viewBox",
        "transform",
        "clip-path",
    }
)
# The font is left to the page: letters are letters there.
STYLES = re.compile(r"(?:(?:fill|stroke)(?:-[a-z]+)?|opacity|font-size|font-weight|text-anchor): [\w#., -]+")
# The page's own colours, in light and in dark; lines that are black on white are white on black.
PAGE_COLOURS = {INK: "currentColor", FAINT: "var(--faint)", "#000000": "currentColor"}


def inline(drawing: bytes, name: str, description: str) -> str:
    """The `<svg>` element for a page. `name` begins every id in it: one for each drawing of a page."""
    root = ElementTree.fromstring(drawing)
    made = _kept(root, name)
    made.attrib = {
        **{key: value for key, value in made.attrib.items() if key == "viewBox"},
        # matplotlib says these in a style sheet, which on a page would hold for all of it.
        **{"fill": "currentColor", "stroke-linejoin": "round", "stroke-linecap": "butt"},
        **{"role": "img", "aria-label": description, "class": "figure"},
    }
    return ElementTree.tostring(made, encoding="unicode")


def _kept(element: ElementTree.Element, name: str) -> ElementTree.Element:
    made = ElementTree.Element(_local(element.tag))
    for key, value in element.attrib.items():
        if key in (LINK, "href") and re.fullmatch(r"#[\w-]+", value):
            made.set("href", f"#{name}-{value[1:]}")
        elif key == "id" and re.fullmatch(r"[\w.-]+", value):
            made.set("id", f"{name}-{value}")
        elif key == "clip-path" and re.fullmatch(r"url\(#[\w-]+\)", value):
            made.set(key, value.replace("#", f"#{name}-"))
        elif key == "style":
            made.set(key, _style(value))
        elif key in ATTRIBUTES - {"id", "clip-path"}:
            made.set(key, value)
    made.text, made.tail = element.text if made.tag in ("text", "tspan") else None, None
    for child in element:
        if isinstance(child.tag, str) and _local(child.tag) in ELEMENTS:
            kept = _kept(child, name)
            kept.tail = child.tail if made.tag in ("text", "tspan") else None
            made.append(kept)
    return made


def _style(text: str) -> str:
    parts = [part.strip() for part in text.split(";")]
    kept = "; ".join(part for part in parts if STYLES.fullmatch(part))
    for colour, own in PAGE_COLOURS.items():
        kept = re.sub(re.escape(colour), own, kept, flags=re.IGNORECASE)
    return kept


def _local(tag: str) -> str:
    return tag.rsplit("}", 1)[-1]
