"""A table as HTML: a fragment for a report, and a page of its own. Every text is escaped and no script is written.

Classes and attributes that a stylesheet or a sorting script may rely on:

    div.grux-table            around all of it
    th[data-sort-by]          "number" or "text": how the cells below it sort
    td[data-sort]             what a cell sorts by, with every digit; empty where there is no number
    td.best  td.quiet         best, or not told from it; a number that was not measured here (reported)
    td.state                  a word instead of a number (failed, running, ...)
    span.spread  span.unit    the interval behind a mean; the unit below the name of a column
    tbody.baselines           rows that were not trained
    p.footnote                one for each letter
"""

import html

from grux.results.contents import Table
from grux.results.grid import Grid, Item, printable
from grux.results.sections import footnotes, sections

STYLE = """\
:root { color-scheme: light dark; font: 16px/1.45 system-ui, sans-serif; }
body { margin: 1.5rem auto; max-width: 110rem; padding: 0 1rem; }
.grux-table { overflow-x: auto; container-type: inline-size; }
.grux-table table { border-collapse: collapse; border-block: 2px solid; font-variant-numeric: tabular-nums; }
.grux-table caption { caption-side: bottom; text-align: start; font-size: .875rem; padding-block: .5rem;
  max-width: min(60rem, 100cqi); position: sticky; inset-inline-start: 0; }
.grux-table thead, .grux-table tbody + tbody { border-block: 1px solid; }
.grux-table :is(th, td) { padding: .2rem .7rem; text-align: end; white-space: nowrap; font-weight: normal; }
.grux-table .label { text-align: start; }
.grux-table .best { font-weight: bold; }
.grux-table :is(.spread, .unit, .state) { opacity: .8; font-weight: normal; }
.grux-table :is(.baselines .label, .quiet) { font-style: italic; }
.grux-table .footnote { font-size: .875rem; margin: .25rem 0; }
"""

PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
{body}
</body>
</html>"""


def html_table(table: Table) -> str:
    """The table as one `<div>`: a `<table>` with its caption for each section, and the footnotes."""
    lines = ['<div class="grux-table">']
    for number, section in enumerate(sections(table, "Bold")):
        lines += _drawn(section.grid, section.caption, baselines=number == 0 and not table.transposed)
        if number == 0:
            lines += [
                f'<p class="footnote"><sup>{_text(a)}</sup> {_text(text, 500)}</p>' for a, text in footnotes(table)
            ]
    return "\n".join([*lines, "</div>"])


def html_page(table: Table) -> str:
    """A whole page that holds the table: it loads nothing and runs nothing."""
    names = ", ".join(line.name for line in table.lines)
    title = _text(f"{table.rows_key} on {names}", 200)
    return PAGE.format(title=title, style=STYLE, body=html_table(table))


def _drawn(grid: Grid, caption: str, *, baselines: bool) -> list[str]:
    lines = ["<table>", f"<caption>{_text(caption, 4000)}</caption>"]
    lines += ["<thead>", "<tr>", *(_head(grid, column) for column in range(len(grid.header))), "</tr>", "</thead>"]
    starts = sorted({0, *grid.rules})
    for start, end in zip(starts, [*starts[1:], len(grid.rows)], strict=True):
        lines.append('<tbody class="baselines">' if baselines and start > 0 else "<tbody>")
        lines += [f"<tr>{_row(grid, row)}</tr>" for row in grid.rows[start:end]]
        lines.append("</tbody>")
    return [*lines, "</table>"]


def _head(grid: Grid, column: int) -> str:
    name, *units = grid.header[column]
    kind = "text" if column < grid.labels else "number"
    label = ' class="label"' if column < grid.labels else ""
    below = "".join(f'<br><span class="unit">{_text(unit)}</span>' for unit in units if unit)
    return f'<th scope="col"{label} data-sort-by="{kind}">{_text(name)}{below}</th>'


def _row(grid: Grid, row: tuple[Item, ...]) -> str:
    labels = [f'<th scope="row" class="label" data-sort="{_text(item.text)}">{_item(item)}</th>' for item in row]
    return "".join(labels[: grid.labels]) + "".join(_cell(item) for item in row[grid.labels :])


def _cell(item: Item) -> str:
    word = item.value is None and bool(item.text)
    marks = (("best", item.best), ("quiet", item.quiet), ("state", word))
    names = " ".join(name for name, true in marks if true)
    named = f' class="{names}"' if names else ""
    return f'<td{named} data-sort="{"" if item.value is None else repr(item.value)}">{_item(item)}</td>'


def _item(item: Item) -> str:
    spread = f'<span class="spread">{_text(item.tail)}</span>' if item.tail else ""
    return _text(item.text) + spread + "".join(f" <sup>{_text(letter)}</sup>" for letter in item.notes)


def _text(text: str, longest: int = 200) -> str:
    return html.escape(printable(text, longest), quote=True)
