"""The tagger: an output at each step, never a look ahead, and data that it is not for."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from support import randomise

from grux.batch import Batch, Info
from grux.cells.gru import GRUCell
from grux.errors import UsageError
from grux.layers.recurrent import Recurrent
from grux.models.tagger import Tagger

TOKENS = Info(name="toy", task="probe", vocabulary=11, classes=("a", "b", "c"))
NUMBERS = Info(name="toy", task="regression", features=2, means=(1.0,))
OPTIONS = dict(embedding=6, features=8, depth=2, residual=False, dropout=0.0, dtype="float32")


def model(info: Info, **options) -> Tagger:
    layer = functools.partial(Recurrent, cell=GRUCell)
    return randomise(Tagger(info=info, layer=layer, **{**OPTIONS, **options}, rngs=nnx.Rngs(0)), 0)


def batch(info: Info, lengths=(6, 4, 0)) -> Batch:
    random = np.random.default_rng(0)
    mask = np.arange(6)[None, :] < np.array(lengths)[:, None]
    inputs = random.integers(0, 11, mask.shape) if info.vocabulary else random.normal(size=(*mask.shape, 2))
    return Batch(*map(jnp.asarray, (inputs.astype(np.int32 if info.vocabulary else np.float32), mask, mask, mask)))


@pytest.mark.parametrize("info", [TOKENS, NUMBERS], ids=["classes", "numbers"])
def test_every_step_has_an_output_of_its_past(info: Info):
    net, data = model(info), batch(info)
    outputs = net(data)
    assert outputs.shape == (3, 6, 3 if info is TOKENS else 1)
    assert outputs.dtype == jnp.float32 and jnp.isfinite(outputs).all()
    early = net(jax.tree.map(lambda x: x[1:2, :3], data))
    np.testing.assert_allclose(outputs[1, :3], early[0], atol=1e-6)
    assert not np.allclose(outputs[0, 3], model(info)(data._replace(inputs=data.inputs.at[0, 0].add(1)))[0, 3])
    layers, x, mask = net.recurrence(data)
    np.testing.assert_allclose(net.head(layers(x, mask=mask)[0], dtype=jnp.float32), outputs, atol=1e-6)


def test_dropout_is_drawn_from_the_key_alone():
    net, data = model(TOKENS, dropout=0.5), batch(TOKENS)
    one, again, other = (net(data, key=jax.random.key(seed)) for seed in (0, 0, 1))
    assert (one == again).all() and (one != other).any() and (net(data) == net(data)).all()


@pytest.mark.parametrize("task", ["classification", "forecasting"])
def test_other_data_are_refused(task: str):
    info = Info(name="toy", task=task, vocabulary=11, classes=("a", "b"), means=(1.0,))
    with pytest.raises(UsageError, match=rf"data=toy \({task}\) asks for something else"):
        model(info)
