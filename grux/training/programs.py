"""The compiled programs of a run: steps, evaluation, decoding; each compiled once per shape, and timed apart.

Compiling ahead of time keeps the seconds of compilation out of the seconds of training.
"""

import dataclasses
import functools
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from grux.batch import Batch
from grux.data.base import Bucket, Split, take_rows
from grux.data.batching import Chunk, eval_plan
from grux.tasks.base import Sums, Task
from grux.training.seeds import SeedAxis
from grux.training.state import WEIGHTS, TrainState, initial_state, seed_key
from grux.training.step import make_step, run_chunk

LENGTH_FACTOR, LENGTH_EXTRA = 2, 10
EVALUATION_CHUNK = 8  # batches per dispatch; few, since each evaluation uploads its batches


class Programs:
    """Compiled programs over all seeds of a run, made when first needed. `compile_seconds` adds up their cost."""

    def __init__(
        self,
        *,
        build_model: Callable[[nnx.Rngs], nnx.Module],
        task: Task,
        optimizer: optax.GradientTransformationExtraArgs,
        axis: SeedAxis,
        accumulate: int = 1,
    ):
        model = nnx.eval_shape(lambda: build_model(nnx.Rngs(0)))
        self.graph = nnx.split(model)[0]
        self._kind = type(model)
        self._build = build_model
        self._task = task
        self._optimizer = optimizer
        self._axis = axis
        self._step = make_step(self.graph, task, optimizer, accumulate)
        self._compiled: dict[Any, Callable] = {}
        self.compile_seconds = 0.0

    def initial(self, seeds: list[int]) -> TrainState:
        """The state of every seed before the first step, fillers inactive."""

        def one(seed):
            model = self._build(nnx.Rngs(params=seed_key(seed, WEIGHTS)))
            return initial_state(seed, nnx.state(model), self._optimizer, self._task.selection_higher_is_better)

        states = self._call(
            "initial", lambda: self._axis.over(one, (True,)), self._axis.place(self._axis.seeds(seeds), seeded=True)
        )
        return dataclasses.replace(states, active=self._axis.place(self._axis.is_real(), seeded=True))

    def train(self, state: TrainState, bucket: Bucket, arrays: Any, chunk: Chunk, begin: int, end: int):
        """Steps begin..end-1 of a chunk: (state, {metric: float32 [S, K]}). The state given is used up."""
        index = self._axis.filled(chunk.index)
        return self._call(
            ("train", chunk.bucket, index.shape),
            lambda: self._axis.over(run_chunk(self._step, bucket, index.shape[1]), (True, False, True, False, False)),
            state,
            arrays,
            self._axis.place(index, seeded=True),
            *self._whole(np.int32(begin), np.int32(end)),
            donate=(0,),
        )

    def evaluate(self, params: Any, split: Split, batch_size: int) -> list[dict[str, float]]:
        """Metrics of every real seed over a whole split."""

        def one(params, batches, steps):
            model = nnx.merge(self.graph, params)
            return _totals(lambda batch: self._task.metrics(model(batch, key=None), batch), batches, steps)

        totals = self._summed("evaluate", lambda: self._axis.over(one, (True, False, False)), split, batch_size, params)
        return [self._task.summarise(_pick(totals, number)) for number in range(self._axis.count)]

    def has(self, method: str) -> bool:
        """Whether the model offers this method."""
        return hasattr(self._kind, method)

    def of_each_seed(self, key: Any, function: Callable, params: Any, batch: Batch) -> np.ndarray:
        """`function(model, batch)`, one array, of every real seed: [S, ...]. `key` names function and shapes."""

        def one(params, batch):
            return function(nnx.merge(self.graph, params), batch)

        made = self._call(key, lambda: self._axis.over(one, (True, False)), params, *self._whole(batch))
        return np.asarray(made)[: self._axis.count]

    def baselines(self, split: Split, batch_size: int) -> dict[str, dict[str, float]]:
        """Metrics of the task's methods without training over a whole split, by name; {} where it has none."""
        if type(self._task).baselines is Task.baselines:
            return {}

        def run(batches, steps):
            def each(batch):
                return {name: self._task.metrics(out, batch) for name, out in self._task.baselines(batch).items()}

            return _totals(each, batches, steps)

        totals = self._summed("baselines", lambda: run, split, batch_size)
        return {name: self._task.summarise(sums) for name, sums in totals.items()}

    def decode(self, params: Any, split: Split, batch_size: int, max_length: int) -> list[list[np.ndarray]]:
        """Greedy outputs [seed][example id] as int arrays, of `max_length` tokens at most.

        No output is longer than LENGTH_FACTOR times its source and some: a model that repeats itself for ever does not
        hold up the others.
        """

        def one(params, batches):
            model = nnx.merge(self.graph, params)
            limit = min(max_length, LENGTH_FACTOR * batches.inputs.shape[2] + LENGTH_EXTRA)
            return jax.lax.map(lambda batch: model.decode(batch, limit), batches)  # pyright: ignore

        # The program's limit follows the padding; a row's own limit does not, so that no other text changes it.
        outputs: list[list[np.ndarray]] = [[np.zeros(0, np.int32)] * split.size for _ in range(self._axis.count)]
        for batches, steps, ids in chunks_of(split, batch_size, capacity=1):
            key = ("decode", max_length, jax.tree.map(np.shape, batches))
            made = self._call(key, lambda: self._axis.over(one, (True, False)), params, *self._whole(batches))
            tokens = np.asarray(made)
            for step in range(steps):
                for row, example in enumerate(ids[step]):
                    if example >= 0:
                        limit = LENGTH_FACTOR * int(batches.mask[step, row].sum()) + LENGTH_EXTRA
                        for seed in range(self._axis.count):
                            outputs[seed][example] = tokens[seed, step, row, :limit]
        return outputs

    def _summed(
        self, name: str, make: Callable[[], Callable], split: Split, batch_size: int, *first: Any
    ) -> dict[str, Any]:
        """What a program of (*first, batches, steps) adds up over a whole split, in float64 on the host."""
        totals = None
        for batches, steps, _ in chunks_of(split, batch_size):
            key = (name, jax.tree.map(np.shape, batches))
            got = self._call(key, make, *first, *self._whole(batches, np.int32(steps)))
            got = jax.tree.map(lambda x: np.asarray(x, np.float64), got)
            totals = got if totals is None else jax.tree.map(np.add, totals, got)
        assert totals is not None  # no split is empty
        return totals

    def _whole(self, *trees: Any) -> tuple:
        return tuple(self._axis.place(tree, seeded=False) for tree in trees)

    def _call(self, key: Any, make: Callable[[], Callable], *args: Any, donate: tuple[int, ...] = ()) -> Any:
        """The program of this key on `args`; `make` gives its function the first time."""
        # Keys hold shapes as tuples inside a Batch, which hash by value.
        if key not in self._compiled:
            start = time.perf_counter()
            self._compiled[key] = jax.jit(make(), donate_argnums=donate).lower(*args).compile()
            self.compile_seconds += time.perf_counter() - start
        return self._compiled[key](*args)


