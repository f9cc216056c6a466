"""Seeds side by side are the seeds alone, whatever the strategy; each has a best step and a stop of its own."""

import dataclasses
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small_runs import parts, same_bits

from grux.data.batching import epoch_plan
from grux.errors import UsageError
from grux.provenance import available_cores
from grux.training import seeds as seeds_module
from grux.training.programs import Programs, keep_best
from grux.training.seeds import SeedAxis, cpu_devices, seed_axis
from grux.training.state import TrainState

SEEDS = [7, 3, 12]
STEPS = 6


@pytest.fixture(scope="module")
def small():
    return parts("data.shortest=6", "learning_rate=0.02")


def trained(small, axis: SeedAxis, seeds: list[int], programs: Programs | None = None):
    """(state, metrics of all steps, validation scores) after STEPS steps."""
    programs = programs or small.programs(axis)
    split = small.dataset.splits["train"]
    state = programs.initial(seeds)
    (chunk, *_) = epoch_plan(split, batch_size=8, seeds=seeds, epoch=0, steps_per_chunk=STEPS)
    arrays = axis.place(split.buckets[0].arrays, seeded=False)
    state, metrics = programs.train(state, split.buckets[0], arrays, chunk, 0, STEPS)
    scores = programs.evaluate(state.params, small.dataset.splits["validation"], 8)
    return state, metrics, scores


@pytest.fixture(scope="module")
def alone(small):
    axis = SeedAxis("map", 1)
    programs = small.programs(axis)
    return [trained(small, axis, [seed], programs) for seed in SEEDS]


@pytest.fixture(scope="module")
def sharded(small):
    return trained(small, seed_axis(3, "shard"), SEEDS)


