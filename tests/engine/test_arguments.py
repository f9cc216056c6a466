"""What the engine says of arrays that do not fit, with no type checker before it, as users have it."""

import subprocess
import sys

import jax.numpy as jnp
import pytest
from flax import nnx
from support import CELLS, arch

from grux.engine.run import check, run
from grux.errors import UsageError


def cell_of(name="gru"):
    return arch(name)(in_features=4, features=5, rngs=nnx.Rngs(0)).cell


X = jnp.ones((2, 3, 4))
REFUSED = {
    "too wide": (jnp.ones((2, 3, 9)), None, None, r"x has the shape \[2, 3, 9\] and the cell takes \[batch, time, 4\]"),
    "too narrow": (jnp.ones((2, 3, 1)), None, None, r"x has the shape \[2, 3, 1\]"),
    "no batch": (jnp.ones((3, 4)), None, None, r"x has the shape \[3, 4\]"),
    "integers": (jnp.ones((2, 3, 4), jnp.int32), None, None, "x is of type int32 and cells take floats"),
    "mask on its side": (
        X,
        jnp.ones((3, 2), bool),
        None,
        r"the mask is bool of shape \[3, 2\] and .* is needed",
    ),
    "mask of numbers": (X, jnp.ones((2, 3)), None, "the mask is float32"),
    "carry of one row": (X, None, (jnp.zeros((1, 5)),), r"the carry has .* \[\[1, 5\]\] and \[\[2, 5\]\] is needed"),
    "carry of another cell": (
        X,
        None,
        (jnp.zeros((2, 5)),) * 2,
        r"the carry has .* \[\[2, 5\], \[2, 5\]\] and",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_arrays_that_do_not_fit_are_refused(case):
    x, mask, carry, sentence = REFUSED[case]
    with pytest.raises(UsageError, match=sentence):
        check(cell_of(), x, mask, carry)


@pytest.mark.parametrize("name", CELLS)
def test_what_fits_is_taken(name):
    cell = cell_of(name)
    check(cell, X, jnp.ones((2, 3), bool), cell.initial_carry(2))


UNCHECKED = """
import jax.numpy as jnp
from flax import nnx
from grux.cells.gru import GRUCell
from grux.errors import UsageError
from grux.layers.recurrent import Recurrent

def refused(x, **options):
    try:
        Recurrent(cell=GRUCell, in_features=4, features=5, rngs=nnx.Rngs(0), **options)(x)
    except UsageError as error:
        print(error)

refused(jnp.ones((2, 3, 9)))
refused(jnp.ones((2, 3, 4)), strategy="nativ")
refused(jnp.ones((2, 3, 4)), initial_state="learnt")
"""


def test_the_door_is_watched_where_nothing_checks_types():
    result = subprocess.run([sys.executable, "-c", UNCHECKED], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines() == [
        "x has the shape [2, 3, 9] and the cell takes [batch, time, 4]; give it that.",
        "strategy=nativ is none of auto, sequential, gated, native, linear, associative, chunked; choose one of them.",
        "initial_state=learnt is none of zeros, learned; choose one of them.",
    ]


@pytest.mark.parametrize("shape", [(0, 3, 4), (2, 0, 4)])
@pytest.mark.parametrize("strategy", ["auto", "gated", "sequential"])
def test_no_rows_or_no_steps_leave_the_carry_alone(strategy, shape):
    cell = cell_of()
    carry = (jnp.full((shape[0], 5), 0.5),)
    y, last = run(cell, jnp.ones(shape), carry=carry, strategy=strategy)
    assert y.shape == (*shape[:2], 5) and (last[0] == carry[0]).all() and last[0].shape == carry[0].shape