def keep_best(
    state: TrainState, values: np.ndarray, *, higher_is_better: bool, patience: int | None, axis: SeedAxis
) -> TrainState:
    """The state after an evaluation: a better value (float [count]) is kept with its parameters; NaN is never better.

    A seed stops when `patience` evaluations in a row brought nothing better.
    """
    placed = axis.place(axis.filled(values.astype(np.float32)), seeded=True)  # fillers are inactive: never better
    return _keep_best(state, placed, higher_is_better, patience)


@functools.partial(jax.jit, static_argnums=(2, 3), donate_argnums=0)
def _keep_best(state: TrainState, values: jax.Array, higher_is_better: bool, patience: int | None) -> TrainState:
    better = values > state.best_value if higher_is_better else values < state.best_value
    better &= state.active

    def choose(new, old):
        return jnp.where(better.reshape(-1, *[1] * (new.ndim - 1)), new, old)

    waited = jnp.where(better, 0, state.waited + state.active)
    return dataclasses.replace(
        state,
        best_params=jax.tree.map(choose, state.params, state.best_params),
        best_value=choose(values, state.best_value),
        best_step=choose(state.step, state.best_step),
        waited=waited,
        active=state.active if patience is None else state.active & (waited < patience),
    )


def chunks_of(split: Split, batch_size: int, capacity: int = EVALUATION_CHUNK):
    """(batches [K, B, ...], steps, ids [K, B]) over a whole split; the same shapes for every split, so few programs."""
    for chunk in eval_plan(split, batch_size, capacity):
        bucket = split.buckets[chunk.bucket]
        index = np.full((capacity, batch_size), -1, np.int32)
        index[: len(chunk.index)] = chunk.index
        flat = take_rows(bucket, bucket.arrays, index.reshape(-1))
        batches = Batch(*(x.reshape(capacity, batch_size, *x.shape[1:]) for x in flat))
        yield batches, chunk.steps, np.where(index >= 0, bucket.ids[index], -1)


def _totals(metrics: Callable[[Batch], Any], batches: Batch, steps: Any) -> Any:
    """Metric sums over the first `steps` of the batches [K, B, ...]."""
    first = jax.tree.map(lambda x: x[0], batches)
    zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), jax.eval_shape(metrics, first))

    def body(number, totals):
        batch = jax.tree.map(lambda x: x[number], batches)
        return jax.tree.map(jnp.add, totals, metrics(batch))

    return jax.lax.fori_loop(0, steps, body, zeros)


def _pick(totals: Sums, seed: int) -> Sums:
    return jax.tree.map(lambda x: x[seed], totals)
