"""Weight lists of Keras' SimpleRNN, GRU and LSTM: what `get_weights()` gives and `set_weights()` takes.

    kernel [D, G*H]    recurrent_kernel [H, G*H]    bias [G*H], of GRU(reset_after=True) [2, 3*H]

A `Bidirectional` (merge_mode="concat") lists its forward layer and then its backward layer; a `Sequential` of several
lists one after the other. A GRU has its gates in the order z, r, h where grux has r, z, n; the others agree. The second
row of the GRU's bias is added to the recurrent side: coming in it is folded into the first but for the candidate's
part, which is b_hn; going out it is zero beside b_hn.

The activations are tanh and sigmoid (the defaults): the lists do not tell them.

Source: keras.layers.GRU and LSTM of Keras 3, `build` and `call`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from grux.cells.base import Cell
from grux.cells.elman import ElmanCell
from grux.cells.gru import GRUCell
from grux.cells.gru_reset_before import GRUResetBeforeCell
from grux.cells.lstm import LSTMCell
from grux.errors import DataError
from grux.interop.arrays import few, fitting
from grux.interop.cells import Part, Weights, gates, joined, levels, one_bias, weights_of, with_weights, without_bias
from grux.layers.base import Layer

LAYERS: dict[type[Cell], str] = {
    ElmanCell: "SimpleRNN",
    GRUCell: "GRU(reset_after=True)",
    GRUResetBeforeCell: "GRU(reset_after=False)",
    LSTMCell: "LSTM",
}
# The place of each gate of grux in Keras, and of each gate of Keras in grux: a swap is its own inverse.
SWAPPED = [1, 0, 2]


def to_keras(layer: Cell | Layer, *, bias: bool = True) -> list[np.ndarray]:
    """The weights of the Keras layer, or of the Sequential of them, that computes what `layer` does.

    `bias=False` is for layers made with use_bias=False. A bidirectional layer of `features` is a Bidirectional of
    layers with units = features / 2. Raises UsageError for what Keras cannot hold.
    """
    found = []
    for _, cell in _cells(layer):
        weights = weights_of(cell)
        found += [joined(_swapped(weights.w_ih)), joined(_swapped(weights.w_hh))]
        if not bias:
            without_bias(weights, LAYERS[type(cell)])
        elif weights.b_hn is None:
            found.append(joined(_swapped(weights.b_ih)))
        else:
            found.append(np.stack([joined(_swapped(b)) for b in weights.two_biases()]))
    return found


def from_keras(arrays: Sequence[Any], *, like: Part) -> Part:
    """A new layer like `like` with the weights of a Keras layer, or of a Sequential of such layers.

    Lists without biases (use_bias=False) are known by their length; the biases then are zero. Without them nothing
    tells reset_after=True from False: `like` decides. Raises UsageError for what Keras cannot hold, DataError for a
    number of arrays or shapes that are not those of `like`.
    """
    cells = _cells(like)
    names = {True: ("kernel", "recurrent_kernel", "bias"), False: ("kernel", "recurrent_kernel")}[
        len(arrays) != 2 * len(cells)
    ]
    needed: dict[str, tuple[int, ...]] = {}
    for place, cell in cells:
        width = cell.gates * cell.features
        bias = (2, width) if isinstance(cell, GRUCell) else (width,)
        shapes = ((cell.in_features, width), (cell.features, width), bias)
        needed |= {f"{place} {name}": shape for name, shape in zip(names, shapes, strict=False)}
    source = f"Keras' {LAYERS[type(cells[0][1])]}"
    if len(arrays) != len(needed):
        raise DataError(
            f"{source} of {len(cells)} cells has {len(needed)} arrays ({few(list(needed))}), or {2 * len(cells)} "
            f"without biases, but {len(arrays)} were given; give all of them in the order of get_weights()."
        )
    given = fitting(dict(zip(needed, arrays, strict=True)), needed, source)
    return with_weights(like, [_weights(given, place, cell) for place, cell in cells], source)


def _cells(layer: Cell | Layer) -> list[tuple[str, Cell]]:
    """Each cell with the place that its arrays are named by in errors."""
    return [
        (f"level {k} {direction}", cell)
        for k, level in enumerate(levels(layer, LAYERS, "Keras"))
        for direction, cell in zip(("forward", "backward"), level, strict=False)
    ]


def _weights(given: dict[str, np.ndarray], place: str, cell: Cell) -> Weights:
    w_ih, w_hh = (_swapped(gates(given[f"{place} {name}"], cell.gates)) for name in ("kernel", "recurrent_kernel"))
    bias = given.get(f"{place} bias")
    if bias is None:
        bias = np.zeros((cell.gates * cell.features,), np.float32)
    rows = bias if bias.ndim == 2 else np.stack([bias, np.zeros_like(bias)])
    inputs, hidden = (_swapped(gates(np.asarray(row), cell.gates)) for row in rows)
    return Weights(w_ih, w_hh, *one_bias(cell, inputs, hidden))


def _swapped(w: np.ndarray) -> np.ndarray:
    """[G, ...] with the gates of a GRU in the order of the other side."""
    return w[SWAPPED] if len(w) == len(SWAPPED) else w
