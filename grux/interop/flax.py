"""Parameters of flax's cells: GRUCell, LSTMCell, OptimizedLSTMCell and SimpleCell, of flax.nnx and of flax.linen.

Both keep dense layers, each a kernel [D, H] and perhaps a bias [H]: linen and nnx.LSTMCell one per gate and side, the
other cells of nnx one per side with the gates side by side. The gates are in the order of grux. A bias stands on one
side only, so none has to be added to another.

nnx.GRUCell has no bias b_hn, though its documentation writes one (github.com/google/flax/issues/5594); linen.GRUCell
has it. From nnx it comes in as zero; a cell whose b_hn is not zero is not given out to nnx.

The activations are tanh and sigmoid and SimpleCell is without `residual` (the defaults): parameters do not tell them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from grux.cells.base import Cell
from grux.cells.elman import ElmanCell
from grux.cells.gru import GRUCell
from grux.cells.lstm import LSTMCell
from grux.errors import UsageError
from grux.interop.arrays import fitting
from grux.interop.cells import Part, Weights, gates, joined, one_cell, weights_of, with_weights
from grux.layers.base import Layer

Tree = dict[str, dict[str, np.ndarray]]


@dataclass(frozen=True)
class Layout:
    """The dense layers of a cell: those of the input side, of the hidden side, those with b_ih, and the one with b_hn.

    Where there are fewer dense layers than gates, the gates share them side by side.
    """

    name: str
    inputs: tuple[str, ...]
    hidden: tuple[str, ...]
    biased: tuple[str, ...]
    b_hn: str | None = None


NNX: dict[type[Cell], Layout] = {
    ElmanCell: Layout("nnx.SimpleCell", ("dense_i",), ("dense_h",), ("dense_i",)),
    GRUCell: Layout("nnx.GRUCell", ("dense_i",), ("dense_h",), ("dense_i",)),
    LSTMCell: Layout("nnx.OptimizedLSTMCell", ("dense_i",), ("dense_h",), ("dense_h",)),
}
_HIDDEN = ("hi", "hf", "hg", "ho")
NNX_LSTM = Layout("nnx.LSTMCell", ("ii", "if_", "ig", "io"), _HIDDEN, _HIDDEN)
LINEN: dict[type[Cell], Layout] = {
    ElmanCell: Layout("linen.SimpleCell", ("i",), ("h",), ("i",)),
    GRUCell: Layout("linen.GRUCell", ("ir", "iz", "in"), ("hr", "hz", "hn"), ("ir", "iz", "in"), b_hn="hn"),
    # OptimizedLSTMCell of linen keeps the same parameters.
    LSTMCell: Layout("linen.LSTMCell", ("ii", "if", "ig", "io"), _HIDDEN, _HIDDEN),
}


def to_nnx(layer: Cell | Layer, *, optimized: bool = True) -> Tree:
    """The parameters of the nnx cell that computes what the one cell of `layer` does; take them by `nnx.update`.

    An LSTM becomes an OptimizedLSTMCell, with optimized=False an LSTMCell. Raises UsageError for a b_hn that is not
    zero, for more than one cell, and for what nnx cannot hold.
    """
    cell = one_cell(layer, NNX, "flax.nnx")
    return _tree(cell, NNX_LSTM if isinstance(cell, LSTMCell) and not optimized else NNX[type(cell)])


def from_nnx(parameters: Mapping[str, Any], *, like: Part) -> Part:
    """A new layer like `like`, which has one cell, with the parameters of an nnx cell: `nnx.state(cell, nnx.Param)`.

    Names may be nested or joined by dots ("dense_i.kernel"). b_hn of a GRU is set to zero. Raises UsageError for what
    nnx cannot hold, DataError for names and shapes that are not those of `like`.
    """
    cell = one_cell(like, NNX, "flax.nnx")
    arrays = dict(_flat(parameters))
    plain = isinstance(cell, LSTMCell) and not any(name.startswith("dense_") for name in arrays)
    return _filled(arrays, like, cell, NNX_LSTM if plain else NNX[type(cell)])


def to_linen(layer: Cell | Layer) -> Tree:
    """The parameters of the linen cell that computes what the one cell of `layer` does: `{"params": to_linen(layer)}`.

    LSTMCell and OptimizedLSTMCell take the same. Raises UsageError for more than one cell and for what linen cannot
    hold.
    """
    cell = one_cell(layer, LINEN, "flax.linen")
    return _tree(cell, LINEN[type(cell)])


def from_linen(parameters: Mapping[str, Any], *, like: Part) -> Part:
    """A new layer like `like`, which has one cell, with the parameters of a linen cell: `variables["params"]`.

    Names may be nested or joined by dots ("ir.kernel"). Raises UsageError for what linen cannot hold, DataError for
    names and shapes that are not those of `like`.
    """
    cell = one_cell(like, LINEN, "flax.linen")
    return _filled(dict(_flat(parameters)), like, cell, LINEN[type(cell)])


def _tree(cell: Cell, layout: Layout) -> Tree:
    weights = weights_of(cell)
    if weights.b_hn is not None and layout.b_hn is None and weights.b_hn.any():
        raise UsageError(
            f"{layout.name} has no place for b_hn, the bias inside the reset gate, and here it is not zero (up to "
            f"{np.abs(weights.b_hn).max():.3g}); export to linen, PyTorch or Keras, or set b_hn to zero first."
        )
    found: Tree = {name: {} for name in (*layout.inputs, *layout.hidden)}
    kernels = ((layout.inputs, "kernel", weights.w_ih), (layout.hidden, "kernel", weights.w_hh))
    for names, kind, w in (*kernels, (layout.biased, "bias", weights.b_ih)):
        for name, array in zip(names, np.split(joined(w), len(names), axis=-1), strict=True):
            found[name][kind] = np.ascontiguousarray(array)
    if layout.b_hn is not None and weights.b_hn is not None:
        found[layout.b_hn]["bias"] = weights.b_hn
    return found


def _filled(arrays: Mapping[str, Any], like: Part, cell: Cell, layout: Layout) -> Part:
    width = cell.gates * cell.features
    needed: dict[str, tuple[int, ...]] = {}
    for names, kind, rows in (
        (layout.inputs, "kernel", (cell.in_features,)),
        (layout.hidden, "kernel", (cell.features,)),
        (layout.biased, "bias", ()),
    ):
        needed |= {f"{name}.{kind}": (*rows, width // len(names)) for name in names}
    if layout.b_hn is not None:
        needed[f"{layout.b_hn}.bias"] = (cell.features,)
    given = fitting(arrays, needed, layout.name)

    def stacked(names: tuple[str, ...], kind: str) -> np.ndarray:
        return gates(np.concatenate([given[f"{name}.{kind}"] for name in names], axis=-1), cell.gates)

    b_hn = np.zeros((cell.features,), np.float32) if isinstance(cell, GRUCell) else None
    weights = Weights(
        w_ih=stacked(layout.inputs, "kernel"),
        w_hh=stacked(layout.hidden, "kernel"),
        b_ih=stacked(layout.biased, "bias"),
        b_hn=b_hn if layout.b_hn is None else given[f"{layout.b_hn}.bias"],
    )
    return with_weights(like, [weights], layout.name)


def _flat(tree: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value
