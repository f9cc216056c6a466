"""What a record says a model costs: whole models against closed forms, and the same by every strategy."""

import json

import jax
import numpy as np
import pytest
from flax import nnx
from small_runs import SMALL

import grux.layers.recurrent as recurrent
from grux.config import build, compose
from grux.counting.model import count
from grux.data.base import Dataset

WIDE, HIDDEN, CLASSES, GATES = 6, 8, 4, {"gru": 3, "lstm": 4, "elman": 1}


def built(*overrides: str):
    """Model (as shapes), task and data of a command line."""
    config = compose(overrides).config
    dataset, make_model, layer = (build(config[node]) for node in ("data", "model", "arch"))
    model = nnx.eval_shape(lambda: make_model(info=dataset.info, layer=layer, rngs=nnx.Rngs(0)))
    return model, build(config["task"])(info=dataset.info), dataset


def mean_steps(dataset: Dataset) -> float:
    """Padded steps of a training example."""
    train = dataset.splits["train"]
    return sum(bucket.shape[0] * bucket.size for bucket in train.buckets) / train.size


@pytest.mark.parametrize("arch", sorted(GATES))
def test_a_classifier_in_closed_form(arch: str):
    model, task, dataset = built(*SMALL, f"arch={arch}", "model.depth=2")
    found = count(model, task, dataset)
    first, second = (2 * GATES[arch] * HIDDEN * (width + HIDDEN) for width in (WIDE, HIDDEN))
    forward = mean_steps(dataset) * (first + second) + 2 * HIDDEN * CLASSES
    assert found["flops"]["forward_per_example"] == pytest.approx(forward)
    # An embedding is trained below, so that every product has both gradients.
    assert found["flops"]["training_per_example"] == pytest.approx(3 * forward)
    assert found["recurrence"]["step_flops"] == first + second
    assert found["recurrence"]["state"] == 2 * HIDDEN * (2 if arch == "lstm" else 1)
    assert [layer["step_flops"] for layer in found["recurrence"]["layers"]] == [first, second]
    leaves = jax.tree.leaves(nnx.state(model))
    assert found["parameters"]["total"] == sum(int(np.prod(x.shape)) for x in leaves)
    assert found["parameters"]["by_rule"]["all"] == found["parameters"]["total"]
    recurrent_layers = [layer["parameters"] for layer in found["recurrence"]["layers"]]
    assert found["parameters"]["recurrent"] == sum(recurrent_layers) < found["parameters"]["total"]
    assert json.loads(json.dumps(found)) == found


def test_float_features_need_no_gradient():
    pytest.importorskip("vega_datasets")
    model, task, dataset = built("data=seattle_temperature", f"model.features={HIDDEN}")
    found, info = count(model, task, dataset), dataset.info
    inputs, past = 2 * 3 * info.features * HIDDEN, 2 * 3 * HIDDEN * HIDDEN
    head = 2 * HIDDEN * info.horizon * info.features
    assert found["flops"]["forward_per_example"] == info.window * (inputs + past) + head
    assert found["flops"]["training_per_example"] == info.window * (2 * inputs + 3 * past) + 3 * head


def test_every_strategy_counts_the_same():
    one, other = (built(*SMALL, f"arch.strategy={name}") for name in ("gated", "sequential"))
    assert count(*one) == count(*other)


def test_only_the_sequential_strategy_is_traced(monkeypatch: pytest.MonkeyPatch):
    """Others may compute in foreign code, of which a program shows no product."""
    (model, task, dataset), real = built(*SMALL, "model.bidirectional=true"), recurrent.run

    def run(*arguments, strategy, **options):
        assert strategy == "sequential"
        return real(*arguments, strategy=strategy, **options)

    monkeypatch.setattr(recurrent, "run", run)
    assert count(model, task, dataset)["flops"]["training_per_example"] > 0
    layers = [module for _, module in nnx.iter_modules(model) if isinstance(module, recurrent.Recurrent)]
    assert [layer.strategy for layer in layers] == ["auto"] * 2  # the model that was given is as it was


def test_a_translator_is_counted_with_attention_and_bridge():
    pytest.importorskip("jupyterlab_language_pack_fr_FR")
    text = ("data=jupyterlab_fr", "data.tokens=characters", "data.vocabulary_size=null", "data.buckets=1")
    found = count(*built(*text, "data.max_length=16", "model.attention=bahdanau", "model.features=8"))
    names = [layer["name"] for layer in found["recurrence"]["layers"]]
    assert names == ["decoder.layers.0", "encoder.layers.0.backward", "encoder.layers.0.forward"]
    assert found["flops"]["training_per_example"] == pytest.approx(3 * found["flops"]["forward_per_example"], rel=0.05)


@pytest.mark.parametrize("attention", ["luong", "luong_concat", "bahdanau"])
def test_input_feeding_costs_a_product_of_each_target_step(attention: str):
    """And nothing else, though the decoder then runs one step at a time."""
    words = ["data=generated_dialogue", f"model.features={HIDDEN}", "model.embedding=6", f"model.attention={attention}"]
    model, task, dataset = built(*words)
    fed, _, _ = built(*words, "model.input_feeding=true")
    plain, more = (count(each, task, dataset)["flops"] for each in (model, fed))
    train = dataset.splits["train"]
    steps = sum(bucket.shape[1] * bucket.size for bucket in train.buckets) / train.size
    product = 2 * GATES["gru"] * HIDDEN * HIDDEN
    assert more["forward_per_example"] - plain["forward_per_example"] == pytest.approx(steps * product)
    assert more["training_per_example"] - plain["training_per_example"] == pytest.approx(3 * steps * product)
