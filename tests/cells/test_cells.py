"""Every cell of `configs/arch/`: its parameters, its formula, its paper, its initial values."""

import importlib
import inspect
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from support import CELLS, ROOT, arch, arch_node, evaluate, formula

from grux.cells.gru import GRUCell
from grux.cells.initializers import kernels
from grux.cells.lstm import LSTMCell


def cell_node(name: str) -> dict:
    return arch_node(name)["cell"]


def cell_module(name: str):
    return importlib.import_module(cell_node(name)["_target_"].rpartition(".")[0])


def docstring(node: dict) -> str:
    """Where the formula stands: at the top of the file, or in the class where a file has several."""
    module, _, kind = node["_target_"].rpartition(".")
    module = importlib.import_module(module)
    return "\n".join([module.__doc__ or "", inspect.getdoc(getattr(module, kind)) or ""])


def count_by_formula(node: dict, **names: int) -> int:
    """Of a cell, and of a cell with another one inside."""
    inner = {"inner": count_by_formula(node["cell"], **names)} if "cell" in node else {}
    return evaluate(formula(docstring(node)), **names, **inner)


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize(("in_features", "features"), [(5, 7), (1, 4), (8, 2)])
def test_parameter_count_is_the_formula_in_the_docstring(name, in_features, features):
    layer = nnx.eval_shape(lambda: arch(name)(in_features=in_features, features=features, rngs=nnx.Rngs(0)))
    count = sum(np.prod(x.shape) for x in jax.tree.leaves(nnx.state(layer)))
    gates, recurrent = layer.cell.gates, layer.cell.recurrent_gates
    names = {"D": in_features, "H": features, "G": gates, "R": gates if recurrent is None else recurrent}
    assert count == count_by_formula(cell_node(name), **names)


@pytest.mark.parametrize("name", CELLS)
def test_file_opens_with_equations_and_a_paper(name):
    text = cell_module(name).__doc__
    assert re.search(r"\(.*(19|20)\d\d", text), "no paper with its year"
    assert re.search(r"^ +\w+' *= ", text, re.MULTILINE), "no equation of the next state"


def test_every_cell_file_has_a_yaml():
    used = {cell_module(name).__name__ for name in CELLS}
    helpers = {"__init__", "base", "initializers", "wrappers"}
    files = {f"grux.cells.{p.stem}" for p in (ROOT / "grux" / "cells").glob("*.py") if p.stem not in helpers}
    assert files <= used


@pytest.mark.parametrize("name", CELLS)
def test_default_start_is_orthogonal_and_glorot(name):
    cell = arch(name)(in_features=6, features=9, rngs=nnx.Rngs(3)).cell
    while hasattr(cell, "cell"):
        cell = cell.cell
    for w in cell.w_hh[...] if hasattr(cell, "w_hh") else ():
        np.testing.assert_allclose(w.T @ w, np.eye(9), atol=1e-5)
    bound = (6 / (6 + 9)) ** 0.5
    assert 0.8 * bound < np.abs(cell.w_ih[...]).max() <= bound


@pytest.mark.parametrize("init", ["orthogonal", "glorot", "lecun", "uniform", "identity"])
def test_gates_start_apart(init):
    w = kernels(init, nnx.Rngs(0), gates=3, rows=4, columns=4)
    assert w.shape == (3, 4, 4)
    assert (init == "identity") == bool(jnp.array_equal(w[0], w[1]))


def test_forget_bias_is_one_and_settable():
    bias = LSTMCell(in_features=2, features=3, rngs=nnx.Rngs(0)).b_ih[...]
    np.testing.assert_array_equal(bias, [[0, 0, 0], [1, 1, 1], [0, 0, 0], [0, 0, 0]])
    assert LSTMCell(in_features=2, features=3, forget_bias=2.0, rngs=nnx.Rngs(0)).b_ih[...][1, 0] == 2


def test_hidden_bias_of_the_gru_acts_inside_the_reset():
    cell = GRUCell(in_features=2, features=3, rngs=nnx.Rngs(0))
    p = tuple(jnp.zeros((1, 3)) for _ in range(3))
    (before,), _ = cell.step(cell.initial_carry(1), p)
    cell.b_hn[...] = jnp.ones(3)
    (after,), _ = cell.step(cell.initial_carry(1), p)
    np.testing.assert_allclose(before, 0)
    np.testing.assert_allclose(after, 0.5 * np.tanh(0.5 * 1.0), rtol=1e-6)  # z = r = 1/2


def test_chrono_spreads_the_times_of_the_gates():
    longest = 50
    lstm = LSTMCell(in_features=2, features=400, chrono=longest, rngs=nnx.Rngs(0)).b_ih[...]
    np.testing.assert_array_equal(lstm[0], -lstm[1])
    np.testing.assert_array_equal(lstm[2:], 0)
    gru = GRUCell(in_features=2, features=400, chrono=longest, rngs=nnx.Rngs(0)).b_ih[...]
    np.testing.assert_array_equal(gru[jnp.array([0, 2])], 0)
    for keep in (lstm[1], gru[1]):
        times = 1 + np.exp(keep)  # steps until a share of 1/e is left, about
        assert 2 <= times.min() < 4 and longest - 2 < times.max() <= longest
        assert abs(times.mean() - (2 + longest) / 2) < 2
