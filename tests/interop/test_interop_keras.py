"""Weight lists of Keras: against numbers that its layers computed, there and back, and what is refused."""

import importlib.util

import jax
import numpy as np
import pytest
from flax import nnx
from hypothesis import given
from hypothesis import strategies as st
from sides import FEW, directions, equal, outputs_and_gradient, same, seeds, sizes, stack
from support import ROOT

from grux.cells.elman import ElmanCell
from grux.cells.gru import GRUCell
from grux.cells.gru_reset_before import GRUResetBeforeCell
from grux.cells.lstm import LSTMCell
from grux.errors import DataError, UsageError
from grux.interop import from_keras, to_keras

CELLS = {"elman": ElmanCell, "gru": GRUCell, "gru_reset_before": GRUResetBeforeCell, "lstm": LSTMCell}
SHAPES = {"deep": {"depth": 2, "directions": 2}, "plain": {"depth": 1, "directions": 1}}
every = pytest.mark.parametrize(("name", "shape"), [(name, shape) for name in CELLS for shape in SHAPES])


def check(name, shape, ref):
    weights = [ref[f"w{i}"] for i in range(sum(key.startswith("w") for key in ref))]
    ours = from_keras(weights, like=stack(CELLS[name], in_features=4, features=5, **SHAPES[shape]))
    same(outputs_and_gradient(lambda x: ours(x)[0], ref["x"]), (ref["y"], ref["d_x"]))


@every
def test_equals_the_exported_numbers_of_keras(name, shape):
    with np.load(ROOT / "tests" / "fixtures" / "keras_reference.npz", allow_pickle=False) as stored:
        start = f"{name}/{shape}/"
        ref = {key.removeprefix(start): stored[key] for key in stored.files if key.startswith(start)}
    check(name, shape, ref)


@pytest.mark.filterwarnings("ignore::DeprecationWarning:keras")
@pytest.mark.parametrize("name", CELLS)
def test_equals_keras_itself(name, monkeypatch):
    if importlib.util.find_spec("keras") is None:
        pytest.skip("Keras is not installed; the exported numbers stand in for it")
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    export = importlib.import_module("export_references")
    with jax.numpy_rank_promotion("allow"):  # Keras' code, not ours
        ref = export.keras_reference(name, "deep", seed=7)
    check(name, "deep", ref)


@FEW
@given(cell=st.sampled_from(list(CELLS.values())), d=sizes, h=sizes, depth=sizes, directions=directions, seed=seeds)
def test_there_and_back_is_exact(cell, d, h, depth, directions, seed):
    widths = {"in_features": d, "features": h, "depth": depth, "directions": directions}
    ours, like = stack(cell, **widths, seed=seed), stack(cell, **widths, seed=seed + 1)
    arrays, before = to_keras(ours), to_keras(like)
    back = from_keras(arrays, like=like)
    equal(nnx.state(back), nnx.state(ours))
    equal(to_keras(like), before)
    equal(to_keras(back), arrays)


@pytest.mark.parametrize("cell", CELLS.values())
def test_without_biases(cell):
    ours = stack(cell, depth=2, directions=2)
    with pytest.raises(UsageError, match="without biases cannot hold b_ih"):
        to_keras(ours, bias=False)
    arrays = [array for i, array in enumerate(to_keras(ours)) if i % 3 < 2]
    back = from_keras(arrays, like=ours)
    equal(to_keras(back, bias=False), arrays)


def test_the_bias_tells_where_the_reset_gate_stands():
    after, before = stack(GRUCell), stack(GRUResetBeforeCell)
    with pytest.raises(DataError, match=r"level 0 forward bias \(6,\) where \(2, 6\) is needed"):
        from_keras(to_keras(before), like=after)
    with pytest.raises(DataError, match=r"level 0 forward bias \(2, 6\) where \(6,\) is needed"):
        from_keras(to_keras(after), like=before)


def test_the_number_of_arrays_is_checked():
    with pytest.raises(DataError, match=r"has 12 arrays \(level 0 forward kernel, .* but 6 were given"):
        from_keras(to_keras(stack(LSTMCell, depth=2)), like=stack(LSTMCell, depth=2, directions=2))


def test_other_shapes_are_listed():
    with pytest.raises(DataError, match=r"level 0 forward kernel \(3, 8\) where \(5, 8\) is needed"):
        from_keras(to_keras(stack(LSTMCell)), like=stack(LSTMCell, in_features=5))


def test_residual_connections_are_refused():
    with pytest.raises(UsageError, match="Keras has no residual connections"):
        to_keras(stack(GRUCell, depth=2, residual=True))
