"""Zoneout: at random, units keep their state instead of taking the new one (Krueger et al. 2017, arXiv 1606.01305).

    c' = d * c + (1 - d) * cell(c, x)      for each array c of the carry, d ~ Bernoulli(rate) per unit and step
    c' = rate * c + (1 - rate) * cell(c, x)                              in evaluation: the expectation

Every array is mixed with what the cell itself computed, so an LSTM's new h sees its new memory without zoneout, as in
the paper. The wrapped cell stays of its kind and keeps its fast strategies: d rides beside the gates, and mixing is
elementwise; for h' = a h + b it gives a new a and b.

Parameters: inner
"""

import functools
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from flax import nnx

from grux.arguments import PositiveInt, Probability
from grux.cells.base import Carry, Cell, GatedCell, Gates, LinearCell, Noise, wide
from grux.cells.wrappers import Combine, GatedWrapper
from grux.errors import UsageError
from grux.shapes import Array, Float, Key

Rates = tuple[float, ...]
"""One for each array that is mixed."""


def zoneout(
    *,
    cell: Callable[..., Cell],
    rate: Probability,
    memory_rate: Probability = 0.0,
    in_features: PositiveInt,
    features: PositiveInt,
    rngs: nnx.Rngs,
) -> Cell:
    """The cell with zoneout: `rate` of h, the first array of its carry, and `memory_rate` of the memory beside it."""
    inner = cell(in_features=in_features, features=features, rngs=rngs)
    states = 1 if isinstance(inner, LinearCell) else inner.carries
    if states != 2 and memory_rate > 0:
        # With several, such as the c, n and m of an sLSTM, one has no meaning without the others.
        raise UsageError(
            f"memory_rate={memory_rate} needs a cell with one memory beside h, and {type(inner).__name__} has "
            f"{states - 1}; use rate alone."
        )
    rates = (rate, *(memory_rate,) * (states - 1))
    if isinstance(inner, LinearCell):
        return LinearZoneout(inner, rate)
    return GatedZoneout(inner, rates) if isinstance(inner, GatedCell) else SteppedZoneout(inner, rates)


class GatedZoneout(GatedWrapper):
    """Zoneout of a cell that is elementwise but for h @ w_hh."""

    def __init__(self, cell: GatedCell, rates: Rates):
        super().__init__(cell)
        self.inputs = _inputs(cell)
        self.rates = rates

    @property
    def combine(self) -> Combine:
        return _zoned(self.cell.combine, self.inputs, self.rates)

    def noise(self, key: Key, steps: int, batch_size: int) -> Noise:
        return _noise(self.cell, key, (steps, batch_size, self.features), self.rates)


class SteppedZoneout(Cell):
    """Zoneout of any cell that shows the first array of its carry."""

    def __init__(self, cell: Cell, rates: Rates):
        self.cell = cell
        self.inputs = _inputs(cell)
        self.rates = rates
        self.in_features, self.features, self.gates, self.carries = _sizes(cell)

    def project(self, x: Float[Array, "... D"]) -> Gates:
        return self.cell.project(x)

    def initial_carry(self, batch_size: int) -> Carry:
        return self.cell.initial_carry(batch_size)

    def noise(self, key: Key, steps: int, batch_size: int) -> Noise:
        return _noise(self.cell, key, (steps, batch_size, self.features), self.rates)

    def step(self, carry: Carry, p: Gates, keep: Array | None = None) -> tuple[Carry, Float[Array, "B H"]]:
        p, updates = _taken_off(p, self.inputs, self.rates)
        new, _ = self.cell.step(carry, p) if keep is None else self.cell.step(carry, p, keep)
        carry = _mixed(carry, new, updates)
        return carry, carry[0]


class LinearZoneout(LinearCell):
    """Zoneout of a linear cell, which is linear again: (d + (1 - d) a) h + (1 - d) b."""

    def __init__(self, cell: LinearCell, rate: float):
        self.cell = cell
        self.inputs = _inputs(cell)
        self.rates = (rate,)
        self.in_features, self.features, self.gates, self.carries = _sizes(cell)

    def project(self, x: Float[Array, "... D"]) -> Gates:
        return self.cell.project(x)

    def initial_carry(self, batch_size: int) -> Carry:
        return self.cell.initial_carry(batch_size)

    def noise(self, key: Key, steps: int, batch_size: int) -> Noise:
        return _noise(self.cell, key, (steps, batch_size, self.features), self.rates)

    def coefficients(self, p: Gates) -> tuple[Array, Array]:
        p, (update,) = _taken_off(p, self.inputs, self.rates)
        a, b = self.cell.plain_coefficients(p)
        return 1 + update * (a - 1), update * b

    def read(self, h: Array, p: Gates) -> Float[Array, "... H"]:
        return self.cell.read(h, _taken_off(p, self.inputs, self.rates)[0])

    def state(self, carry: Carry) -> Array:
        return self.cell.state(carry)

    def carry_of(self, h: Array) -> Carry:
        return self.cell.carry_of(h)


def _sizes(cell: Cell) -> tuple[int, int, int, int]:
    return cell.in_features, cell.features, cell.gates, cell.carries


def _inputs(cell: Cell) -> int:
    """How many arrays the cell's projection has; not all cells have one for each gate."""
    return len(jax.eval_shape(cell.project, jax.ShapeDtypeStruct((1, cell.in_features), jnp.float32)))


def _noise(cell: Cell, key: Key, shape: tuple[int, int, int], rates: Rates) -> Noise:
    """1 where a unit takes its new state, 0 where it keeps the old one; nothing for arrays of rate zero."""
    inner = cell.noise(jax.random.fold_in(key, 0), *shape[:2])
    own = [
        jax.random.bernoulli(jax.random.fold_in(key, 1 + k), 1 - rate, shape).astype(jnp.float32)
        for k, rate in enumerate(rates)
        if rate > 0
    ]
    return inner._replace(steps=(*inner.steps, *own))


def _taken_off(p: Gates, inputs: int, rates: Rates) -> tuple[Gates, list[Array | float]]:
    """The projection of the cell inside, and how much of each array is updated: drawn, or expected without noise."""
    own = sum(rate > 0 for rate in rates)
    if len(p) == inputs:
        return p, [1 - rate for rate in rates]
    drawn = iter(wide(p[len(p) - own :]))
    return p[: len(p) - own], [next(drawn) if rate > 0 else 1.0 for rate in rates]


def _mixed(old: Carry, new: Carry, updates: Sequence[Array | float]) -> Carry:
    return tuple(c + update * (n - c) for c, n, update in zip(old, new, updates, strict=True))


@functools.cache
def _zoned(combine: Combine, inputs: int, rates: Rates) -> Combine:
    def zoned(carry: Carry, p: Gates, r: Gates, *vectors: Gates) -> Carry:
        p, updates = _taken_off(p, inputs, rates)
        return _mixed(carry, combine(carry, p, r, *vectors), updates)

    return zoned
