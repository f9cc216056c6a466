"""State dicts of PyTorch's nn.RNN (tanh), nn.GRU and nn.LSTM.

    weight_ih_l{k}[_reverse]  [G*H, D]      bias_ih_l{k}[_reverse]  [G*H]
    weight_hh_l{k}[_reverse]  [G*H, H]      bias_hh_l{k}[_reverse]  [G*H]

Gates stand below each other in the order of grux (r, z, n and i, f, g, o). PyTorch keeps two biases per gate of which
only the sum counts, but for the candidate of the GRU, whose bias_hh is b_hn; coming in they are added, going out
bias_hh is zero beside b_hn.

Source: the documentation of torch.nn.RNN, GRU and LSTM, section "Variables".
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from grux.cells.base import Cell
from grux.cells.elman import ElmanCell
from grux.cells.gru import GRUCell
from grux.cells.irnn import IRNNCell
from grux.cells.lstm import LSTMCell
from grux.errors import UsageError
from grux.interop.arrays import fitting
from grux.interop.cells import Part, Weights, levels, one_bias, weights_of, with_weights, without_bias
from grux.layers.base import Layer

MODULES: dict[type[Cell], str] = {
    ElmanCell: "nn.RNN",
    IRNNCell: "nn.RNN(nonlinearity='relu')",
    GRUCell: "nn.GRU",
    LSTMCell: "nn.LSTM",
}


def to_torch(layer: Cell | Layer, *, bias: bool = True) -> dict[str, np.ndarray]:
    """The state dict of the PyTorch module that computes what `layer` does.

    `bias=False` is for modules made with bias=False. A bidirectional layer of `features` is a module with
    hidden_size = features / 2. Raises UsageError for what PyTorch cannot hold.
    """
    found = {}
    cells = _cells(layer)
    for suffix, cell in cells.items():
        weights = weights_of(cell)
        found[f"weight_ih{suffix}"], found[f"weight_hh{suffix}"] = _rows(weights.w_ih), _rows(weights.w_hh)
        if not bias:
            without_bias(weights, MODULES[type(cell)])
            continue
        found[f"bias_ih{suffix}"], found[f"bias_hh{suffix}"] = (b.reshape(-1) for b in weights.two_biases())
    return found


def from_torch(arrays: Mapping[str, Any], *, like: Part, nonlinearity: str = "tanh") -> Part:
    """A new layer like `like` with the weights of a state dict; arrays of numpy, or tensors on the CPU.

    Missing biases (bias=False) count as zero. A state dict of nn.RNN does not tell its `nonlinearity`, so relu has to
    be said, and `like` has to be of IRNN cells then. Raises UsageError for another nonlinearity than that of `like`,
    proj_size and what PyTorch cannot hold, DataError for names and shapes that are not those of `like`.
    """
    projected = next((name for name in arrays if name.startswith("weight_hr")), None)
    if projected is not None:
        raise UsageError(f"{projected} belongs to an nn.LSTM with proj_size, which no cell here has; use proj_size=0.")
    cells = _cells(like)
    kind = type(next(iter(cells.values())))
    computed = {ElmanCell: "tanh", IRNNCell: "relu"}.get(kind, nonlinearity)
    if nonlinearity != computed:
        raise UsageError(
            f"nonlinearity={nonlinearity!r} of nn.RNN is not what {kind.__name__} computes, which is {computed!r}; "
            "ElmanCell has tanh and IRNNCell relu."
        )
    bias = any(name.startswith("bias_") for name in arrays)
    needed: dict[str, tuple[int, ...]] = {}
    for suffix, cell in cells.items():
        rows = cell.gates * cell.features
        needed |= {f"weight_ih{suffix}": (rows, cell.in_features), f"weight_hh{suffix}": (rows, cell.features)}
        needed |= {f"bias_ih{suffix}": (rows,), f"bias_hh{suffix}": (rows,)} if bias else {}
    source = f"PyTorch's {MODULES[kind]}"
    given = fitting(arrays, needed, source)
    return with_weights(like, [_weights(given, suffix, cell) for suffix, cell in cells.items()], source)


def _cells(layer: Cell | Layer) -> dict[str, Cell]:
    """Each cell under the ending of its names."""
    found = levels(layer, MODULES, "PyTorch")
    if len({cell.features for level in found for cell in level}) > 1:
        raise UsageError("PyTorch has one hidden_size in all levels, and this layer has several; export its parts.")
    return {
        f"_l{k}{direction}": cell
        for k, level in enumerate(found)
        for direction, cell in zip(("", "_reverse"), level, strict=False)
    }


def _weights(given: Mapping[str, np.ndarray], suffix: str, cell: Cell) -> Weights:
    w_ih, w_hh = (_gates(given[f"weight_{side}{suffix}"], cell.gates) for side in ("ih", "hh"))
    zero = np.zeros((cell.gates * cell.features,), np.float32)
    inputs, hidden = (given.get(f"bias_{side}{suffix}", zero).reshape(cell.gates, -1) for side in ("ih", "hh"))
    return Weights(w_ih, w_hh, *one_bias(cell, inputs, hidden))


def _rows(w: np.ndarray) -> np.ndarray:
    """[G, D, H] as [G*H, D]."""
    return np.ascontiguousarray(w.swapaxes(1, 2)).reshape(-1, w.shape[1])


def _gates(w: np.ndarray, count: int) -> np.ndarray:
    """The inverse of `_rows`."""
    return w.reshape(count, -1, w.shape[1]).swapaxes(1, 2)
