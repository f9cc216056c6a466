"""The counts that papers print, from cells of grux: a rule is right if the paper's sizes come out to the last digit."""

import functools
import math

import jax.numpy as jnp
import pytest
from flax import nnx
from support import ARCHS, arch

from grux.batch import Info
from grux.cells.lstm import LSTMCell
from grux.counting.parameters import RULES, count_parameters, count_recurrent
from grux.counting.recurrence import count_layers
from grux.layers.embedding import Embedding
from grux.layers.linear import Linear
from grux.layers.recurrent import Recurrent
from grux.layers.stack import Stack
from grux.models.classifier import Classifier


def stack(layer, in_features: int, features: int, depth: int = 1) -> Stack:
    make = arch(layer) if isinstance(layer, str) else lambda **sizes: Recurrent(cell=layer, **sizes)
    return nnx.eval_shape(
        lambda: Stack(layer=make, in_features=in_features, features=features, depth=depth, rngs=nnx.Rngs(0))
    )


@pytest.mark.parametrize(
    ("layer", "in_features", "features", "printed"),
    [
        ("lstm_peephole", 100, 36, 19_836),
        ("gru", 100, 46, 20_286),
        ("elman", 100, 100, 20_100),
        ("lstm_peephole", 20, 195, 169_065),
        ("gru", 20, 227, 168_888),
        ("elman", 20, 400, 168_400),
    ],
)
def test_chung(layer, in_features: int, features: int, printed: int):
    """Chung et al. 2014, table 1: music (100 inputs, 19.8K, 20.2K, 20.1K) and speech (20; 169.1K, 168.9K, 168.4K)."""
    assert count_parameters(stack(layer, in_features, features), "chung") == printed


@pytest.mark.parametrize(("features", "depth", "printed"), [(168, 1, 315_840), (120, 2, 318_720)])
def test_tai(features: int, depth: int, printed: int):
    """Tai et al. 2015, table 1: one layer and two, on GloVe vectors of 300."""
    assert count_parameters(stack("lstm", 300, features, depth), "tai") == printed


@pytest.mark.parametrize(
    ("layer", "in_features", "features", "depth", "outputs", "size"),
    [
        ("lstm", 1, 130, 1, 10, 70_470),
        ("gru", 1, 150, 1, 10, 70_360),
        ("elman", 1, 258, 1, 10, 69_928),
        ("lstm", 2, 130, 1, 1, 69_811),
        ("lstm", 2, 77, 2, 1, 73_074),
    ],
)
def test_bai(layer: str, in_features: int, features: int, depth: int, outputs: int, size: int):
    """Bai et al. 2018, appendix: sequential MNIST and the adding problem at 70K, readout included."""
    info = Info(name="x", task="classification", features=in_features, classes=tuple(map(str, range(outputs))))
    settings = {"embedding": 1, "bidirectional": False, "residual": False, "dropout": 0.0, "pooling": "last"}
    model = nnx.eval_shape(
        lambda: Classifier(
            info=info,
            layer=arch(layer),
            features=features,
            depth=depth,
            dtype="float32",
            rngs=nnx.Rngs(0),
            **settings,
        )
    )
    assert count_parameters(model, "bai") == size


class LanguageModel(nnx.Module):
    """Embedding, cell, back to the width of the embedding, scores by the same table."""

    def __init__(self, layer: str, vocabulary: int, embedding: int, features: int):
        rngs = nnx.Rngs(0)
        self.embedding = Embedding(vocabulary=vocabulary, features=embedding, rngs=rngs)
        self.layer = arch(layer)(in_features=embedding, features=features, rngs=rngs)
        self.down = Linear(in_features=features, features=embedding, bias=False, rngs=rngs)
        self.output = self.embedding.table
        self.bias = nnx.Param(jnp.zeros(vocabulary))


