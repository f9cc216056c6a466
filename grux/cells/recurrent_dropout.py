"""Recurrent dropout without memory loss: dropout of what a cell writes (Semeniuta et al. 2016, arXiv 1603.05118).

    h' = (1 - z) * d(n) + z * h      GRU
    c' = f * c + i * d(g)            LSTM,   d: dropout with a mask of its own at every step

What is kept is never dropped, so the memory of a cell is as long as without. Values that stay are scaled by
1 / (1 - rate) in training, and evaluation changes nothing; the paper scales in evaluation instead.

Parameters: inner
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import nnx

from grux.arguments import PositiveInt
from grux.cells.base import Carry, Cell, Gates, Noise
from grux.cells.wrappers import Combine, GatedWrapper, gated_inside
from grux.errors import UsageError
from grux.rates import AnyRate, Rate, value
from grux.shapes import Key


class RecurrentDropout(GatedWrapper):
    """A cell with dropout of its candidate; only for cells that say which of their values that is."""

    def __init__(
        self,
        *,
        cell: Callable[..., Cell],
        rate: AnyRate,
        in_features: PositiveInt,
        features: PositiveInt,
        rngs: nnx.Rngs,
    ):
        inner = gated_inside(cell(in_features=in_features, features=features, rngs=rngs), "recurrent dropout")
        if not inner.drops_candidate:
            raise UsageError(
                f"recurrent dropout needs a cell that drops its candidate, and {type(inner).__name__} does not; "
                "use GRUCell or LSTMCell, or variational dropout."
            )
        super().__init__(inner)
        self.drops_candidate = False  # twice would be one dropout of another rate
        self.rate = rate

    @property
    def combine(self) -> Combine:
        # A rate that is an input of the program cannot be part of a function; what is drawn has been scaled then.
        return _dropping(self.cell.combine, self.gates, 0.0 if isinstance(self.rate, Rate) else self.rate)

    def noise(self, key: Key, steps: int, batch_size: int) -> Noise:
        inner = self.cell.noise(jax.random.fold_in(key, 0), steps, batch_size)
        shape = (steps, batch_size, self.features)
        share = 1 - value(self.rate)
        kept = jax.random.bernoulli(jax.random.fold_in(key, 1), share, shape).astype(jnp.float32)
        if isinstance(self.rate, Rate):
            kept = kept / share
        return inner._replace(steps=(*inner.steps, kept))


@functools.cache
def _dropping(combine: Combine, gates: int, rate: float) -> Combine:
    def dropping(carry: Carry, p: Gates, r: Gates, *vectors: Gates) -> Carry:
        if len(p) == gates:
            return combine(carry, p, r, *vectors)
        *rest, kept = p
        # The innermost cell reads its factor right behind its gates; other wrappers read theirs from the end.
        return combine(carry, (*rest[:gates], kept / (1 - rate), *rest[gates:]), r, *vectors)

    return dropping
