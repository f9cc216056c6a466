"""What a cell is: one step of a recurrence. `grux.engine` owns the time axis.

A carry is a tuple of arrays [B, H]; its first array is what the cell shows to the outside. A projection is a tuple
with one array [..., H] per gate. Gates travel as tuples, never as slices of one wide array: it reads better, and XLA
does not vectorise the slices on CPU (two to three times slower there, measured).

Numbers: matrix products run in the type of the input (bfloat16 in, bfloat16 products), sums and the carry in float32.
"""

import abc
import inspect
import math
import traceback
from collections.abc import Sequence
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from grux.arguments import PositiveInt
from grux.cells.initializers import Initializer, kernels
from grux.errors import UsageError
from grux.shapes import Array, Float, Key

Gates = tuple[Array, ...]
Carry = tuple[Array, ...]


class Noise(NamedTuple):
    """What training draws for one run of a cell. Most cells draw nothing, and evaluation never does."""

    steps: Gates = ()
    """Arrays [T, B, H] that follow the gates in the projection, so that the rest stays elementwise."""
    keep: Array | None = None
    """[B, H]: a factor of h before its product with w_hh, the same at every step."""


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
    recurrent_gates: int | None = None
    """R, the number of matrices over the past; as many as gates where None. With 0 there is no `w_hh`."""
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
        recurrent = self.gates if self.recurrent_gates is None else self.recurrent_gates
        if recurrent:
            self.w_hh = nnx.Param(kernels(recurrent_init, rngs, recurrent, features, features))

    def input_weights(self) -> tuple[Float[Array, "G D H"], Float[Array, "G H"]]:
        """The matrix and the bias of each gate's input side."""
        return self.w_ih[...], self.b_ih[...]

    def project(self, x: Float[Array, "... D"]) -> Gates:
        """The input side of every gate, for any leading axes; in the type of x."""
        w, b = self.input_weights()
        return tuple(self._affine(x, w[g], b[g]).astype(x.dtype) for g in range(self.gates))

    @staticmethod
    def _affine(x: Array, w: Array, b: Array) -> Array:
        y = matmul(x, w)
        return y + jnp.expand_dims(b, tuple(range(y.ndim - 1)))

    def initial_carry(self, batch_size: int) -> Carry:
        """Zeros; float32, or float64 where the weights are."""
        dtype = jnp.promote_types(self.w_ih[...].dtype, jnp.float32)
        return tuple(jnp.zeros((batch_size, self.features), dtype) for _ in range(self.carries))

    def noise(self, key: Key, steps: int, batch_size: int) -> Noise:
        """What one run over [T, B] draws in training."""
        return Noise()

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
    def step(self, carry: Carry, p: Gates, keep: Array | None = None) -> tuple[Carry, Float[Array, "B H"]]:
        """From the carry and the projected input of one step to the next carry and the output.

        `keep` is given only to cells whose `noise` draws one; the others leave it out.
        """
        raise NotImplementedError


class GatedCell(Cell):
    """A cell whose only matrix product over the past is `h @ w_hh`; the rest is elementwise.

    `combine` is that rest. It must be elementwise and free of parameters but for the `vectors` that it is handed: the
    engine differentiates it once for all steps and needs no derivative written by hand.
    """

    drops_candidate: bool = False
    """`combine` passes its candidate through `dropped`, with what follows the gates in p: recurrent dropout."""

    @staticmethod
    @abc.abstractmethod
    def combine(carry: Carry, p: Gates, r: Gates) -> Carry:
        """Next carry from the carry, the projected input p and the recurrent side r = h @ w_hh + b_hh, per gate.

        A cell with vectors takes them as a fourth argument v, one array as wide as the carry for each.
        """
        raise NotImplementedError

    def recurrent_weights(self) -> Float[Array, "R H H"] | tuple[()]:
        """w_hh; empty for a cell that has no matrix over the past."""
        return () if self.recurrent_gates == 0 else self.w_hh[...]

    def recurrent_bias(self) -> tuple[Array | None, ...]:
        """The bias [H] of each gate's recurrent side, None where it would only repeat the bias of the input side."""
        return (None,) * len(self.recurrent_weights())

    def vectors(self) -> tuple[Float[Array, "H"], ...]:
        """Parameters of one number per unit that `combine` reads: peepholes, a diagonal recurrence."""
        return ()

    def step(self, carry: Carry, p: Gates, keep: Array | None = None) -> tuple[Carry, Float[Array, "B H"]]:
        past = carry[0] if keep is None else carry[0] * keep
        r = recurrent_side(past, self.recurrent_weights(), self.recurrent_bias(), p[0].dtype)
        carry = self.combine(carry, p, r, *spread(self.vectors(), carry))
        return carry, carry[0]


