"""Keys for the parts of a model: split where they are used, and None stays None (evaluation)."""

import jax

from grux.shapes import Key


def split(key: Key | None, parts: int) -> tuple[Key | None, ...]:
    """`parts` independent keys, or as many Nones."""
    return (None,) * parts if key is None else tuple(jax.random.split(key, parts))
