"""State dicts of PyTorch: against its own modules, there and back, and what is refused."""

import importlib.util

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given
from hypothesis import strategies as st
from sides import FEW, directions, equal, inputs, outputs_and_gradient, same, seeds, sizes, stack
from support import ROOT

from grux.cells.elman import ElmanCell
from grux.cells.gru import GRUCell
from grux.cells.gru_reset_before import GRUResetBeforeCell
from grux.cells.irnn import IRNNCell
from grux.cells.lstm import LSTMCell
from grux.errors import DataError, UsageError
from grux.interop import from_torch, to_torch
from grux.layers.linear import Linear
from grux.layers.recurrent import Recurrent

MODULES = {ElmanCell: "RNN", IRNNCell: "RNN", GRUCell: "GRU", LSTMCell: "LSTM"}
REFERENCE = ROOT / "tests" / "fixtures" / "torch_reference.npz"
needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is not installed")
cells = st.sampled_from(list(MODULES))
depths = st.integers(1, 2)


def module(cell, d, h, depth, directions, bias, seed):
    """A module of PyTorch with random weights and biases."""
    import torch

    torch.manual_seed(seed)
    options = {"num_layers": depth, "bidirectional": directions == 2, "bias": bias, "batch_first": True}
    options |= {"nonlinearity": "relu"} if cell is IRNNCell else {}
    made = getattr(torch.nn, MODULES[cell])(d, h, **options)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return made


def run_module(made, x):
    import torch

    x = torch.tensor(x, requires_grad=True)
    y, _ = made(x)
    (y * torch.cos(torch.arange(y.numel(), dtype=y.dtype).reshape(y.shape))).sum().backward()
    return y.detach().numpy(), x.grad.numpy()


def nonlinearity(cell):
    return "relu" if cell is IRNNCell else "tanh"


@pytest.mark.parametrize("cell", MODULES)
def test_modules_of_two_levels_and_directions_by_exported_numbers(cell):
    """What CI sees, where PyTorch is not installed; written by scripts/export_references.py."""
    name = {ElmanCell: "elman", IRNNCell: "irnn", GRUCell: "gru", LSTMCell: "lstm"}[cell]
    with np.load(REFERENCE) as file:
        found = {key.split("/")[-1]: file[key] for key in file.files if key.startswith(f"deep/{name}/")}
    x, y, d_x = (found.pop(key).astype(np.float32) for key in ("x", "y", "d_x"))
    features = y.shape[-1] // 2
    like = stack(cell, in_features=x.shape[-1], features=features, depth=2, directions=2, seed=0)
    ours = from_torch(found, like=like, nonlinearity=nonlinearity(cell))
    for got, expected in zip(outputs_and_gradient(lambda x: ours(x)[0], x), (y, d_x), strict=True):
        np.testing.assert_allclose(got, expected, atol=2e-5)


@needs_torch
@FEW
@given(cell=cells, d=sizes, h=sizes, depth=depths, directions=directions, bias=st.booleans(), seed=seeds)
def test_coming_in_computes_the_same(cell, d, h, depth, directions, bias, seed):
    theirs = module(cell, d, h, depth, directions, bias, seed)
    like = stack(cell, in_features=d, features=h, depth=depth, directions=directions, seed=seed)
    ours = from_torch(theirs.state_dict(), like=like, nonlinearity=nonlinearity(cell))
    x = inputs(d, seed)
    same(outputs_and_gradient(lambda x: ours(x)[0], x), run_module(theirs, x))


@needs_torch
@FEW
@given(cell=cells, d=sizes, h=sizes, depth=depths, directions=directions, seed=seeds)
def test_going_out_computes_the_same(cell, d, h, depth, directions, seed):
    import torch

    ours = stack(cell, in_features=d, features=h, depth=depth, directions=directions, seed=seed)
    theirs = module(cell, d, h, depth, directions, True, seed)
    theirs.load_state_dict({name: torch.tensor(array) for name, array in to_torch(ours).items()}, strict=True)
    x = inputs(d, seed)
    same(outputs_and_gradient(lambda x: ours(x)[0], x), run_module(theirs, x))


@FEW
@given(cell=cells, d=sizes, h=sizes, depth=st.integers(1, 3), directions=directions, seed=seeds)
def test_there_and_back_is_exact(cell, d, h, depth, directions, seed):
    widths = {"in_features": d, "features": h, "depth": depth, "directions": directions}
    ours, like = stack(cell, **widths, seed=seed), stack(cell, **widths, seed=seed + 1)
    arrays, before = to_torch(ours), to_torch(like)
    back = from_torch(arrays, like=like, nonlinearity=nonlinearity(cell))
    equal(nnx.state(back), nnx.state(ours))
    equal(to_torch(like), before)
    equal(to_torch(back), arrays)


def test_without_biases():
    ours = stack(GRUCell, depth=2, directions=2)
    with pytest.raises(UsageError, match=r"nn\.GRU without biases cannot hold b_ih"):
        to_torch(ours, bias=False)
    arrays = {name: array for name, array in to_torch(ours).items() if name.startswith("weight")}
    back = from_torch(arrays, like=ours)
    assert not back.layers[1].backward.cell.b_hn[...].any()
    equal(to_torch(back, bias=False), arrays)
    back.layers[1].backward.cell.b_hn[...] = jnp.ones(2)
    with pytest.raises(UsageError, match="cannot hold b_hn"):
        to_torch(back, bias=False)


