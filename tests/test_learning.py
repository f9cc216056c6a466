"""Every arch learns to recall the first token, and step by step it is the same network as over whole sequences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from small_runs import parts
from support import ARCHS

from grux.data.base import take_rows
from grux.data.batching import epoch_plan
from grux.training.seeds import SeedAxis

STEPS, BATCH = 240, 32
ACCURACY = 0.9  # guessing reaches 0.25
WITHOUT_GATES = {"elman": 0.6, "indrnn": 0.5, "lru": 0.5}  # they forget, and are slow
# Gates that do not see the past cannot tell the first token from a later one; those of a second layer see the first.
# One layer of attention knows the distance of a token alone, which in sequences of unequal length tells no first one.
DEPTH = {"mingru": 2, "minlstm": 2, "transformer": 2}
RATE = {"tcn": 0.01}  # ten layers of ReLU


@pytest.fixture(scope="module", params=ARCHS)
def learned(request):
    """(arch, parts, programs, state) after STEPS steps on sequences of 5 to 8 tokens."""
    sizes = ("data.shortest=5", "data.train=512", "data.test=256", "model.features=16")
    own = (f"model.depth={DEPTH.get(request.param, 1)}", f"learning_rate={RATE.get(request.param, 0.02)}")
    small = parts(f"arch={request.param}", *own, *sizes)
    axis = SeedAxis("map", 1)
    programs = small.programs(axis)
    split, state, epoch = small.dataset.splits["train"], programs.initial([0]), 0
    while int(state.step[0]) < STEPS:
        for chunk in epoch_plan(split, batch_size=BATCH, seeds=[0], epoch=epoch, steps_per_chunk=32):
            bucket = split.buckets[chunk.bucket]
            state, _ = programs.train(state, bucket, bucket.arrays, chunk, 0, chunk.steps)
        epoch += 1
    return request.param, small, programs, state


def test_it_learns(learned):
    arch, small, programs, state = learned
    (scores,) = programs.evaluate(state.params, small.dataset.splits["test"], BATCH)
    assert scores["accuracy"] >= WITHOUT_GATES.get(arch, ACCURACY), scores


def test_step_by_step_it_predicts_the_same(learned):
    """The layers called with one token at a time, its carry handed on, as it is used on a stream."""
    _, small, programs, state = learned
    model = nnx.merge(programs.graph, jax.tree.map(lambda x: x[0], state.params))
    bucket = small.dataset.splits["test"].buckets[0]
    batch = jax.tree.map(jnp.asarray, take_rows(bucket, bucket.arrays, np.arange(bucket.size)))
    layer = model.layers
    x = model.embedding(batch.inputs, dtype=jnp.float32)
    carry = layer.initial_carry(x.shape[0])
    last = jnp.zeros((x.shape[0], layer.out_features))
    one = jax.jit(lambda token, mask, carry: layer(token, mask=mask, carry=carry))
    for t in range(x.shape[1]):
        real = batch.mask[:, t : t + 1]
        y, carry = one(x[:, t : t + 1], real, carry)
        last = jnp.where(real, y[:, 0], last)
    logits = model.head(last, dtype=jnp.float32)
    whole = model(batch, key=None)
    np.testing.assert_allclose(logits, whole, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(logits.argmax(-1), whole.argmax(-1))
