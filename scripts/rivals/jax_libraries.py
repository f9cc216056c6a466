"""flax, Equinox, Haiku and Keras on JAX, each with its own layer, fed with the weights of a grux cell.

All cells are the same function as grux's, so outputs must agree: biases that a library lacks (flax's b_hn) are zero in
the weights. Haiku's GRU resets before the product, which is another function: it is compared with grux's cell of that
kind.
"""

import os
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rivals.common import Weights

Rival = tuple[Callable[[Any, jax.Array], jax.Array], Callable[[Any], jax.Array], Any]
"""(apply(params, x) -> y, recurrent weights of a gradient, params)."""


def _wide(arrays: np.ndarray, order: tuple[int, ...]) -> np.ndarray:
    """[G, R, H] -> [R, G*H] with the gates in the order given."""
    return np.concatenate([arrays[g] for g in order], axis=-1)


def flax_nnx(weights: Weights) -> Rival:
    """nnx.RNN over GRUCell, OptimizedLSTMCell or SimpleCell."""
    from flax import nnx

    inputs, width = weights.w_ih.shape[1:]
    kind = {"gru": nnx.GRUCell, "lstm": nnx.OptimizedLSTMCell, "elman": nnx.SimpleCell}[weights.cell]
    rnn = nnx.RNN(kind(inputs, width, rngs=nnx.Rngs(0)))
    cell = rnn.cell
    order = tuple(range(len(weights.w_ih)))
    if weights.cell == "elman":
        cell.dense_i.kernel[...], cell.dense_i.bias[...] = weights.w_ih[0], weights.b[0]
        cell.dense_h.kernel[...] = weights.w_hh[0]
    else:
        cell.dense_i.kernel[...] = _wide(weights.w_ih, order)
        cell.dense_h.kernel[...] = _wide(weights.w_hh, order)
        bias = cell.dense_i if weights.cell == "gru" else cell.dense_h
        bias.bias[...] = weights.b.reshape(-1)
    graph, params, rest = nnx.split(rnn, nnx.Param, ...)

    def apply(params, x):
        zeros = jnp.zeros((x.shape[0], width))
        carry = (zeros, zeros) if weights.cell == "lstm" else zeros
        return nnx.merge(graph, params, rest)(x, initial_carry=carry)

    def recurrent(gradient):
        return gradient["cell"]["dense_h"]["kernel"][...]

    return apply, recurrent, params


def equinox(weights: Weights) -> Rival:
    """`lax.scan` over a `vmap` of the library's cell, as its documentation shows."""
    import equinox as eqx

    if weights.cell == "elman":
        raise NotImplementedError("Equinox has no tanh RNN cell")
    inputs, width = weights.w_ih.shape[1:]
    kind = {"gru": eqx.nn.GRUCell, "lstm": eqx.nn.LSTMCell}[weights.cell]
    cell = kind(inputs, width, key=jax.random.key(0))
    order = tuple(range(len(weights.w_ih)))
    arrays = {
        "weight_ih": _wide(weights.w_ih, order).T,
        "weight_hh": _wide(weights.w_hh, order).T,
        "bias": weights.b.reshape(-1),
    }
    if weights.cell == "gru":
        arrays["bias_n"] = weights.b_hn
    names = tuple(arrays)
    cell = eqx.tree_at(lambda c: tuple(getattr(c, n) for n in names), cell, tuple(map(jnp.asarray, arrays.values())))
    params, static = eqx.partition(cell, eqx.is_array)

    def apply(params, x):
        cell = eqx.combine(params, static)
        zeros = jnp.zeros((x.shape[0], width))
        carry = (zeros, zeros) if weights.cell == "lstm" else zeros

        def step(carry, x_t):
            carry = jax.vmap(cell)(x_t, carry)
            return carry, carry[0] if weights.cell == "lstm" else carry

        return jnp.swapaxes(jax.lax.scan(step, carry, jnp.swapaxes(x, 0, 1))[1], 0, 1)

    return apply, lambda gradient: gradient.weight_hh, params


def haiku(weights: Weights) -> Rival:
    """`hk.dynamic_unroll` over GRU (reset before the product), LSTM or VanillaRNN (relu: left out)."""
    import haiku as hk

    if weights.cell == "elman":
        raise NotImplementedError("Haiku's VanillaRNN is a relu network")
    width = weights.w_ih.shape[-1]

    def unroll(x):
        core = (hk.GRU if weights.cell == "gru" else hk.LSTM)(width)
        return hk.dynamic_unroll(core, x, core.initial_state(x.shape[1]))[0]

    transformed = hk.without_apply_rng(hk.transform(unroll))
    if weights.cell == "gru":  # gates z, r, a; h' = (1 - z) h + z a: the update gate is the other way round
        sign = np.array([-1, 1, 1], np.float32)[:, None]
        order = (1, 0, 2)
        given = {
            "w_i": np.concatenate([weights.w_ih[g] * s for g, s in zip(order, sign, strict=True)], -1),
            "w_h": np.concatenate([weights.w_hh[g] * s for g, s in zip(order, sign, strict=True)], -1),
            "b": np.concatenate([weights.b[g] * s for g, s in zip(order, sign, strict=True)]),
        }
    else:  # gates i, g, f, o over [x, h]; the library adds 1 to the forget gate
        order = (0, 2, 1, 3)
        bias = weights.b.copy()
        bias[1] -= 1.0
        given = {
            "w": np.concatenate([_wide(weights.w_ih, order), _wide(weights.w_hh, order)]),
            "b": np.concatenate([bias[g] for g in order]),
        }

    def apply(params, x):
        return jnp.swapaxes(transformed.apply(params, jnp.swapaxes(x, 0, 1)), 0, 1)

    def recurrent(gradient):
        leaves = gradient[module]
        return leaves["w_h"] if weights.cell == "gru" else leaves["w"][weights.w_ih.shape[1] :]

    module = "gru" if weights.cell == "gru" else "lstm/linear"
    return apply, recurrent, {module: given}


def keras(weights: Weights) -> Rival:
    """keras.layers.GRU (reset_after), LSTM and SimpleRNN on the JAX backend, called statelessly."""
    os.environ.setdefault("KERAS_BACKEND", "jax")
    import keras as library

    if library.backend.backend() != "jax":
        raise NotImplementedError("Keras was loaded with another backend")
    inputs, width = weights.w_ih.shape[1:]
    kind = {"gru": library.layers.GRU, "lstm": library.layers.LSTM, "elman": library.layers.SimpleRNN}[weights.cell]
    layer = kind(width, return_sequences=True)
    layer.build((None, None, inputs))
    order = (1, 0, 2) if weights.cell == "gru" else tuple(range(len(weights.w_ih)))  # Keras: z, r, h
    bias = np.concatenate([weights.b[g] for g in order])
    if weights.cell == "gru":
        bias = np.stack([bias, np.concatenate([np.zeros_like(weights.b_hn)] * 2 + [weights.b_hn])])
    layer.set_weights([_wide(weights.w_ih, order), _wide(weights.w_hh, order), bias])
    params = [v.value for v in layer.trainable_variables]
    rest = [v.value for v in layer.non_trainable_variables]

    def apply(params, x):
        return layer.stateless_call(params, rest, x)[0]

    return apply, lambda gradient: gradient[1], params


LIBRARIES = {"flax": flax_nnx, "equinox": equinox, "haiku": haiku, "keras": keras}
