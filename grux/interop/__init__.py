"""Weights in and out: PyTorch, Keras, flax nnx and flax linen, as arrays of numpy.

    arrays = to_torch(layer)                        # a state dict of nn.RNN, nn.GRU or nn.LSTM
    layer = from_torch(arrays, like=layer)          # a new layer like that one, with these weights

`layer` is a cell, or a layer made of `Recurrent`, `Bidirectional` and `Stack`. The layer that is given says which kind,
width, depth and directions are meant; it is never changed. Weights become its type (float32 unless it says otherwise).
Dropout between layers is no weight: it stays what the layer, or the other framework, has.

What the other side cannot hold is refused, never dropped: residual connections, cells without a counterpart, a bias
where there is no place for one. None of these frameworks is imported but flax, and no pickle is read.

    cell               PyTorch    Keras                     nnx                    linen
    elman              nn.RNN     SimpleRNN                 SimpleCell             SimpleCell
    irnn               nn.RNN     -                         -                      -
    gru                nn.GRU     GRU                       GRUCell, without b_hn  GRUCell
    gru_reset_before   -          GRU(reset_after=False)    -                      -
    lstm               nn.LSTM    LSTM                      (Optimized)LSTMCell    (Optimized)LSTMCell
"""

from grux.interop.files import read_safetensors, write_safetensors
from grux.interop.flax import from_linen, from_nnx, to_linen, to_nnx
from grux.interop.keras import from_keras, to_keras
from grux.interop.torch import from_torch, to_torch

__all__ = [
    "from_keras",
    "from_linen",
    "from_nnx",
    "from_torch",
    "read_safetensors",
    "to_keras",
    "to_linen",
    "to_nnx",
    "to_torch",
    "write_safetensors",
]
