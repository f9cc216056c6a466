"""The cells inside a layer, their weights taken out, and a new layer with other weights."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TypeVar

import jax.numpy as jnp
import numpy as np
from flax import nnx

from grux.cells.base import Cell
from grux.cells.gru import GRUCell
from grux.errors import UsageError
from grux.layers.base import Layer
from grux.layers.recurrent import Bidirectional, Recurrent
from grux.layers.stack import Stack

Part = TypeVar("Part", bound=Cell | Layer)
PARAMETERS = ("w_ih", "w_hh", "b_ih", "b_hn")
CANDIDATE = 2  # of the gates r, z, n of a GRU


@dataclass(frozen=True)
class Weights:
    """One cell in numpy, gates in the order of grux: w_ih [G, D, H], w_hh [G, H, H], b_ih [G, H]; b_hn [H] of a GRU."""

    w_ih: np.ndarray
    w_hh: np.ndarray
    b_ih: np.ndarray
    b_hn: np.ndarray | None = None

    def two_biases(self) -> tuple[np.ndarray, np.ndarray]:
        """The biases [G, H] of the input side and of the recurrent side, which is zero but for b_hn."""
        hidden = np.zeros_like(self.b_ih)
        if self.b_hn is not None:
            hidden[CANDIDATE] = self.b_hn
        return self.b_ih, hidden


def one_bias(cell: Cell, inputs: np.ndarray, hidden: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """b_ih and b_hn that do what the biases [G, H] of two sides do: the sides are added, except inside a reset gate."""
    if not isinstance(cell, GRUCell):
        return inputs + hidden, None
    inside = hidden[CANDIDATE]
    outside = hidden.copy()
    outside[CANDIDATE] = 0
    return inputs + outside, inside


def levels(part: Cell | Layer, kinds: Collection[type[Cell]], target: str) -> list[list[Cell]]:
    """The cells from the lowest level up; at each level the forward one, then the backward one if there is one.

    Raises UsageError for anything that a plain recurrent layer of `target` does not compute or hold, and for cells
    that are of several kinds, or of none of `kinds`.
    """
    found = _levels(part, target)
    used = {type(cell): None for level in found for cell in level}
    for kind in used:
        if kind not in kinds:
            names = ", ".join(k.__name__ for k in kinds)
            raise UsageError(f"{target} has no counterpart of {kind.__name__}, only of {names}.")
    if len(used) > 1 or len({len(level) for level in found}) > 1:
        raise UsageError(
            f"{target} has one kind of cell in all levels and directions, and this layer mixes "
            f"{' and '.join(kind.__name__ for kind in used)} in {_count(found)}; export its parts one by one."
        )
    for path, _ in nnx.to_flat_state(nnx.state(part)):
        if path[-1] not in PARAMETERS:
            name = ".".join(map(str, path))
            raise UsageError(f"{target} has no place for the parameter {name}; export a layer without it.")
    return found


def one_cell(part: Cell | Layer, kinds: Collection[type[Cell]], target: str) -> Cell:
    """The only cell of a cell or layer; UsageError where there are more."""
    found = levels(part, kinds, target)
    if len(found) > 1 or len(found[0]) > 1:
        raise UsageError(f"{target} is one cell, and this layer has {_count(found)}; take its cells one by one.")
    return found[0][0]


def _count(found: list[list[Cell]]) -> str:
    directions = " and ".join(str(n) for n in sorted({len(level) for level in found}))
    return f"{len(found)} levels of {directions} directions"


def _levels(part: Cell | Layer, target: str) -> list[list[Cell]]:
    match part:
        case Cell():
            return [[part]]
        case Stack():
            if part.residual and any(layer.in_features == layer.out_features for layer in part.layers):
                raise UsageError(
                    f"{target} has no residual connections, and this stack has; export its layers one by one."
                )
            return [level for layer in part.layers for level in _levels(layer, target)]
        case Recurrent(reverse=False):
            return [[part.cell]]
        case Recurrent():
            raise UsageError(
                f"{target} reads backward only beside a forward direction, and this layer has reverse=True alone; "
                "export its cell and reverse the sequence there."
            )
        case Bidirectional(forward=Recurrent(reverse=False) as forward, backward=Recurrent(reverse=True) as backward):
            return [[forward.cell, backward.cell]]
    raise UsageError(
        f"Weights go in and out of Recurrent, Bidirectional and Stack layers and their cells, and this is "
        f"{type(part).__name__}; give the recurrent part of it."
    )


def weights_of(cell: Cell) -> Weights:
    """The weights of one cell; UsageError where an axis is too many."""
    shape = (cell.gates, cell.in_features, cell.features)
    if cell.w_ih.shape != shape:
        raise UsageError(
            f"w_ih of {type(cell).__name__} has the shape {cell.w_ih.shape} where {shape} is needed; "
            "of weights for several seeds take one seed first."
        )
    b_hn = np.array(cell.b_hn[...]) if isinstance(cell, GRUCell) else None
    return Weights(np.array(cell.w_ih[...]), np.array(cell.w_hh[...]), np.array(cell.b_ih[...]), b_hn)


def with_weights(part: Part, weights: Sequence[Weights], target: str) -> Part:
    """A copy of the layer with these weights, in the order of `levels` and in the type of its own parameters."""
    new = nnx.clone(part)
    cells = [cell for level in _levels(new, target) for cell in level]
    for cell, given in zip(cells, weights, strict=True):
        for name in PARAMETERS:
            value = getattr(given, name)
            if value is not None:
                variable = getattr(cell, name)
                variable.set_value(jnp.asarray(value, dtype=variable.dtype))
    return new


def without_bias(weights: Weights, target: str) -> None:
    """Raises UsageError unless all biases are zero."""
    for name in ("b_ih", "b_hn"):
        bias = getattr(weights, name)
        if bias is not None and bias.any():
            raise UsageError(f"{target} without biases cannot hold {name}, which is not zero here; ask for bias=True.")


def joined(w: np.ndarray) -> np.ndarray:
    """Gates [G, D, H] side by side, [D, G*H]; of biases [G, H] one row, [G*H]."""
    return np.concatenate(w, axis=-1)


def gates(w: np.ndarray, count: int) -> np.ndarray:
    """The inverse of `joined`."""
    return np.stack(np.split(w, count, axis=-1))
