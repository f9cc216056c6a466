"""The card of a data set: what `grux data list` says of it without loading anything."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Card:
    name: str
    task: str
    """The task it places by default."""
    summary: str
    """One sentence: what it is and where it is from."""
    sizes: dict[str, int]
    """Examples of each split at the default settings; none where the file is the user's own."""
    licence: str
