"""What a model costs on some data: the `parameters`, `recurrence` and `flops` of a run record."""

import dataclasses
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
    graph, params = nnx.split(_sequential(model))
    params = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), params)
    train = dataset.splits["train"]

    def forward(params, batch):
        return nnx.merge(graph, params)(batch, key=None)

    def loss(params, batch):
        return task.loss(forward(params, batch), batch)[0]

    totals = np.zeros(2)
    for bucket in train.buckets:
        row = take_rows(bucket, bucket.arrays, np.zeros(1, np.int32))
        totals += np.multiply(bucket.size, [count_flops(f, params, row) for f in (forward, jax.grad(loss))])
    forward_flops, training_flops = (totals / train.size).tolist()
    return forward_flops, training_flops


def _sequential(model: nnx.Module) -> nnx.Module:
    """A copy of the model whose recurrent layers are run one step at a time."""
    copy = nnx.merge(*nnx.split(model))
    for _, module in nnx.iter_modules(copy):
        if isinstance(module, Recurrent):
            module.strategy = "sequential"
    return copy
