"""torch.nn.GRU, LSTM and RNN, time-major (their fastest layout), with the weights of a grux cell."""

import time
from typing import Any

import numpy as np

from rivals.common import Contestant, Weights


def contestant(weights: Weights, x: np.ndarray, cotangent: np.ndarray, *, threads: int) -> Contestant:
    """Raises ImportError where torch is absent."""
    import torch

    torch.set_num_threads(threads)
    start = time.perf_counter()
    inputs, width = weights.w_ih.shape[1:]
    layer = {"gru": torch.nn.GRU, "lstm": torch.nn.LSTM, "elman": torch.nn.RNN}[weights.cell](inputs, width)

    def stacked(arrays: np.ndarray) -> Any:
        return torch.from_numpy(np.ascontiguousarray(np.concatenate([a.T for a in arrays])))

    recurrent_bias = np.zeros_like(weights.b)
    if weights.cell == "gru":
        recurrent_bias[2] = weights.b_hn
    with torch.no_grad():
        layer.weight_ih_l0.copy_(stacked(weights.w_ih))
        layer.weight_hh_l0.copy_(stacked(weights.w_hh))
        layer.bias_ih_l0.copy_(torch.from_numpy(weights.b.reshape(-1)))
        layer.bias_hh_l0.copy_(torch.from_numpy(recurrent_bias.reshape(-1)))
    steps = torch.from_numpy(np.ascontiguousarray(x.swapaxes(0, 1))).requires_grad_()
    pulled = torch.from_numpy(np.ascontiguousarray(cotangent.swapaxes(0, 1)))

    def forward():
        with torch.inference_mode():
            return layer(steps)[0]

    def train():
        layer.zero_grad()
        steps.grad = None
        layer(steps)[0].backward(pulled)
        return layer.weight_hh_l0.grad

    def read(a):
        a = a.detach().numpy()
        return a.swapaxes(0, 1) if a.ndim == 3 else a

    return Contestant(forward, train, read, time.perf_counter() - start, None)
