"""What the cells share that change another cell: they take its constructor and build it inside.

In a yaml any cell is wrapped by putting its node below `cell` of the wrapper, and wrappers below each other:

    cell:
      _target_: grux.cells.layer_norm.LayerNormed
      _partial_: true
      cell:
        _target_: grux.cells.zoneout.zoneout
        _partial_: true
        rate: 0.1
        memory_rate: 0.0
        cell: {_target_: grux.cells.gru.GRUCell, _partial_: true}

A wrapper that draws noise appends its arrays to what the cell inside draws, and takes them off again before it calls
that cell; without a key there is no noise, and nothing is appended. Layer norm goes around the two kinds of dropout,
for they need a cell that is elementwise but for its product with the past, and it makes another of that.
"""

from collections.abc import Callable

from grux.cells.base import Carry, Cell, GatedCell, Gates, Noise
from grux.errors import UsageError
from grux.shapes import Array, Float, Key

Combine = Callable[..., Carry]


class GatedWrapper(GatedCell):
    """A gated cell with another one inside: whatever a subclass does not change is that cell's."""

    def __init__(self, cell: GatedCell):
        self.cell = cell
        self.in_features = cell.in_features
        self.features = cell.features
        self.gates = cell.gates
        self.recurrent_gates = cell.recurrent_gates
        self.carries = cell.carries
        self.drops_candidate = cell.drops_candidate

    @property
    def combine(self) -> Combine:
        """The same function for equal wrappers: compiled programs are found again by it."""
        return self.cell.combine

    def input_weights(self) -> tuple[Float[Array, "G D H"], Float[Array, "G H"]]:
        return self.cell.input_weights()

    def project(self, x: Float[Array, "... D"]) -> Gates:
        return self.cell.project(x)

    def initial_carry(self, batch_size: int) -> Carry:
        return self.cell.initial_carry(batch_size)

    def recurrent_weights(self) -> Float[Array, "R H H"] | tuple[()]:
        return self.cell.recurrent_weights()

    def vectors(self) -> tuple[Float[Array, "H"], ...]:
        return self.cell.vectors()

    def recurrent_bias(self) -> tuple[Array | None, ...]:
        return self.cell.recurrent_bias()

    def noise(self, key: Key, steps: int, batch_size: int) -> Noise:
        return self.cell.noise(key, steps, batch_size)


def gated_inside(cell: Cell, wrapper: str) -> GatedCell:
    """The cell; refused by name where `wrapper` needs one that is elementwise but for its product with the past."""
    if not isinstance(cell, GatedCell):
        raise UsageError(
            f"{wrapper} changes the product of a cell with the past, and {type(cell).__name__} has none that stands "
            "alone; wrap a GatedCell such as GRUCell, and put layer norm around it last."
        )
    return cell
