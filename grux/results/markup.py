"""HTML from texts that nobody has checked: every text and every attribute is escaped, whatever it holds."""

import html

from grux.results.grid import printable

VOID = frozenset({"meta"})
LONGEST = 4000


class Markup(str):
    """HTML that is ready; any other string is text."""


def element(tag: str, *children: str, **attributes: str | None) -> Markup:
    """`<tag attributes>children</tag>`. `class_` stands for class, `data_sort` for data-sort; None for no attribute."""
    said = "".join(_attribute(key, value) for key, value in attributes.items())
    inner = "" if tag in VOID else f"{joined(*children)}</{tag}>"
    return Markup(f"<{tag}{said}>{inner}")


def joined(*parts: str) -> Markup:
    """All parts in a row, texts escaped."""
    return Markup("".join(map(text, parts)))


def text(content: str) -> Markup:
    """The content as it is shown: escaped, without control characters; what is `Markup` already stays."""
    return content if isinstance(content, Markup) else Markup(html.escape(printable(content, LONGEST), quote=True))


def _attribute(key: str, value: str | None) -> str:
    name = key.rstrip("_").replace("_", "-")
    return "" if value is None else f' {name}="{text(value)}"'
