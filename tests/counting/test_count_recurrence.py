"""State and operations of a step in closed form, against the program that runs it and against XLA's own count."""

import jax
import jax.numpy as jnp
import pytest
from flax import nnx
from support import ARCHS, CELLS, arch

from grux.cells.base import Cell
from grux.cells.gru import GRUCell
from grux.counting.parameters import recurrent_layers
from grux.counting.recurrence import count_layers, run_flops, state_size
from grux.engine.run import run
from grux.layers.recurrent import Recurrent
from grux.layers.stack import Stack
from grux.layers.windowed import Windowed
from grux.training.flops import count_flops


def parts(name: str, in_features: int, features: int):
    """A cell as shapes, and what `nnx.merge` needs to run it on a tree of parameters."""
    cell = nnx.eval_shape(lambda: arch(name)(in_features=in_features, features=features, rngs=nnx.Rngs(0))).cell
    return cell, *nnx.split(cell)


def shape(*dims: int) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(dims, jnp.float32)


@pytest.mark.parametrize("name", CELLS)
def test_the_closed_form_is_the_count_of_the_program(name: str):
    """Forward; with the gradients of the parameters; with those of the input too: a loop counts T times."""
    rows, steps, wide, hidden = 3, 4, 5, 7
    cell, graph, params = parts(name, wide, hidden)

    def total(params, x):
        return run(nnx.merge(graph, params), x, strategy="sequential")[0].sum()

    x = shape(rows, steps, wide)
    assert count_flops(total, params, x) == rows * run_flops(cell, steps)
    to_parameters = rows * run_flops(cell, steps, backward=True, input_gradient=False)
    assert count_flops(jax.grad(total), params, x) == to_parameters
    both = count_flops(jax.grad(total, argnums=(0, 1)), params, x)
    assert both == rows * run_flops(cell, steps, backward=True) == 3 * rows * run_flops(cell, steps)


@pytest.mark.parametrize("width", [5, 7])
@pytest.mark.parametrize("name", [name for name in ARCHS if name not in CELLS])
def test_a_step_of_any_layer_is_the_count_of_the_program(name: str, width: int):
    """One step from a carry, where the input is as wide as the layer and where it is not."""
    rows, layer = 3, nnx.eval_shape(lambda: arch(name)(in_features=width, features=7, rngs=nnx.Rngs(0)))
    for _, module in nnx.iter_modules(layer):
        if isinstance(module, Recurrent):
            module.strategy = "sequential"
    graph, params = nnx.split(layer)
    carry = jax.eval_shape(lambda params: nnx.merge(graph, params).initial_carry(rows), params)

    def total(params, x):
        return nnx.merge(graph, params)(x, carry=zeros(carry))[0].sum()

    x, layers = shape(rows, 1, width), count_layers(layer)
    assert count_flops(total, params, x) == rows * sum(layer.step_flops for layer in layers)
    both = count_flops(jax.grad(total, argnums=(0, 1)), params, x)
    assert both == rows * sum(layer.training_step_flops for layer in layers)
    assert sum(layer.state for layer in layers) * rows == sum(c.size for c in jax.tree.leaves(carry))
    lowest = recurrent_layers(layer)[0][1]
    if isinstance(lowest, Windowed):
        assert both - count_flops(jax.grad(total), params, x) == rows * lowest.step_flops()[0]


def zeros(shapes):
    return jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)


def test_a_run_of_convolutions_is_so_many_steps_and_attention_pairs_all_steps():
    tcn, attention = (arch(name)(in_features=7, features=7, rngs=nnx.Rngs(0)) for name in ("tcn", "transformer"))
    x = shape(3, 11, 7)
    assert count_flops(lambda x: tcn(x)[0], x) == 3 * run_flops(tcn, 11)
    inner, width = 8, 7  # four heads of two
    assert count_flops(lambda x: attention(x)[0], x) == 3 * (
        11 * (4 * 2 * width * inner + 2 * 2 * width * 4 * width) + 2 * 2 * inner * 11 * 11
    )


@pytest.mark.parametrize(("name", "gates"), [("gru", 3), ("lstm", 4), ("elman", 1), ("gru_reset_before", 3)])
def test_the_closed_form_of_a_gated_step(name: str, gates: int):
    cell, _, _ = parts(name, 5, 7)
    assert cell.step_flops() == (2 * gates * 5 * 7, 2 * gates * 7 * 7)
    assert run_flops(cell, 11) == 11 * 2 * gates * 7 * (5 + 7)