def test_melis():
    """Melis et al. 2018: the LSTM of depth 1 that their code publishes for 10M, the widest that fits."""
    model = nnx.eval_shape(lambda: LanguageModel("lstm", 10_000, 268, 1194))
    assert count_parameters(model, "melis") == 9_997_280
    wider = nnx.eval_shape(lambda: LanguageModel("lstm", 10_000, 268, 1195))
    assert count_parameters(wider, "melis") > 10_000_000


def test_all_is_what_is_trained():
    model = nnx.eval_shape(lambda: LanguageModel("gru", 11, 5, 7))
    cell = 3 * 7 * (5 + 7) + 3 * 7 + 7  # one bias for each gate and b_hn
    assert count_recurrent(model) == cell
    assert count_parameters(model) == 11 * 5 + cell + 7 * 5 + 11
    assert count_parameters(model, "melis") == count_parameters(model) - 7


@pytest.mark.parametrize("name", ARCHS)
def test_rules_differ_in_biases_and_readout_alone(name: str):
    """Nothing else of a cell changes with the rule, and a layer alone has no readout."""
    layer = stack(name, 5, 7, depth=2)
    one, two = count_parameters(layer, "chung"), count_parameters(layer, "tai")
    found = nnx.to_flat_state(nnx.state(layer))
    assert two - one == sum(math.prod(x.shape) for path, x in found if path[-1].startswith("b_") and path[-1] != "b_hn")
    assert (one, two) == (count_parameters(layer, "melis"), count_parameters(layer, "bai"))
    assert count_recurrent(layer) == count_parameters(layer) >= one


def test_a_wrapped_cell_counts_once():
    class Wrapped(LSTMCell):
        def __init__(self, *, in_features, features, rngs):
            super().__init__(in_features=in_features, features=features, rngs=rngs)
            self.inner = LSTMCell(in_features=in_features, features=features, rngs=rngs)

    single, wrapped = stack("lstm", 5, 7), stack(Wrapped, 5, 7)
    assert count_parameters(wrapped, "tai") == 2 * count_parameters(single, "tai")
    (layer,) = count_layers(wrapped)
    assert layer.cell == "Wrapped" and layer.parameters == 2 * count_parameters(single)


def test_what_a_layer_adds_to_its_cell_is_recurrent_too():
    plain = stack("gru", 5, 7)
    learned = nnx.eval_shape(
        lambda: Stack(
            layer=functools.partial(arch("gru"), initial_state="learned"), in_features=5, features=7, rngs=nnx.Rngs(0)
        )
    )
    assert count_recurrent(learned) == count_recurrent(plain) + 7
    assert count_parameters(learned, "chung") == count_parameters(plain, "chung") + 7
    assert [layer.parameters for layer in count_layers(learned)] == [count_recurrent(learned)]


def test_a_gate_with_a_bias_of_its_own_name():
    """MUT2 has a gate without an input matrix, whose bias stands apart from b_ih: it is the first of that gate."""

    class Apart(LSTMCell):
        def __init__(self, *, in_features, features, rngs):
            super().__init__(in_features=in_features, features=features, rngs=rngs)
            self.b_r, self.b_hr = (nnx.Param(jnp.zeros(features)) for _ in range(2))

    apart, plain = stack(Apart, 5, 7), stack("lstm", 5, 7)
    more = {name: count_parameters(apart, name) - count_parameters(plain, name) for name in RULES}
    assert more == {"all": 14, "chung": 7, "tai": 14, "bai": 14, "melis": 7}


def test_a_complex_number_is_two():
    class Complex(nnx.Module):
        def __init__(self):
            self.w = nnx.Param(jnp.zeros((3, 4), jnp.complex64))

    assert count_parameters(Complex()) == 24


def test_a_model_without_cells():
    model = Linear(in_features=3, features=4, rngs=nnx.Rngs(0))
    assert {name: count_parameters(model, name) for name in RULES} == {
        "all": 16,
        "chung": 0,
        "tai": 0,
        "bai": 16,
        "melis": 16,
    }


def test_every_rule_names_its_paper():
    assert all("arXiv" in rule.meaning for name, rule in RULES.items() if name != "all")
