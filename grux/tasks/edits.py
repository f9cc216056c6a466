"""How far a path of classes is from its text: the edit distance that label error rates count.

    row_0(j)   = j
    row_i(j)   = min(row_(i-1)(j) + 1, row_(i-1)(j-1) + [written_i != label_j], row_i(j-1) + 1)

A new row for each label that is written (Wagner and Fischer 1974). What a row takes from itself is a running minimum of
row_i(j) - j, so that all j are computed at once.
"""

import jax
import jax.numpy as jnp

from grux.shapes import Array, Int

Carry = tuple[Array, Array, Array, Array]


def path_errors(
    path: Int[Array, "B T"], labels: Int[Array, "B S"], lengths: Int[Array, "B"], gap: int = 0
) -> Int[Array, "B"]:
    """Labels replaced, left out or put in where the path collapses: equal neighbours are one, class 0 is none.

    Of each row of `labels` the first `lengths` count. What is written of the class `gap` before the first and after the
    last other label counts for nothing, as texts are compared without blanks at their ends.
    """
    places = jnp.broadcast_to(jnp.arange(labels.shape[1] + 1), (len(labels), labels.shape[1] + 1))

    def step(carry: Carry, written: Array) -> tuple[Carry, None]:
        row, solid, before, begun = carry  # `solid`: the row after the last label that is no gap
        replaced = row[:, :-1] + (labels != written[:, None])
        first = jnp.concatenate([row[:, :1] + 1, jnp.minimum(row[:, 1:] + 1, replaced)], axis=1)
        new = jax.lax.cummin(first - places, axis=1) + places
        label = (written != 0) & (written != gap)
        begun = begun | label
        kept = (written != 0) & (written != before) & begun
        row = jnp.where(kept[:, None], new, row)
        return (row, jnp.where(label[:, None], row, solid), written, begun), None

    nothing = jnp.zeros_like(path[:, 0])
    (_, solid, _, _), _ = jax.lax.scan(step, (places, places, nothing, nothing.astype(bool)), path.T)
    return jnp.take_along_axis(solid, lengths[:, None], axis=1)[:, 0]
