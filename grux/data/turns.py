"""Dialogues as pairs: the last turns before a turn, joined, are the source, and the turn is the target.

A turn is a text of one line. SEPARATOR stands between two of them; it is a character that no text has and that is one
token of words and of characters, and never part of another one.
"""

from collections.abc import Sequence

from grux.data.texts import Pair

SEPARATOR = "\u241e"  # the symbol for record separator


def joined(turns: Sequence[str], context: int) -> str:
    """The last `context` turns as a source."""
    return f" {SEPARATOR} ".join(turns[-context:])


def pairs_of(turns: Sequence[str], context: int, answers: Sequence[bool] | None = None) -> list[Pair]:
    """A pair for each turn but the first, or for those of them that `answers` marks."""
    return [
        (joined(turns[:number], context), turn)
        for number, turn in enumerate(turns)
        if number > 0 and (answers is None or answers[number])
    ]