def test_the_layer_keeps_its_kind_and_its_type():
    arrays = to_torch(stack(LSTMCell))
    one = Recurrent(cell=LSTMCell, in_features=3, features=2, strategy="sequential", rngs=nnx.Rngs(0))
    back = from_torch(arrays, like=one)
    assert isinstance(back, Recurrent) and back.strategy == "sequential"
    equal(to_torch(back), arrays)
    cell = from_torch({name: array.astype(np.float64) for name, array in arrays.items()}, like=one.cell)
    assert isinstance(cell, LSTMCell) and cell.w_ih.dtype == jnp.float32
    equal(to_torch(cell), arrays)


def test_half_precision_comes_in_and_is_added_in_float32():
    arrays = {name: array.astype(np.float16) for name, array in to_torch(stack(ElmanCell)).items()}
    arrays["bias_hh_l0"] = np.full((2,), 2.0**-10, np.float16)
    arrays["bias_ih_l0"] = np.full((2,), 8.0, np.float16)
    assert from_torch(arrays, like=stack(ElmanCell)).layers[0].cell.b_ih[0, 0] == 8 + 2.0**-10


def test_dropout_is_no_weight():
    equal(to_torch(stack(GRUCell, depth=2, dropout=0.5)), to_torch(stack(GRUCell, depth=2)))


def test_other_shapes_are_listed():
    arrays = to_torch(stack(GRUCell, depth=2))
    with pytest.raises(DataError) as found:
        from_torch(arrays, like=stack(GRUCell, in_features=5, features=4, depth=2))
    sentence = str(found.value)
    assert "weight_ih_l0 (6, 3) where (12, 5) is needed, weight_hh_l0 (6, 2) where (12, 4) is needed" in sentence
    assert "and 5 more" in sentence and "PyTorch's nn.GRU" in sentence and "weight_ih_l1" not in sentence


def test_missing_and_unexpected_names_are_listed():
    one, two = stack(LSTMCell), stack(LSTMCell, depth=2)
    with pytest.raises(DataError, match="missing: weight_ih_l1, weight_hh_l1, bias_ih_l1 and 1 more"):
        from_torch(to_torch(one), like=two)
    with pytest.raises(DataError, match="unexpected: weight_ih_l1, weight_hh_l1, bias_ih_l1 and 1 more"):
        from_torch(to_torch(two), like=one)
    arrays = to_torch(one)
    del arrays["bias_hh_l0"]
    with pytest.raises(DataError, match="missing: bias_hh_l0"):
        from_torch(arrays, like=one)


def test_integers_are_no_weights():
    arrays = {name: array.astype(np.int8) for name, array in to_torch(stack(LSTMCell)).items()}
    with pytest.raises(DataError, match=r"not of floats: weight_ih_l0 \(int8\)"):
        from_torch(arrays, like=stack(LSTMCell))


@needs_torch
def test_a_tensor_that_numpy_cannot_read_is_named():
    arrays = {name: array.bfloat16() for name, array in module(GRUCell, 3, 2, 1, 1, True, 0).state_dict().items()}
    with pytest.raises(DataError, match="The array weight_ih_l0 cannot be read by numpy"):
        from_torch(arrays, like=stack(GRUCell))


def test_other_nonlinearities_and_projections_are_refused_by_name():
    arrays = to_torch(stack(ElmanCell))
    with pytest.raises(UsageError, match=r"nonlinearity='tanh' of nn\.RNN is not what IRNNCell computes"):
        from_torch(to_torch(stack(IRNNCell)), like=stack(IRNNCell))
    with pytest.raises(UsageError, match=r"nonlinearity='relu' of nn\.RNN is not what ElmanCell computes"):
        from_torch(arrays, like=stack(ElmanCell), nonlinearity="relu")
    arrays = to_torch(stack(LSTMCell)) | {"weight_hr_l0": np.zeros((1, 2), np.float32)}
    with pytest.raises(UsageError, match="proj_size"):
        from_torch(arrays, like=stack(LSTMCell))


def with_a_learned_state():
    return Recurrent(cell=GRUCell, in_features=3, features=2, initial_state="learned", rngs=nnx.Rngs(0))


def mixed():
    layer = stack(GRUCell, depth=2)
    layer.layers[1] = stack(LSTMCell, in_features=2).layers[0]
    return layer


def several_seeds():
    layer = stack(GRUCell)
    cell = layer.layers[0].cell
    cell.w_ih = nnx.Param(cell.w_ih[...][None])
    return layer


def one(**options):
    return Recurrent(cell=GRUCell, in_features=3, features=2, rngs=nnx.Rngs(0), **options)


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: stack(GRUResetBeforeCell), "no counterpart of GRUResetBeforeCell"),
        (lambda: stack(GRUCell, depth=2, residual=True), "no residual connections"),
        (lambda: one(reverse=True), "reverse=True alone"),
        (lambda: Linear(in_features=3, features=2, rngs=nnx.Rngs(0)), "this is Linear"),
        (
            lambda: Recurrent(cell=GRUCell, in_features=3, features=2, initial_state="learned", rngs=nnx.Rngs(0)),
            "the parameter initial",
        ),
        (mixed, "mixes GRUCell and LSTMCell in 2 levels"),
        (several_seeds, r"\(1, 3, 3, 2\) where \(3, 3, 2\) is needed; of weights for several seeds"),
    ],
)
def test_what_has_no_counterpart_is_refused(make, complaint):
    with pytest.raises(UsageError, match=complaint):
        to_torch(make())


def test_a_residual_connection_that_never_acts_is_none():
    plain, residual = (stack(GRUCell, in_features=3, features=2, residual=r) for r in (False, True))
    equal(to_torch(plain), to_torch(residual))
