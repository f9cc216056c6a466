"""What a contestant of the engine benchmark is: one recurrent layer of given weights, as a training step uses it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np


@dataclass(frozen=True)
class Weights:
    """Arrays in grux's layout: w_ih [G, D, H], w_hh [G, H, H], b [G, H], b_hn [H] (zero but for a GRU that has it)."""

    cell: str
    w_ih: np.ndarray
    w_hh: np.ndarray
    b: np.ndarray
    b_hn: np.ndarray


@dataclass(frozen=True)
class Contestant:
    """Two calls that return when the work is done.

    `forward()` gives y; `train()` pulls y's cotangent back to all weights and to x and gives the gradient of the
    recurrent weights. `read` makes y a numpy array [B, T, H], and that gradient one of any shape.
    """

    forward: Callable[[], Any]
    train: Callable[[], Any]
    read: Callable[[Any], np.ndarray]
    compile_seconds: float
    peak_bytes: int | None
    """Of a training step, as XLA plans it: arguments, results and temporaries. None where a library cannot tell."""


def jax_contestant(
    apply: Callable[[Any, jax.Array], jax.Array],
    recurrent: Callable[[Any], jax.Array],
    params: Any,
    x: np.ndarray,
    cotangent: np.ndarray,
) -> Contestant:
    """From `apply(params, x [B, T, D]) -> y [B, T, H]`; `recurrent` picks the recurrent weights' part of a gradient."""
    params, x_, cotangent_ = jax.tree.map(jax.numpy.asarray, (params, x, cotangent))

    def pulled(params, x, cotangent):
        y, pull = jax.vjp(apply, params, x)
        return y, pull(cotangent)

    start = time.perf_counter()
    forward = jax.jit(apply).lower(params, x_).compile()
    train = jax.jit(pulled).lower(params, x_, cotangent_).compile()
    seconds = time.perf_counter() - start
    plan = train.memory_analysis()
    return Contestant(
        forward=lambda: jax.block_until_ready(forward(params, x_)),
        train=lambda: recurrent(jax.block_until_ready(train(params, x_, cotangent_))[1][0]),
        read=lambda a: np.asarray(a, np.float32),
        compile_seconds=seconds,
        peak_bytes=plan.temp_size_in_bytes + plan.argument_size_in_bytes + plan.output_size_in_bytes,
    )