def xla_flops(name: str, rows: int, in_features: int, features: int, *, backward: bool) -> float:
    """XLA's count of three steps without a loop, elementwise work included."""
    cell, graph, params = parts(name, in_features, features)

    def outputs(params, xs, carry):
        cell, ys = nnx.merge(graph, params), []
        for x in xs:
            carry, y = cell.step(carry, cell.project(x))
            ys.append(y)
        return ys

    def total(params, xs, carry):
        return sum((y * y).sum() for y in outputs(params, xs, carry))

    function = jax.grad(total, argnums=(0, 1, 2)) if backward else outputs
    carry = tuple(shape(rows, features) for _ in range(cell.carries))
    xs = [shape(rows, in_features)] * 3
    return jax.jit(function).lower(params, xs, carry).compile().cost_analysis()["flops"]


# A layer norm has work that does not grow with the width.
@pytest.mark.parametrize("name", [name for name in CELLS if "layernorm" not in name])
def test_xla_counts_the_same_products_forward(name: str):
    """Products grow with the square of the widths, elementwise work as the widths do: f(2n) - 2 f(n) is free of it."""
    rows, wide, hidden = 4, 16, 8
    products = rows * run_flops(parts(name, wide, hidden)[0], 3)
    narrow, broad = (xla_flops(name, rows, n * wide, n * hidden, backward=False) for n in (1, 2))
    assert broad - 2 * narrow == 2 * products
    assert products < narrow < 1.6 * products


@pytest.mark.parametrize("name", ["gru", "lstm", "elman", "gru_reset_before", "lstm_fgr"])
def test_xla_counts_the_same_products_backward(name: str):
    """Weight gradients are also summed over steps, as wide as a product but once for all rows: 8 less 4 lack them."""
    rows, wide, hidden = 4, 16, 8

    def squares(rows: int) -> float:
        narrow, broad = (xla_flops(name, rows, n * wide, n * hidden, backward=True) for n in (1, 2))
        return broad - 2 * narrow

    products = rows * run_flops(parts(name, wide, hidden)[0], 3, backward=True)
    assert squares(2 * rows) - squares(rows) == 2 * products


@pytest.mark.parametrize(("name", "carries"), [("gru", 1), ("lstm", 2), ("elman", 1)])
def test_state_of_each_layer(name: str, carries: int):
    model = nnx.eval_shape(
        lambda: Stack(layer=arch(name), in_features=5, features=6, depth=2, bidirectional=True, rngs=nnx.Rngs(0))
    )
    layers = count_layers(model)
    assert [layer.name for layer in layers] == [
        f"layers.{level}.{direction}" for level in (0, 1) for direction in ("backward", "forward")
    ]
    assert [layer.state for layer in layers] == [3 * carries] * 4  # half the width for each direction
    assert [(layer.in_features, layer.features) for layer in layers] == [(5, 3)] * 2 + [(6, 3)] * 2
    assert all(layer.training_step_flops == 3 * layer.step_flops > 0 for layer in layers)


def test_a_complex_state_is_two_numbers():
    class Complex(GRUCell):
        def initial_carry(self, batch_size: int):
            return (jnp.zeros((batch_size, self.features), jnp.complex64), jnp.zeros((batch_size, 2)))

    assert state_size(Complex(in_features=3, features=5, rngs=nnx.Rngs(0))) == 12


def test_vectors_are_elementwise_and_a_cell_may_say_otherwise():
    class Diagonal(Cell):
        """h' = W x + u * h: no matrix over the past."""

        gates = 1

        def __init__(self, **arguments):
            super().__init__(**arguments)
            self.w_hh = nnx.Param(jnp.ones(self.features))

        def step(self, carry, p):
            h = p[0] + self.w_hh[...] * carry[0]
            return (h,), h

    assert Diagonal(in_features=3, features=5, rngs=nnx.Rngs(0)).step_flops() == (30, 0)

    class Nested(Diagonal):
        """Matrices by two numbers, as where each of three gates sees each."""

        def __init__(self, **arguments):
            super().__init__(**arguments)
            self.w_gates = nnx.Param(jnp.zeros((3, 3, self.features, self.features)))

    assert Nested(in_features=3, features=5, rngs=nnx.Rngs(0)).step_flops() == (30, 2 * 9 * 25)

    class Own(Diagonal):
        def step_flops(self) -> tuple[int, int]:
            return 1, 2

    assert run_flops(Own(in_features=3, features=5, rngs=nnx.Rngs(0)), 10) == 30
