"""A table as text for a terminal or pipe, as GitHub Markdown, LaTeX (booktabs), CSV with every digit, or HTML."""

import re
from typing import Any

from grux.errors import UsageError
from grux.results.contents import Table
from grux.results.grid import Grid, Item, printable
from grux.results.html import html_page
from grux.results.sections import Section, sections
from grux.results.table_csv import csv_table

FORMATS = ("text", "markdown", "latex", "csv", "html")


def render(table: Table, format: str = "text") -> str:
    """The table in one of `FORMATS`, no newline at its end. Names are escaped; no format can be broken by one."""
    drawers = {"text": _text, "markdown": _markdown, "latex": _latex, "csv": csv_table, "html": html_page}
    if format not in drawers:
        raise UsageError(f"--format {format} is not known; choose one of {', '.join(FORMATS)}.")
    return drawers[format](table)


def _notes(table: Table) -> list[tuple[str, str]]:
    return [(letter, printable(text, longest=500)) for letter, text in table.notes]


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
        for letter, text in _notes(table) if number == 0 else ():
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
            parts += [f"<sup>{letter}</sup> {_escape_markdown(text)}" for letter, text in _notes(table)]
    return "\n\n".join(parts)


def _markdown_item(item: Item) -> str:
    text = _escape_markdown(item.text)
    text = f"**{text}**" if item.best else f"*{text}*" if item.quiet and text else text
    return text + _escape_markdown(item.tail) + "".join(f" <sup>{letter}</sup>" for letter in item.notes)


def _escape_markdown(text: str) -> str:
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]|~#$!])", r"\\\1", text).replace("://", ":&#47;/").replace("@", "&#64;")


# LaTeX

_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "`": r"\textasciigrave{}",
    **{character: "\\" + character for character in "&%$#_"},
    "±": r"$\pm$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "×": r"$\times$",
    "∞": r"$\infty$",
    "–": "--",
    "−": r"$-$",
    "…": r"\dots{}",
}


def _latex(table: Table) -> str:
    """A floating table for each section."""
    notes = [rf"\par\footnotesize\textsuperscript{{{letter}}} {_escape_latex(text)}" for letter, text in _notes(table)]
    parts = [r"% needs \usepackage{booktabs} and, for quotes and accents, \usepackage[T1]{fontenc}"]
    for number, section in enumerate(sections(table, "Bold")):
        parts += _latex_float(section, notes if number == 0 else [])
    return "\n".join(parts)


def _latex_float(section: Section, notes: list[str]) -> list[str]:
    grid = section.grid
    depth = len(grid.header[0])
    heads = [" & ".join(_escape_latex(head[line]) for head in grid.header) + r" \\" for line in range(depth)]
    body = []
    for number, row in enumerate(grid.rows):
        if number in grid.rules:
            body.append(r"\midrule")
        body.append(" & ".join(map(_latex_item, row)) + r" \\")
    return [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{_escape_latex(printable(section.caption, longest=4000))}}}",
        rf"\begin{{tabular}}{{{'l' * grid.labels}{'r' * (len(grid.header) - grid.labels)}}}",
        r"\toprule",
        *heads,
        r"\midrule",
        *body,
        r"\bottomrule",
        r"\end{tabular}",
        *notes,
        r"\end{table}",
    ]


def _latex_item(item: Item) -> str:
    text = _escape_latex(item.text)
    text = rf"\textbf{{{text}}}" if item.best else rf"\textit{{{text}}}" if item.quiet and text else text
    letters = ",".join(item.notes)
    return text + _escape_latex(item.tail) + (rf"\textsuperscript{{{letters}}}" if letters else "")


def _escape_latex(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in text)
