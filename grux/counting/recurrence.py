"""What the recurrence of a model carries and computes, in closed form: its state, and the products of a step.

    state             the numbers that one sequence hands from one step to the next: h of a GRU, h and c of an LSTM
    a step forward    2 G D H on the input and 2 G H H on the past, for each row
    and backward      dw = x^T dy and dx = dy w^T for each product y = x w: three times the forward pass in all,
                      less 2 G D H where the input needs no gradient (float features of the data)

A layer that reads a window of the past hands the window on, and a step is counted with the window full.

A run over T steps is T times a step, padded ones included (of attention it is less: early steps see no full window, and
a sequence is one product over all pairs of its steps). Elementwise work is left out, and so is what a strategy
computes a second time to save memory: the count belongs to the model, not to the way it is run.
"""

from dataclasses import dataclass

import jax
from flax import nnx

from grux.cells.base import Cell
from grux.counting.parameters import count_parameters, numbers, recurrent_layers
from grux.layers.recurrent import Recurrent
from grux.layers.windowed import Windowed

Part = Cell | Windowed


@dataclass(frozen=True)
class LayerCount:
    """One recurrent or windowed layer, or one direction of it."""

    name: str
    """Where it stands in the model."""
    cell: str
    """Its cell, or the layer itself where it has none."""
    in_features: int
    features: int
    parameters: int
    """Trained numbers."""
    state: int
    step_flops: int
    """Of one row, forward."""
    training_step_flops: int
    """Of one row, forward and backward, the gradient of the input included."""


def count_layers(model: nnx.Module) -> list[LayerCount]:
    """Every recurrent layer of `model`; shapes are enough."""
    return [_count_layer(".".join(map(str, path)), layer) for path, layer in recurrent_layers(model)]


def _count_layer(name: str, layer: Recurrent | Part) -> LayerCount:
    cell = layer.cell if isinstance(layer, Recurrent) else layer
    return LayerCount(
        name=name,
        cell=type(cell).__name__,
        in_features=cell.in_features,
        features=cell.features if isinstance(cell, Cell) else cell.out_features,
        parameters=count_parameters(layer),
        state=state_size(cell),
        step_flops=run_flops(cell, 1),
        training_step_flops=run_flops(cell, 1, backward=True),
    )


def state_size(cell: Part) -> int:
    """Numbers that one sequence carries from step to step."""
    graph, params = nnx.split(cell)
    carry = jax.eval_shape(lambda params: nnx.merge(graph, params).initial_carry(1), params)
    return sum(map(numbers, jax.tree.leaves(carry)))


def run_flops(cell: Part, steps: int, *, backward: bool = False, input_gradient: bool = True) -> int:
    """Operations of `steps` steps of one row, forward or forward and backward, two per multiply-add."""
    inputs, past = cell.step_flops()
    if not backward:
        return steps * (inputs + past)
    return steps * (3 * (inputs + past) - (0 if input_gradient else inputs))
