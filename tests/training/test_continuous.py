"""Training and evaluation on a text: the state goes on from batch to batch, the gradient does not."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from small_runs import leaves, lines, parts, train

import grux.run
from grux.data.base import take_rows
from grux.data.batching import epoch_plan
from grux.errors import Interrupted, UsageError
from grux.training.interrupts import StopFlag
from grux.training.seeds import SeedAxis, seed_axis

TEXT = "the quick brown fox jumps over the lazy dog; a stitch in time saves nine. " * 6
ROWS = 3


@pytest.fixture
def words(tmp_path) -> list[str]:
    (tmp_path / "my.txt").write_text(TEXT)
    # In the place of the recall task of small runs.
    return ["data=text", f"data.path={tmp_path / 'my.txt'}", "data.share=0.2", "data.steps=5", f"batch_size={ROWS}"]


@pytest.fixture
def small(words, monkeypatch):
    monkeypatch.setattr("small_runs.SMALL", ("model.embedding=6", "model.features=8"))
    return parts(*words, "optimizer=sgd", "learning_rate=0.1", "clip=null")


def run(words, folder, *more, **options):
    return train(*words, "seeds=2", "learning_rate=0.02", *more, folder=folder, **options)


@pytest.fixture
def bare(monkeypatch):
    monkeypatch.setattr(
        "small_runs.SMALL", ("model.features=8", "model.embedding=6", "tensorboard=false", "progress=none")
    )


@pytest.mark.parametrize("strategy", ["map", "vmap"])
def test_an_epoch_is_that_of_a_plain_loop(small, strategy):
    axis = seed_axis(2, strategy)
    programs = small.programs(axis, streams=ROWS)
    split = small.dataset.splits["train"]
    (bucket,) = split.buckets
    plan = epoch_plan(split, batch_size=ROWS, seeds=[4, 9], epoch=0, steps_per_chunk=4)
    state = programs.initial([4, 9])
    start = jax.tree.map(lambda x: np.asarray(x)[0], state.params)
    arrays = axis.place(bucket.arrays, seeded=False)
    losses = []
    for chunk in plan:
        state, metrics = programs.train(state, bucket, arrays, chunk, 0, chunk.steps)
        losses += np.asarray(metrics["loss"])[0, : chunk.steps].tolist()

    params, carry, plain = start, nnx.merge(programs.graph, nnx.State({}), start).initial_carry(ROWS), []
    memory = small.optimizer.init(start)
    for chunk in plan:
        for index in chunk.index[0, : chunk.steps]:
            batch = jax.tree.map(jnp.asarray, take_rows(bucket, bucket.arrays, index))

            def loss(params, carry, batch=batch):
                model = nnx.merge(programs.graph, nnx.State({}), params)
                outputs, carry = model.run(batch.inputs, batch.mask, carry=carry, key=None)
                total, count = small.task.loss(outputs, batch)
                return total / count, carry

            (value, carry), grads = jax.value_and_grad(loss, has_aux=True)(params, jax.lax.stop_gradient(carry))
            plain.append(float(value))
            updates, memory = small.optimizer.update(grads, memory, params)
            params = optax.apply_updates(params, updates)
    np.testing.assert_allclose(losses, plain, rtol=2e-4)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(np.asarray(a)[0], b, rtol=2e-3, atol=2e-5), state.params, params
    )
    jax.tree.map(lambda a, b: np.testing.assert_allclose(np.asarray(a)[0], b, rtol=2e-3, atol=2e-5), state.carry, carry)
    fresh = programs.from_the_start(state)
    assert all((np.asarray(x) == 0).all() for x in jax.tree.leaves(fresh.carry))
    assert any((np.asarray(x) != 0).any() for x in jax.tree.leaves(state.carry))


def test_an_evaluation_is_that_of_the_whole_text_at_once(small):
    axis = SeedAxis("map", 1)
    programs = small.programs(axis, streams=ROWS)
    state = programs.initial([3])
    (found,) = programs.evaluate(state.params, small.dataset.splits["test"], ROWS)
    tokens = small.dataset.splits["test"].buckets[0].arrays["tokens"][None]
    model = nnx.merge(programs.graph, nnx.State({}), jax.tree.map(lambda x: x[0], state.params))
    logits, _ = model.run(jnp.asarray(tokens[:, :-1]), mask=None, carry=model.initial_carry(1), key=None)
    chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), jnp.asarray(tokens[:, 1:, None]), axis=-1)
    assert found["loss"] == pytest.approx(-float(chosen.mean()), rel=1e-5)


def test_a_text_that_is_stopped_in_the_middle_goes_on_bit_for_bit(bare, words, tmp_path, monkeypatch):
    more = ("epochs=3", "eval_every=7", "steps_per_dispatch=4", "model.dropout=0.1")
    run(words, tmp_path / "straight", *more)

    class Stops(StopFlag):
        asked = 0

        def __bool__(self) -> bool:
            Stops.asked += 1
            return Stops.asked >= 4

    with monkeypatch.context() as patch:
        patch.setattr(grux.run, "StopFlag", Stops)
        with pytest.raises(Interrupted):
            run(words, tmp_path / "stopped", *more)
    assert not (tmp_path / "stopped" / "result.json").exists()
    run(words, tmp_path / "stopped", *more)
    one, other = leaves(tmp_path / "straight"), leaves(tmp_path / "stopped")
    assert one.keys() == other.keys()
    assert all(np.asarray(one[name]).tobytes() == np.asarray(other[name]).tobytes() for name in one)
    assert lines(tmp_path / "straight") == lines(tmp_path / "stopped")


def test_runs_together_carry_their_own_states(bare, words, tmp_path):
    from grux.cli import main

    small = ["model.features=8", "model.embedding=6", "tensorboard=false", "progress=none", "epochs=1"]
    rates = ["learning_rate=0.01,0.05", "together=[learning_rate]"]
    assert main(["train", "-m", *words, *small, *rates, f"runs={tmp_path / 'runs'}"]) == 0
    (alone,) = [run(words[:], tmp_path / "alone", "learning_rate=0.05", "epochs=1", "seeds=1")]
    import json

    records = [json.loads(path.read_text()) for path in (tmp_path / "runs").glob("default/*/result.json")]
    (twin,) = [record for record in records if record["config"]["learning_rate"] == 0.05]
    scores = [record["seeds"][0]["scores"]["test"]["loss"] for record in (twin, alone)]
    assert len(records) == 2 and scores[0] == pytest.approx(scores[1], rel=1e-3)
    assert alone["metric"]["primary"] == "bits_per_character" and "score_by_length" not in alone


@pytest.mark.parametrize("word", ["accumulate=2", "mesh.data=2"])
def test_batches_that_go_on_are_not_divided(bare, words, tmp_path, word):
    with pytest.raises(UsageError, match=f"{word} divides batches, and those of a text go on"):
        run([*words, "batch_size=4"], tmp_path / "run", word)


def test_a_step_that_is_not_finite_leaves_the_state_where_it_was(small):
    axis = SeedAxis("map", 1)
    programs = small.programs(axis, streams=ROWS)
    (bucket,) = small.dataset.splits["train"].buckets
    state = programs.initial([0])
    broken = dataclasses.replace(state, params=jax.tree.map(lambda x: x * jnp.nan, state.params))
    (chunk, *_) = epoch_plan(small.dataset.splits["train"], batch_size=ROWS, seeds=[0], epoch=0, steps_per_chunk=2)
    after, _ = programs.train(broken, bucket, axis.place(bucket.arrays, seeded=False), chunk, 0, 1)
    assert bool(after.diverged[0]) and all(np.isfinite(x).all() for x in map(np.asarray, jax.tree.leaves(after.carry)))
