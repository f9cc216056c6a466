"""`grux data profile`: the page that says what is in a file of one's own, and the line that trains on it."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from grux.config.repeat import in_words
from grux.data.catalogue import catalogue
from grux.data.own import own_path
from grux.data.profile import ANOMALY, Profile, between, command, contents, profile
from grux.errors import UsageError
from grux.results.terminal import Page, ruled_table

HEADS = ("column", "holds", "missing", "distinct", "content")
MOST_COLUMNS = 40
MOST_FILES = 3
DOUBLE = '"'


def page(files: Sequence[str]) -> str:
    """The whole text; `files` are one, or those of train, validation and test."""
    if len(files) > MOST_FILES:
        raise UsageError(f"{len(files)} files were given; name one, or those of train, validation and test.")
    if len({Path(file).expanduser().resolve() for file in files}) < len(files):
        raise UsageError("a file is named twice; each part needs one of its own.")
    profiles = [profile(own_path(file)) for file in files]
    made = Page()
    for each in profiles:
        _add(made, each)
    if len(profiles) > 1:
        _list(made, "Between the files:", between(profiles) or ["No input of one stands in another."])
    _add_command(made, profiles)
    return made.text()


def _add(made: Page, each: Profile) -> None:
    made.write(f"{each.title}.")
    made.write(f"Written as {each.written}.")
    made.write("")
    if each.sheet.columns:
        made.add(_columns(each, made.styled))
        if (more := len(each.sheet.columns) - MOST_COLUMNS) > 0:
            made.write(f"And {more} columns more.")
        made.write("")
    if each.findings.facts:
        _list(made, "", each.findings.facts)
    _list(made, "What is odd, and what answers it:", each.findings.odd or ["Nothing was found."])


def _list(made: Page, head: str, sentences: Sequence[str]) -> None:
    if head:
        made.write(head)
    for sentence in sentences:
        made.write(f"- {sentence}", indent="  ")
    made.write("")


def _columns(each: Profile, styled: bool) -> Any:
    from rich.text import Text

    table = ruled_table([Text(head) for head in HEADS], labels=len(HEADS), styled=styled)
    for place in (2, 3):
        table.columns[place].justify = "right"
    for column in each.sheet.columns[:MOST_COLUMNS]:
        cells = (
            column.name,
            column.holds,
            str(column.missing or ""),
            str(column.distinct),
            contents(each.sheet, column),
        )
        table.add_row(*map(Text, cells))
    return table


def _add_words(made: Page, head: str, settings: dict[str, Any]) -> None:
    # Double quotes for what Hydra reads leave single ones for the shell.
    words = [f"{key}={in_words(value, DOUBLE)}" for key, value in settings.items()]
    made.write(head)
    made.line("  " + " ".join(["grux train", *map(shlex.quote, words)]))


def _add_command(made: Page, profiles: Sequence[Profile]) -> None:
    settings = command(profiles)
    if settings is not None and settings["data"] in catalogue():
        _add_words(made, "Train on it:", settings)
        if watched := command(profiles, ANOMALY):
            _add_words(made, "Or find what is unusual in it:", watched)
    elif len(profiles) == 2:
        made.write("For a line that trains, give one file, or those of train, validation and test.")
    else:
        made.write("No `grux train` takes it as it is; repair first what is said above.")