class LinearCell(Cell):
    """A cell with h' = a * h + b, where a and b read the input only: all steps can be taken at once.

    Real or complex. There is no product with the past, so there is no w_hh.
    """

    recurrent_gates = 0
    space: Literal["plain", "log"] = "plain"
    """log: `coefficients` gives log a and log b of positive a and b, and a parallel scan adds and multiplies there."""

    def __init__(
        self, *, in_features: PositiveInt, features: PositiveInt, input_init: Initializer = "glorot", rngs: nnx.Rngs
    ):
        super().__init__(in_features=in_features, features=features, input_init=input_init, rngs=rngs)

    @abc.abstractmethod
    def coefficients(self, p: Gates) -> tuple[Array, Array]:
        """a and b (in log space their logarithms), both [..., H], from a projection in float32 or wider."""
        raise NotImplementedError

    def read(self, h: Array, p: Gates) -> Float[Array, "... H"]:
        """The output of a step from its new state and its projection in the type of the input; h where not defined."""
        return h

    def state(self, carry: Carry) -> Array:
        """h from the arrays of the carry, which are real."""
        return carry[0]

    def carry_of(self, h: Array) -> Carry:
        """The inverse of `state`."""
        return (h,)

    def plain_coefficients(self, p: Gates) -> tuple[Array, Array]:
        """a and b themselves, from a projection in any type."""
        a, b = self.coefficients(wide(p))
        return (jnp.exp(a), jnp.exp(b)) if self.space == "log" else (a, b)

    def step(self, carry: Carry, p: Gates) -> tuple[Carry, Float[Array, "B H"]]:
        a, b = self.plain_coefficients(p)
        h = a * self.state(carry) + b
        return self.carry_of(h), self.read(h, p)


def require_a_step(cell: Cell) -> None:
    """Raises UsageError where what the author of a cell wrote does not fit together: traced once, nothing computed."""
    name, needed = type(cell).__name__, (2, cell.features)
    x = jax.ShapeDtypeStruct((2, cell.in_features), jnp.float32)
    try:
        carry, y = jax.eval_shape(lambda x: cell.step(cell.initial_carry(2), cell.project(x)), x)
        shapes = [tuple(array.shape) for array in carry] if isinstance(carry, tuple) else None
    except UsageError:
        raise
    except Exception as error:
        file = inspect.getsourcefile(type(cell))
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
        where = f" in {file}, line {lines[-1]}" if lines else ""
        reason = " ".join(str(error).split()) or "no reason given"
        raise UsageError(
            f"{name} cannot take a step: {type(error).__name__}{where}: {reason[:300]}; p holds gates={cell.gates} "
            f"arrays, and carries={cell.carries} in a tuple come out."
        ) from error
    if shapes != [needed] * cell.carries or tuple(y.shape) != needed:
        raise UsageError(
            f"{name} gives {shapes or type(carry).__name__} as the carry of two rows, and carries={cell.carries} wants "
            f"a tuple of {cell.carries} x {needed}; correct combine or step."
        )


def wide(p: Gates) -> Gates:
    """Gates in float32 or wider."""
    return tuple(x.astype(jnp.promote_types(x.dtype, jnp.float32)) for x in p)


def dropped(candidate: Array, factors: Sequence[Array]) -> Array:
    """The candidate times its factor of dropout, where there is one."""
    return candidate * factors[0] if factors else candidate


def spread(vectors: tuple[Array, ...], carry: Carry) -> tuple[Gates, ...]:
    """What `combine` takes beyond (carry, p, r): the vectors in shape and type of the carry, or nothing at all."""
    return (tuple(jnp.broadcast_to(v.astype(carry[0].dtype), carry[0].shape) for v in vectors),) if vectors else ()


def recurrent_side(h: Array, w_hh: Float[Array, "R H H"] | tuple[()], bias: tuple[Array | None, ...], dtype) -> Gates:
    """h @ w_hh + b_hh for each gate, for any leading axes of h; products in `dtype`."""
    h = h.astype(dtype)
    sides = (matmul(h, w) for w in w_hh)
    return tuple(
        r if b is None else r + jnp.expand_dims(b, tuple(range(r.ndim - 1))) for r, b in zip(sides, bias, strict=True)
    )
