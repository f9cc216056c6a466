"""Every cell of `configs/arch/`: its parameters, its formula, its paper, its initial values."""

import importlib
import inspect
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import yaml
from flax import nnx
from support import ARCHS, ROOT, arch, evaluate, formula

from grux.cells.gru import GRUCell
from grux.cells.initializers import kernels
from grux.cells.lstm import LSTMCell


def cell_module(name: str):
    return importlib.import_module(target(name).rpartition(".")[0])


def target(name: str) -> str:
    return yaml.safe_load((ROOT / "configs" / "arch" / f"{name}.yaml").read_text())["cell"]["_target_"]


def docstring(name: str) -> str:
    """Where the formula stands: at the top of the file, or in the class where a file has several."""
    module = cell_module(name)
    kind = getattr(module, target(name).rpartition(".")[2])
    return "\n".join([module.__doc__ or "", inspect.getdoc(kind) or ""])


@pytest.mark.parametrize("name", ARCHS)
@pytest.mark.parametrize(("in_features", "features"), [(5, 7), (1, 4), (8, 2)])
def test_parameter_count_is_the_formula_in_the_docstring(name, in_features, features):
    layer = nnx.eval_shape(lambda: arch(name)(in_features=in_features, features=features, rngs=nnx.Rngs(0)))
    count = sum(np.prod(x.shape) for x in jax.tree.leaves(nnx.state(layer)))
    assert count == evaluate(formula(docstring(name)), D=in_features, H=features)


@pytest.mark.parametrize("name", ARCHS)
def test_file_opens_with_equations_and_a_paper(name):
    text = cell_module(name).__doc__
    assert re.search(r"\(.*(19|20)\d\d", text), "no paper with its year"
    assert re.search(r"^ +\w+' *= ", text, re.MULTILINE), "no equation of the next state"


def test_every_cell_file_has_a_yaml():
    used = {cell_module(name).__name__ for name in ARCHS}
    helpers = {"__init__", "base", "initializers", "wrappers"}
    files = {f"grux.cells.{p.stem}" for p in (ROOT / "grux" / "cells").glob("*.py") if p.stem not in helpers}
    assert files <= used


@pytest.mark.parametrize("name", ARCHS)
def test_default_start_is_orthogonal_and_glorot(name):
    cell = arch(name)(in_features=6, features=9, rngs=nnx.Rngs(3)).cell
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
