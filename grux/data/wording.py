"""Counts in sentences."""


def several(count: int, one: str, more: str) -> str:
    """ "1 row repeats" or "3 rows repeat"."""
    return f"{count} {one if count == 1 else more}"
