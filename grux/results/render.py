"""A table as text for a terminal or pipe and as GitHub Markdown; LaTeX, CSV and HTML have files of their own."""

import re
from typing import Any

from grux.errors import UsageError
from grux.results.contents import Table
from grux.results.grid import Grid, Item, printable
from grux.results.html import html_page
from grux.results.latex import latex_table
from grux.results.sections import footnotes, sections
from grux.results.table_csv import csv_table

FORMATS = ("text", "markdown", "latex", "csv", "html")


def render(table: Table, format: str = "text") -> str:
    """The table in one of `FORMATS`, no newline at its end. Names are escaped; no format can be broken by one."""
    drawers = {"text": _text, "markdown": _markdown, "latex": latex_table, "csv": csv_table, "html": html_page}
    if format not in drawers:
        raise UsageError(f"--format {format} is not known; choose one of {', '.join(FORMATS)}.")
    return drawers[format](table)


# Text


def _text(table: Table) -> str:
    from grux.results.terminal import Page

    page = Page()
    for number, section in enumerate(sections(table, "Bold" if page.styled else "*")):
        if number > 0:
            page.write("")
        for columns in _blocks(section.grid, page):
            page.add(_drawn(section.grid, columns, page.styled))
        page.write(printable(section.caption, longest=4000))
        for letter, text in footnotes(table) if number == 0 else ():
            page.write(f"({letter}) {text}", indent="    ")
    return page.text()


def _blocks(grid: Grid, page: Any) -> list[list[int]]:
    """Columns side by side as far as the width goes; the rest below, with the row names repeated: no number is cut."""
    labels = list(range(grid.labels))
    blocks = [list(labels)]
    for column in range(grid.labels, len(grid.header)):
        if len(blocks[-1]) > len(labels) and not page.fits(_drawn(grid, [*blocks[-1], column], page.styled)):
            blocks.append(list(labels))
        blocks[-1].append(column)
    return blocks


def _drawn(grid: Grid, columns: list[int], styled: bool) -> Any:
    from rich.text import Text

    from grux.results.terminal import ruled_table

    heads = [Text("\n".join(grid.header[column]).rstrip("\n")) for column in columns]
    drawn = ruled_table(heads, labels=grid.labels, styled=styled)
    for number, row in enumerate(grid.rows):
        if number in grid.rules:
            drawn.add_section()
        drawn.add_row(*(_rich_item(row[column], styled, Text) for column in columns))
    return drawn


def _rich_item(item: Item, styled: bool, text_class):
    text = text_class("" if styled or not item.best else "*")
    text.append(item.text, style="bold green" if item.best and styled else "italic" if item.quiet and styled else "")
    return text.append(item.tail).append("".join(f" ({letter})" for letter in item.notes))


# Markdown


def _markdown(table: Table) -> str:
    parts = []
    for number, section in enumerate(sections(table, "Bold")):
        grid = section.grid
        lines = [
            [("<br>".join(_escape_markdown(part) for part in head if part)) for head in grid.header],
            [":---" if column < grid.labels else "---:" for column in range(len(grid.header))],
            *([_markdown_item(item) for item in row] for row in grid.rows),
        ]
        parts.append("\n".join(f"| {' | '.join(line)} |" for line in lines))
        parts.append(_escape_markdown(printable(section.caption, longest=4000)))
        if number == 0:
            parts += [f"<sup>{letter}</sup> {_escape_markdown(text)}" for letter, text in footnotes(table)]
    return "\n\n".join(parts)


def _markdown_item(item: Item) -> str:
    text = _escape_markdown(item.text)
    text = f"**{text}**" if item.best else f"*{text}*" if item.quiet and text else text
    return text + _escape_markdown(item.tail) + "".join(f" <sup>{letter}</sup>" for letter in item.notes)


def _escape_markdown(text: str) -> str:
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]|~#$!])", r"\\\1", text).replace("://", ":&#47;/").replace("@", "&#64;")
