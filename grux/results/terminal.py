"""A page of text for whoever reads it: styled and as wide as the terminal, or plain and of fixed width in a pipe."""

import io
import textwrap
from collections.abc import Sequence
from typing import Any

PIPE_WIDTH = 120  # where nobody says how wide the paper is
WRAP = 100


class Page:
    """Collects tables and paragraphs; `text` gives all of it. `styled`: bold and colour are understood."""

    def __init__(self):
        from rich.console import Console  # a tenth of a second that a CSV does not need

        console = Console()
        self.styled = console.is_terminal and not console.is_dumb_terminal
        self.width = console.width if console.is_terminal else PIPE_WIDTH
        self._file = io.StringIO()
        self._console = Console(
            file=self._file,
            width=self.width,
            force_terminal=self.styled,
            color_system="standard" if self.styled else None,
            no_color=console.no_color,  # NO_COLOR takes the colour and leaves the bold
            highlight=False,
        )

    def fits(self, table: Any) -> bool:
        """Whether the rich table can be drawn without cutting anything."""
        from rich.measure import Measurement

        wide = self._console.options.update(max_width=10_000)
        return Measurement.get(self._console, wide, table).maximum <= self.width

    def add(self, table: Any) -> None:
        """Draws a rich table."""
        self._console.print(table)

    def write(self, text: str, indent: str = "") -> None:
        """A paragraph, wrapped; names and paths stay whole."""
        width = min(self.width, WRAP)
        self._file.write(
            textwrap.fill(text, width, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False) + "\n"
        )

    def line(self, text: str) -> None:
        """A line that is to be copied as it is, however long."""
        self._file.write(text + "\n")

    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self._file.getvalue().splitlines())


def ruled_table(heads: Sequence[Any], *, labels: int, styled: bool, whole: int = 0) -> Any:
    """An empty rich table ruled like a printed one: `labels` columns set left, numbers right.

    Where it is too wide, labels go on in a second line before a number is cut, but for the first `whole` of them.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(
        box=box.HORIZONTALS,
        pad_edge=False,
        padding=(0, 1),
        collapse_padding=True,
        header_style="bold" if styled else "",
    )
    for column, head in enumerate(heads):
        if isinstance(head, str):
            head = Text(head)  # rich would read [/foo] as its own markup
        if column < labels:
            table.add_column(head, justify="left", overflow="fold", no_wrap=column < whole)
        else:
            table.add_column(head, justify="right", no_wrap=True, overflow="ellipsis")
    return table