def assert_near(one, other) -> None:
    np.testing.assert_allclose(one, other, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("strategy", ["vmap", "map", "shard"])
def test_seeds_together_are_the_seeds_alone(small, alone, sharded, strategy):
    axis = seed_axis(len(SEEDS), strategy)
    assert axis.strategy == strategy
    state, metrics, scores = sharded if strategy == "shard" else trained(small, axis, SEEDS)
    for number, (single, single_metrics, single_scores) in enumerate(alone):
        mine, lone = (jax.tree.map(lambda x, n=n: x[n], tree) for tree, n in ((state, number), (single, 0)))
        jax.tree.map(assert_near, mine, lone)
        for name, values in single_metrics.items():
            assert_near(metrics[name][number], values[0])
        assert scores[number] == pytest.approx(single_scores[0], rel=1e-4)
    assert len(scores) == len(SEEDS)
    assert not np.allclose(scores[0]["loss"], scores[1]["loss"], atol=1e-4)
    np.testing.assert_array_equal(state.step[: len(SEEDS)], STEPS)
    np.testing.assert_array_equal(state.seed[: len(SEEDS)], SEEDS)


def test_a_filler_seed_takes_no_step(sharded):
    axis = seed_axis(3, "shard")
    assert (axis.size, axis.count) == (4, 3) and axis.seeds(SEEDS).tolist() == [7, 3, 12, 12]
    state, metrics, _ = sharded
    assert not bool(state.active[3]) and int(state.step[3]) == 0 and not np.asarray(metrics["taken"][3]).any()
    devices = {shard.device: shard.data.shape[0] for shard in state.step.addressable_shards}
    assert list(devices.values()) == [2, 2] and len(devices) == 2


@pytest.mark.parametrize(("count", "size"), [(1, 1), (2, 2), (3, 4), (4, 4), (5, 6)])
def test_sizes_are_filled_up_to_the_devices(count: int, size: int):
    assert seed_axis(count, "shard").size == size
    assert seed_axis(count, "vmap").size == seed_axis(count, "map").size == count


def devices(monkeypatch: pytest.MonkeyPatch, platform: str, count: int) -> None:
    found = [types.SimpleNamespace(platform=platform) for _ in range(count)]
    monkeypatch.setattr(jax, "local_devices", lambda: found)


def test_shard_needs_two_devices(monkeypatch: pytest.MonkeyPatch):
    devices(monkeypatch, "cpu", 1)
    with pytest.raises(UsageError, match="at least two devices and there is 1; choose seed_strategy=map"):
        seed_axis(3, "shard")


def test_auto_follows_the_platform(monkeypatch: pytest.MonkeyPatch):
    assert seed_axis(3).strategy == "shard" and seed_axis(1).strategy == "map"
    devices(monkeypatch, "cpu", 1)
    assert seed_axis(3).strategy == "map"
    devices(monkeypatch, "gpu", 1)
    assert seed_axis(3).strategy == "vmap"


def test_a_device_for_each_core_whatever_the_seeds(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(seeds_module, "available_cores", lambda: 4)
    assert cpu_devices() == 4
    monkeypatch.setattr(seeds_module, "available_cores", lambda: 1000)
    assert cpu_devices() == 32
    assert available_cores() >= 1


AXIS = SeedAxis("map", 2)


def evaluated(best: list[float], **changes) -> TrainState:
    """Two seeds at step 10 with parameters 1 and 2, whose best so far were 10 and 20 at step 5."""
    fields = {
        "seed": jnp.arange(2, dtype=jnp.uint32),
        "step": jnp.full(2, 10, jnp.int32),
        "params": {"w": jnp.array([[1.0], [2.0]]), "b": jnp.array([1.0, 2.0])},
        "opt_state": (),
        "active": jnp.ones(2, bool),
        "diverged": jnp.zeros(2, bool),
        "best_params": {"w": jnp.array([[10.0], [20.0]]), "b": jnp.array([10.0, 20.0])},
        "best_value": jnp.array(best, jnp.float32),
        "best_step": jnp.full(2, 5, jnp.int32),
        "waited": jnp.ones(2, jnp.int32),
        **changes,
    }
    return TrainState(**fields)


def keep(state: TrainState, *values: float, higher: bool = True, patience: int | None = None) -> TrainState:
    return keep_best(state, np.array(values), higher_is_better=higher, patience=patience, axis=AXIS)


@pytest.mark.parametrize(
    ("values", "higher", "kept"),
    [
        ((0.6, 0.4), True, [True, False]),
        ((0.6, 0.4), False, [False, True]),
        ((0.5, 0.5), True, [False, False]),  # the first of equals
        ((0.5, 0.5), False, [False, False]),
        ((np.nan, 0.9), True, [False, True]),
        ((np.nan, 0.1), False, [False, True]),
        ((np.inf, -np.inf), True, [True, False]),
    ],
)
def test_each_seed_keeps_its_own_best(values, higher: bool, kept: list[bool]):
    state = keep(evaluated([0.5, 0.5]), *values, higher=higher)
    assert state.best_step.tolist() == [10 if better else 5 for better in kept]
    assert state.best_params["b"].tolist() == [1.0 if kept[0] else 10.0, 2.0 if kept[1] else 20.0]
    assert state.best_params["w"][:, 0].tolist() == state.best_params["b"].tolist()
    expected = [value if better else 0.5 for value, better in zip(values, kept, strict=True)]
    np.testing.assert_array_equal(state.best_value, np.float32(expected))
    assert state.waited.tolist() == [0 if better else 2 for better in kept]
    assert state.active.tolist() == [True, True]


@pytest.mark.parametrize("higher", [True, False])
def test_nan_is_not_even_better_than_nothing(higher: bool):
    start = -np.inf if higher else np.inf
    state = keep(evaluated([start, start], best_step=jnp.full(2, -1, jnp.int32)), np.nan, np.nan, higher=higher)
    assert state.best_step.tolist() == [-1, -1]


def test_patience_counts_evaluations_in_a_row():
    state = evaluated([0.5, 0.5], waited=jnp.zeros(2, jnp.int32))
    state = keep(state, 0.1, 0.1, patience=2)
    assert state.active.tolist() == [True, True]
    state = keep(state, 0.6, 0.1, patience=2)  # the first begins anew, the second has waited twice
    assert (state.active.tolist(), state.waited.tolist()) == ([True, False], [0, 2])
    state = keep(state, np.nan, 0.9, patience=2)
    assert state.active.tolist() == [True, False]
    state = keep(state, 0.6, 0.9, patience=2)
    assert state.active.tolist() == [False, False]
    assert state.best_value.tolist() == pytest.approx([0.6, 0.5])


def test_a_stopped_seed_is_never_touched():
    stopped = evaluated([0.5, 0.5], active=jnp.array([False, False]), diverged=jnp.array([True, False]))
    kept = jax.tree.map(np.array, stopped)  # the state given is used up
    assert same_bits(keep(stopped, 0.9, 0.9, patience=3), kept)


def test_filler_seeds_are_never_better():
    axis = seed_axis(3, "shard")
    four = jax.tree.map(lambda x: jnp.concatenate([x, x]), evaluated([0.5, 0.5]))
    four = dataclasses.replace(four, active=jnp.array([True, True, True, False]))
    state = keep_best(axis.place(four, seeded=True), np.full(3, 0.9), higher_is_better=True, patience=None, axis=axis)
    assert state.best_step.tolist() == [10, 10, 10, 5]
