"""A forecast that is made one step at a time, each from the one before: what goes in next is what came out.

    o_s, carry = step([p(o_(s-1)), c_s], carry)         p(o_0) is the last row of the window, c_s covariates of step s

p takes the median where o are quantiles. In training as in evaluation the forecaster is fed with its own forecasts and
the gradient goes through all of them (free running, not teacher forcing): it is trained for what it is scored by, at
the cost of a longer way back for the gradient.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from grux.engine import sequential
from grux.shapes import Array, Float, Key

Step = Callable[[Any, Array, Key | None], tuple[Any, Array]]
"""(carry, x [N, K + C], key) -> (carry, outputs [N, O])"""


def rollout(
    step: Step,
    point: Callable[[Array], Array],
    carry: Any,
    last: Float[Array, "N K"],
    future: Float[Array, "N S C"] | None,
    *,
    steps: int,
    key: Key | None,
) -> Float[Array, "N S O"]:
    """The outputs of `steps` steps, the first of which reads `last`; `point` gives the p above."""

    def one(held, inputs):
        carry, value = held
        _, known, key = inputs
        x = value if known is None else jnp.concatenate([value, known], axis=-1)
        carry, outputs = step(carry, x, key)
        return (carry, point(outputs)), outputs

    keys = None if key is None else jax.random.split(key, steps)
    known = None if future is None else jnp.swapaxes(future, 0, 1)
    outputs, _ = sequential.scan(one, (carry, last), (jnp.arange(steps), known, keys))
    return jnp.swapaxes(outputs, 0, 1)
