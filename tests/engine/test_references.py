"""Values and gradients against PyTorch's layers and flax's cells, with random biases."""

import importlib.util
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from support import ROOT, arch

from grux.engine.run import run

B, T, D, H = 3, 7, 4, 5
ARCHS = ("elman", "gru", "lstm")


def gates(array: np.ndarray, count: int) -> np.ndarray:
    """PyTorch's [G*H, N] as [G, N, H], or [G*H] as [G, H]."""
    parts = array.reshape(count, H, *array.shape[1:])
    return np.swapaxes(parts, 1, 2) if parts.ndim == 3 else parts


def set_weights(cell, ref) -> None:
    """PyTorch has two biases per gate where one does; only the GRU's candidate tells them apart."""
    g = cell.gates
    cell.w_ih.set_value(jnp.asarray(gates(ref["w_ih"], g)))
    cell.w_hh.set_value(jnp.asarray(gates(ref["w_hh"], g)))
    b_ih, b_hh = gates(ref["b_ih"], g), gates(ref["b_hh"], g)
    if hasattr(cell, "b_hn"):
        cell.b_hn.set_value(jnp.asarray(b_hh[2]))
        b_hh = np.concatenate([b_hh[:2], np.zeros((1, H))])
    cell.b_ih.set_value(jnp.asarray(b_ih + b_hh))


def check(name, ref, strategy):
    cell = arch(name)(in_features=D, features=H, rngs=nnx.Rngs(0)).cell
    set_weights(cell, ref)
    graph, params = nnx.split(cell)
    carry = tuple(jnp.asarray(ref[c][0]) for c in ("h0", "c0")[: cell.carries])

    def loss(params, x, carry):
        y, last = run(nnx.merge(graph, params), x, carry=carry, strategy=strategy)
        weigh = lambda a, f: (a * f(jnp.arange(a.size, dtype=a.dtype).reshape(a.shape))).sum()  # noqa: E731
        return weigh(y, jnp.cos) + sum(weigh(c, jnp.sin) for c in last), (y, last)

    gradient = jax.value_and_grad(loss, (0, 1, 2), has_aux=True)
    (_, (y, last)), (d_params, d_x, d_carry) = gradient(params, jnp.asarray(ref["x"]), carry)
    close = lambda a, b: np.testing.assert_allclose(a, b, atol=1e-10)  # noqa: E731
    close(y, ref["y"])
    close(d_x, ref["d_x"])
    for got, d_got, end, start in zip(last, d_carry, ("hn", "cn"), ("h0", "c0"), strict=False):
        close(got, ref[end][0])
        close(d_got, ref[f"d_{start}"][0])
    d_cell = nnx.merge(graph, d_params)
    close(d_cell.w_ih[...], gates(ref["d_w_ih"], cell.gates))
    close(d_cell.w_hh[...], gates(ref["d_w_hh"], cell.gates))
    close(d_cell.b_ih[...], gates(ref["d_b_ih"], cell.gates))
    if hasattr(cell, "b_hn"):
        close(d_cell.b_hn[...], gates(ref["d_b_hh"], 3)[2])


@pytest.mark.parametrize("strategy", ["sequential", "gated"])
@pytest.mark.parametrize("name", ARCHS)
def test_equals_the_exported_numbers_of_pytorch(name, strategy, float64):
    with np.load(ROOT / "tests" / "fixtures" / "torch_reference.npz", allow_pickle=False) as stored:
        ref = {key.split("/")[1]: stored[key] for key in stored.files if key.startswith(f"{name}/")}
    check(name, ref, strategy)


@pytest.mark.parametrize("name", ARCHS)
def test_equals_pytorch_itself(name, float64):
    if importlib.util.find_spec("torch") is None:
        pytest.skip("PyTorch is not installed; the exported numbers stand in for it")
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        from export_references import reference
    finally:
        sys.path.pop(0)
    check(name, reference(name, seed=7), "auto")


@pytest.mark.parametrize(
    ("name", "make", "order"),
    [
        ("gru", nnx.GRUCell, (0, 1, 2)),  # reset, update, candidate; without b_hn
        ("lstm", nnx.OptimizedLSTMCell, (0, 1, 2, 3)),  # i, f, g, o
        ("elman", nnx.SimpleCell, (0,)),
    ],
)
def test_equals_the_cells_of_flax(name, make, order):
    noise = nnx.initializers.normal(0.5)
    theirs = make(D, H, rngs=nnx.Rngs(0), kernel_init=noise, recurrent_kernel_init=noise, bias_init=noise)
    ours = arch(name)(in_features=D, features=H, rngs=nnx.Rngs(1)).cell
    split = lambda w: jnp.stack(jnp.split(w, len(order), axis=-1))  # noqa: E731
    inputs, hidden = theirs.dense_i, theirs.dense_h
    ours.w_ih[...], ours.w_hh[...] = split(inputs.kernel[...]), split(hidden.kernel[...])
    bias = next(b for d in (inputs, hidden) if (b := d.bias) is not None)
    ours.b_ih[...] = split(bias[...])
    x = jax.random.normal(jax.random.key(0), (B, T, D))

    def run_theirs(cell, x):
        carry, ys = jnp.zeros((B, H)), []
        carry = (carry, carry) if name == "lstm" else carry
        for t in range(T):
            carry, y = cell(carry, x[:, t])
            ys.append(y)
        return jnp.stack(ys, 1)

    results = []
    for cell, outputs in ((theirs, run_theirs), (ours, lambda cell, x: run(cell, x)[0])):
        graph, params, rest = nnx.split(cell, nnx.Param, ...)
        whole = lambda p, x, g=graph, r=rest, f=outputs: loss_of(f(nnx.merge(g, p, r), x))  # noqa: E731
        (_, y), (d_params, d_x) = jax.value_and_grad(whole, (0, 1), has_aux=True)(params, x)
        results.append((y, d_x, nnx.merge(graph, d_params, rest)))
    (y, d_x, d_theirs), (our_y, our_d_x, d_ours) = results
    close = lambda a, b: np.testing.assert_allclose(a, b, atol=1e-4)  # noqa: E731
    close(our_y, y)
    close(our_d_x, d_x)
    close(d_ours.w_ih[...], split(d_theirs.dense_i.kernel[...]))
    close(d_ours.w_hh[...], split(d_theirs.dense_h.kernel[...]))
    d_bias = next(b for d in (d_theirs.dense_i, d_theirs.dense_h) if (b := d.bias) is not None)
    close(d_ours.b_ih[...], split(d_bias[...]))


def loss_of(y):
    """Each output with a weight of its own; the outputs beside it."""
    return (y * jnp.cos(jnp.arange(y.size, dtype=y.dtype).reshape(y.shape))).sum(), y
