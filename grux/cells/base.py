"""What a cell is: one step of a recurrence. `grux.engine` owns the time axis.

A carry is a tuple of arrays [B, H]; its first array is what the cell shows to the outside. A projection is a tuple
with one array [..., H] per gate. Gates travel as tuples, never as slices of one wide array: it reads better, and XLA
does not vectorise the slices on CPU (two to three times slower there, measured).

Numbers: matrix products run in the type of the input (bfloat16 in, bfloat16 products), sums and the carry in float32.
"""

import abc
import math

import jax.numpy as jnp
from flax import nnx

from grux.arguments import PositiveInt
from grux.cells.initializers import Initializer, kernels
from grux.shapes import Array, Float

Gates = tuple[Array, ...]
Carry = tuple[Array, ...]


def matmul(x: Array, w: Array) -> Array:
    """x @ w in the type of x, accumulated and returned in float32 (float64 stays float64)."""
    return jnp.matmul(x, w.astype(x.dtype), preferred_element_type=jnp.promote_types(x.dtype, jnp.float32))


class Cell(nnx.Module):
    """One step of a recurrence over `in_features` inputs and `features` hidden units.

    A subclass names its gates and its carry arrays and writes `step`. The input side is the same for all: one matrix
    and one bias per gate.

    Names are read by `grux.counting`: parameters called b_... are biases of gates, and b_h... the second one of a gate,
    beside h; what has another name (weights, peepholes, scales) counts under every rule.
    """

    gates: int
    """G, the number of input projections."""
    carries: int = 1
    """Arrays in the carry."""

    def __init__(
        self,
        *,
        in_features: PositiveInt,
        features: PositiveInt,
        input_init: Initializer = "glorot",
        recurrent_init: Initializer = "orthogonal",
        rngs: nnx.Rngs,
    ):
        self.in_features = in_features
        self.features = features
        self.w_ih = nnx.Param(kernels(input_init, rngs, self.gates, in_features, features))
        self.b_ih = nnx.Param(jnp.zeros((self.gates, features), jnp.float32))
        self.w_hh = nnx.Param(kernels(recurrent_init, rngs, self.gates, features, features))

    def project(self, x: Float[Array, "... D"]) -> Gates:
        """The input side of every gate, for any leading axes; in the type of x."""
        w, b = self.w_ih[...], self.b_ih[...]
        return tuple(self._affine(x, w[g], b[g]).astype(x.dtype) for g in range(self.gates))

    @staticmethod
    def _affine(x: Array, w: Array, b: Array) -> Array:
        y = matmul(x, w)
        return y + jnp.expand_dims(b, tuple(range(y.ndim - 1)))

    def initial_carry(self, batch_size: int) -> Carry:
        """Zeros; float32, or float64 where the weights are."""
        dtype = jnp.promote_types(self.w_hh[...].dtype, jnp.float32)
        return tuple(jnp.zeros((batch_size, self.features), dtype) for _ in range(self.carries))

    def step_flops(self) -> tuple[int, int]:
        """Operations of one step of one row, two per multiply-add: 2 G D H on the input, and 2 G H H on the past.

        Counted are products with stacks of matrices [..., rows, columns], `w_ih` on the input and all others on the
        past; elementwise work is left out. A cell whose matrices are used otherwise overrides this.
        """
        found = nnx.to_flat_state(nnx.state(self, nnx.Param))
        sizes = [(path[-1], math.prod(x.shape)) for path, x in found if len(x.shape) >= 3]
        inputs = sum(size for name, size in sizes if name == "w_ih")
        return 2 * inputs, 2 * (sum(size for _, size in sizes) - inputs)

    @abc.abstractmethod
    def step(self, carry: Carry, p: Gates) -> tuple[Carry, Float[Array, "B H"]]:
        """From the carry and the projected input of one step to the next carry and the output."""
        raise NotImplementedError


class GatedCell(Cell):
    """A cell whose only matrix product over the past is `h @ w_hh`; the rest is elementwise.

    `combine` is that rest. It must be elementwise and free of parameters: the engine differentiates it once for all
    steps and needs no derivative written by hand.
    """

    @staticmethod
    @abc.abstractmethod
    def combine(carry: Carry, p: Gates, r: Gates) -> Carry:
        """Next carry from the carry, the projected input p and the recurrent side r = h @ w_hh + b_hh, per gate."""
        raise NotImplementedError

    def recurrent_bias(self) -> tuple[Array | None, ...]:
        """The bias [H] of each gate's recurrent side, None where it would only repeat the bias of the input side."""
        return (None,) * self.gates

    def step(self, carry: Carry, p: Gates) -> tuple[Carry, Float[Array, "B H"]]:
        r = recurrent_side(carry[0], self.w_hh[...], self.recurrent_bias(), p[0].dtype)
        carry = self.combine(carry, p, r)
        return carry, carry[0]


def recurrent_side(h: Array, w_hh: Float[Array, "G H H"], bias: tuple[Array | None, ...], dtype) -> Gates:
    """h @ w_hh + b_hh for each gate, for any leading axes of h; products in `dtype`."""
    h = h.astype(dtype)
    sides = (matmul(h, w) for w in w_hh)
    return tuple(
        r if b is None else r + jnp.expand_dims(b, tuple(range(r.ndim - 1))) for r, b in zip(sides, bias, strict=True)
    )
