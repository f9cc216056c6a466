"""What the commands that use a finished run draw: one figure into the file that was named."""

from pathlib import Path
from typing import Literal, cast

from grux.errors import UsageError
from grux.results.figure import Figure, render
from grux.results.record import write_output

KINDS = ("png", "svg")


def kind_of(path: str, option: str = "--picture") -> Literal["png", "svg"]:
    """ "png" or "svg", by the ending; asked before anything is computed. Raises UsageError for another one."""
    kind = Path(path).suffix.removeprefix(".").lower()
    if kind not in KINDS:
        raise UsageError(f"{option} {path} ends in neither .png nor .svg; give the file one of these endings.")
    return cast(Literal["png", "svg"], kind)


def write_picture(figure: Figure, path: str) -> None:
    """Draw the figure into the file. Raises UsageError for a kind of file that is not drawn, or without matplotlib."""
    write_output(path, render(figure, kind_of(path)))
