"""What a model costs on some data: the `parameters`, `recurrence` and `flops` of a run record."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from flax import nnx

from grux.counting.parameters import RULES, count_parameters, count_recurrent
from grux.counting.recurrence import count_layers
from grux.data.base import Dataset, take_rows
from grux.layers.recurrent import Recurrent
from grux.tasks.base import Task
from grux.training.flops import count_flops

FLOPS_RULE = (
    "2 per multiply-add of matrix products, padded time steps counted, elementwise work left out; training: forward "
    "and backward, without recomputation and without gradients that no parameter needs"
)


def count(model: nnx.Module, task: Task, dataset: Dataset) -> dict[str, Any]:
    """Plain values for JSON. `model` may come from `nnx.eval_shape`: nothing is computed, and it is left as it is."""
    layers = count_layers(model)
    forward, training = flops_per_example(model, task, dataset)
    return {
        "parameters": {
            "total": count_parameters(model),
            "recurrent": count_recurrent(model),
            "by_rule": {name: count_parameters(model, name) for name in RULES},
            "rule": RULES["all"].meaning,
        },
        "recurrence": {
            "state": sum(layer.state for layer in layers),
            "step_flops": sum(layer.step_flops for layer in layers),
            "layers": [dataclasses.asdict(layer) for layer in layers],
        },
        "flops": {"forward_per_example": forward, "training_per_example": training, "rule": FLOPS_RULE},
    }


def flops_per_example(model: nnx.Module, task: Task, dataset: Dataset) -> tuple[float, float]:
    """Operations of the forward pass, and of forward and backward, per training example over its padded shapes.

    Counted on the program with every recurrent layer run by `strategy: sequential`: the others compute parts of the
    backward pass twice, or in foreign code of which a program shows nothing.
    """
    return forward_flops(model, task, dataset), training_flops(model, task, dataset)


def forward_flops(model: nnx.Module, task: Task, dataset: Dataset) -> float:
    """The first number of `flops_per_example`."""
    call, params = _program(model)
    return _mean_over_examples(call, params, dataset)


def training_flops(model: nnx.Module, task: Task, dataset: Dataset) -> float:
    """The second number of `flops_per_example`."""
    call, params = _program(model)
    return _mean_over_examples(
        jax.grad(lambda params, batch: task.loss(call(params, batch), batch)[0]), params, dataset
    )


def _program(model: nnx.Module) -> tuple[Callable, Any]:
    """(parameters, batch) -> outputs, and the shapes of the parameters."""
    graph, params = nnx.split(_sequential(model))
    params = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), params)
    return lambda params, batch: nnx.merge(graph, params)(batch, key=None), params


def _mean_over_examples(function: Callable, params: Any, dataset: Dataset) -> float:
    """Operations of a function of (parameters, batch) per training example, each in the shape of its bucket."""
    train = dataset.splits["train"]
    rows = ((bucket.size, take_rows(bucket, bucket.arrays, np.zeros(1, np.int32))) for bucket in train.buckets)
    return sum(size * count_flops(function, params, row) for size, row in rows) / train.size


def _sequential(model: nnx.Module) -> nnx.Module:
    """A copy of the model whose recurrent layers are run one step at a time."""
    copy = nnx.merge(*nnx.split(model))
    for _, module in nnx.iter_modules(copy):
        if isinstance(module, Recurrent):
            module.strategy = "sequential"
    return copy
