"""Parameters by the counting rules of the papers, so that a size in a table can be met by a model of grux.

Papers count the same layer differently: with the readout or without, with one bias vector for each gate or with the
two of cuDNN and PyTorch (one on the input side, one on the recurrent side, which add up to one for most gates). A rule
counts the biases that its paper would have, whatever the cell trains: grux keeps one, and a second one only where it
cannot be folded into the first.

Layers that read a window of the past (attention, convolution) stand where recurrent ones do, and count among them with
all that they train: no paper counts their biases in two ways.

The numbers that each rule was checked against stand in `tests/counting/test_count_parameters.py`.
"""

import math
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
from flax import nnx

from grux.cells.base import Cell
from grux.layers.recurrent import Recurrent
from grux.layers.windowed import Windowed

Path = tuple[Hashable, ...]


@dataclass(frozen=True)
class Rule:
    """What counts. Weights, peepholes and scales always do, arrays that are tied once."""

    biases: int | None
    """Bias vectors of each gate that has any; None: as they are trained."""
    whole: bool
    """All of the model, or its recurrent layers alone."""
    meaning: str


RULES = {
    "all": Rule(None, True, "every trained number once, biases and embeddings included; tied arrays once"),
    "chung": Rule(
        1, False, "recurrent layers alone, one bias vector per gate, peepholes (Chung et al. 2014, arXiv 1412.3555)"
    ),
    "tai": Rule(2, False, "recurrent layers alone, two bias vectors per gate (Tai et al. 2015, arXiv 1503.00075)"),
    "bai": Rule(
        2, True, "the whole model with its readout, two bias vectors per gate (Bai et al. 2018, arXiv 1803.01271)"
    ),
    "melis": Rule(
        1, True, "the whole model, tied embeddings once, one bias vector per gate (Melis et al. 2018, arXiv 1707.05589)"
    ),
}
"""By the name of the paper's first author; `all` is what tables show."""


def count_parameters(model: nnx.Module, rule: str = "all") -> int:
    """Numbers of `model` by one of RULES. Shapes are enough: the model may come from `nnx.eval_shape`.

    A model without recurrent layers counts 0 where those alone count.
    """
    return _count(model, RULES[rule].biases, RULES[rule].whole)


def count_recurrent(model: nnx.Module) -> int:
    """Trained numbers of the recurrent layers of `model`."""
    return _count(model, None, False)


def _count(model: nnx.Module, biases: int | None, whole: bool) -> int:
    layers = [path for path, _ in recurrent_layers(model)]
    total = 0
    for path, parameter in nnx.to_flat_state(nnx.state(model, nnx.Param)):
        inside, name = any(path[: len(layer)] == layer for layer in layers), str(path[-1])
        size = numbers(parameter)
        if inside and biases is not None and name.startswith("b_"):
            size *= 0 if name.startswith("b_h") else biases
        total += size if inside or whole else 0
    return total


def numbers(array: Any) -> int:
    """Real numbers in an array or in what stands for its shape: a complex one is two."""
    return math.prod(array.shape) * (2 if jnp.issubdtype(array.dtype, jnp.complexfloating) else 1)


def recurrent_layers(model: nnx.Module) -> list[tuple[Path, Recurrent | Windowed | Cell]]:
    """Every layer with a carry of its own and its path, shared ones once; cells that stand alone too.

    None that is inside another one, as a cell in its layer or the attention in a Transformer.
    """
    found = [(path, m) for path, m in nnx.iter_modules(model) if isinstance(m, Recurrent | Windowed | Cell)]
    paths = {path for path, _ in found}
    return [(path, module) for path, module in found if not any(path[:k] in paths for k in range(len(path)))]
