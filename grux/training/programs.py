"""The compiled programs of a run: steps, evaluation, decoding; each compiled once per shape, and timed apart.

Compiling ahead of time keeps the seconds of compilation out of the seconds of training.
"""

import dataclasses
import functools
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from grux.batch import Batch
from grux.data.base import Bucket, Split, take_rows
from grux.data.batching import Chunk, eval_plan, width_of
from grux.rates import Rate
from grux.tasks.base import Sums, Task
from grux.training.seeds import SeedAxis
from grux.training.state import WEIGHTS, Learner, TrainState, Values, initial_state, scaled_weights, seed_key
from grux.training.step import make_step, run_chunk

LENGTH_FACTOR, LENGTH_EXTRA = 2, 10
EVALUATION_CHUNK = 8  # batches per dispatch; few, since each evaluation uploads its batches
CONTINUOUS_CHUNK = 64  # the same where a batch has few rows


class Programs:
    """Compiled programs over all members of a run, made when first needed. `compile_seconds` adds up their cost."""

    def __init__(
        self,
        *,
        learner: Callable[[Values], Learner],
        task: Task,
        axis: SeedAxis,
        accumulate: int = 1,
        values: Mapping[str, np.ndarray] | None = None,
        streams: int | None = None,
    ):
        """`streams`: rows of a batch where batches go on from one another, so that training carries a state along.

        `values`: float32 [count] for each key in which members differ beside their seeds, made for `learner`.

        Without any, all numbers of the setting are part of the programs.
        """
        values = dict(values or {})
        shapes = {key: jax.ShapeDtypeStruct((), np.float32) for key in values}
        model = nnx.eval_shape(lambda one: learner(one).build_model(nnx.Rngs(0)), shapes)
        self.graph = _parts(model)[0]
        self._kind = type(model)
        self._learner = learner
        self._task = task
        self._axis = axis
        self._accumulate = accumulate
        self._streams = streams
        self._values = axis.place(axis.filled(values), seeded=True) if values else {}
        self._compiled: dict[Any, Callable] = {}
        self.compile_seconds = 0.0

    @functools.cached_property
    def _rates(self) -> Any:
        """What members have of their own in their models beside parameters; nothing where they share all numbers."""
        if not self._values:
            return nnx.State({})

        def one(values):
            return _parts(self._learner(values).build_model(nnx.Rngs(0)))[1]

        return self._call("rates", lambda: self._axis.over(one, (True,)), self._values)

    def initial(self, seeds: list[int]) -> TrainState:
        """The state of every member before the first step, fillers inactive; `seeds` has one for each member."""

        def one(values, seed):
            learner = self._learner(values)
            graph, rates, params = _parts(learner.build_model(nnx.Rngs(params=seed_key(seed, WEIGHTS))))
            params = scaled_weights(params, learner.initial_scale)
            model: Any = nnx.merge(graph, rates, params)
            carry = model.initial_carry(self._streams) if self._streams else ()
            return initial_state(seed, params, learner.optimizer, self._task.selection_higher_is_better, carry)

        states = self._call(
            "initial",
            lambda: self._axis.over(one, (True, True)),
            self._values,
            self._axis.place(self._axis.seeds(seeds), seeded=True),
        )
        return dataclasses.replace(states, active=self._axis.place(self._axis.is_real(), seeded=True))

    def train(self, state: TrainState, bucket: Bucket, arrays: Any, chunk: Chunk, begin: int, end: int):
        """Steps begin..end-1 of a chunk: (state, {metric: float32 [S, K]}). The state given is used up."""
        index = self._axis.filled(chunk.index)

        def one(values, rates, *args):
            optimizer = self._learner(values).optimizer
            parts = self.graph, self._task, optimizer, self._accumulate, rates, self._axis.divided
            step = make_step(*parts, continuous=self._streams is not None)
            return run_chunk(step, bucket, index.shape[1])(*args)

        return self._call(
            ("train", chunk.bucket, index.shape),
            lambda: self._axis.over(one, (True, True, True, False, True, False, False)),
            self._values,
            self._rates,
            state,
            arrays,
            self._axis.place(index, seeded=True, rows=2),
            *self._whole(np.int32(begin), np.int32(end)),
            donate=(2,),
        )

    def from_the_start(self, state: TrainState) -> TrainState:
        """The state with the carry of a model that has read nothing yet: a new epoch begins the text again."""
        if self._streams is None:
            return state
        return dataclasses.replace(state, carry=self._fresh_carry(state.params, self._streams))

    def _fresh_carry(self, params: Any, rows: int) -> Any:
        """The carry of every member before it has read anything, in so many streams."""

        def one(rates, params):
            model: Any = nnx.merge(self.graph, rates, params)
            return model.initial_carry(rows)

        return self._call(("carry", rows), lambda: self._axis.over(one, (True, True)), self._rates, params)

    def evaluate(self, params: Any, split: Split, batch_size: int) -> list[dict[str, float]]:
        """Metrics of every real member over a whole split."""
        return [self._task.summarise(sums) for sums in self.sums(params, split, batch_size)]

    def sums(self, params: Any, split: Split, batch_size: int) -> list[Sums]:
        """What the metrics of every real member are made of: sums and counts over a whole split."""
        if self._streams is not None:
            return self._sums_in_order(params, split, batch_size)

        def one(rates, params, batches, steps):
            model = nnx.merge(self.graph, rates, params)
            return _totals(lambda batch: self._task.metrics(model(batch, key=None), batch), batches, steps)

        over = functools.partial(self._axis.over, one, (True, True, False, False))
        totals = self._summed("evaluate", over, split, batch_size, self._rates, params)
        return [_pick(totals, number) for number in range(self._axis.count)]

    def _sums_in_order(self, params: Any, split: Split, batch_size: int) -> list[Sums]:
        """The same where batches go on from one another."""
        (bucket,) = split.buckets

        def one(rates, params, carry, batches, steps):
            model: Any = nnx.merge(self.graph, rates, params)

            def metrics(batch, carry):
                outputs, carry = model.run(batch.inputs, mask=batch.mask, carry=carry, key=None)
                return self._task.metrics(outputs, batch), carry

            return _totals_in_order(metrics, carry, batches, steps)

        carry = self._fresh_carry(params, width_of(bucket, batch_size))
        over = functools.partial(self._axis.over, one, (True, True, True, False, False))
        totals = None
        for batches, steps, _ in chunks_of(split, batch_size, CONTINUOUS_CHUNK):
            key = ("evaluate", jax.tree.map(np.shape, batches))
            placed = self._whole(batches, np.int32(steps))
            got, carry = self._call(key, over, self._rates, params, carry, *placed)
            totals = _added(totals, got)
        assert totals is not None  # no split is empty
        return [_pick(totals, number) for number in range(self._axis.count)]

    def has(self, method: str) -> bool:
        """Whether the model offers this method."""
        return hasattr(self._kind, method)

    def of_each_member(self, key: Any, function: Callable, params: Any, batch: Batch) -> np.ndarray:
        """`function(model, batch)`, one array, of every real member: [S, ...]. `key` names function and shapes."""

        def one(rates, params, batch):
            return function(nnx.merge(self.graph, rates, params), batch)

        over = functools.partial(self._axis.over, one, (True, True, False))
        made = self._call(key, over, self._rates, params, *self._whole(batch))
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
        """Greedy outputs [member][example id] as int arrays, of `max_length` tokens at most.

        No output is longer than LENGTH_FACTOR times its source and some: a model that repeats itself for ever does not
        hold up the others.
        """

        def one(rates, params, batches):
            model = nnx.merge(self.graph, rates, params)
            limit = min(max_length, LENGTH_FACTOR * batches.inputs.shape[2] + LENGTH_EXTRA)
            return jax.lax.map(lambda batch: model.decode(batch, limit), batches)  # pyright: ignore

        # The program's limit follows the padding; a row's own limit does not, so that no other text changes it.
        outputs: list[list[np.ndarray]] = [[np.zeros(0, np.int32)] * split.size for _ in range(self._axis.count)]
        for batches, steps, ids in chunks_of(split, batch_size, capacity=1):
            key = ("decode", max_length, jax.tree.map(np.shape, batches))
            rows = self._axis.place(batches, seeded=False, rows=1)
            made = self._call(key, lambda: self._axis.over(one, (True, True, False)), self._rates, params, rows)
            tokens = np.asarray(made)
            for step in range(steps):
                for row, example in enumerate(ids[step]):
                    if example >= 0:
                        limit = LENGTH_FACTOR * int(batches.mask[step, row].sum()) + LENGTH_EXTRA
                        for seed in range(self._axis.count):
                            outputs[seed][example] = tokens[seed, step, row, :limit]
        return outputs

    def collect(self, params: Any, split: Split, batch_size: int) -> np.ndarray:
        """What the task collects of every example, in the order of their ids: [S, n, ...]."""

        def one(rates, params, batches):
            model = nnx.merge(self.graph, rates, params)
            return jax.lax.map(lambda batch: self._task.collect(model(batch, key=None), batch), batches)

        over = functools.partial(self._axis.over, one, (True, True, False))
        found = self._collected("collect", over, split, batch_size, self._rates, params)
        return found[: self._axis.count]

    def collect_baselines(self, split: Split, batch_size: int) -> dict[str, np.ndarray]:
        """The same of the task's methods without training, by name: [n, ...]."""

        def run(batches):
            def each(batch):
                return {name: self._task.collect(out, batch) for name, out in self._task.baselines(batch).items()}

            return jax.lax.map(each, batches)

        return self._collected("collect baselines", lambda: run, split, batch_size, axis=0)

    def _collected(
        self, name: str, make: Callable[[], Callable], split: Split, batch_size: int, *first: Any, axis: int = 1
    ) -> Any:
        """What a program of (*first, batches) gives for each row of its batches, with the examples on this axis."""
        parts, order = [], []
        for batches, _, ids in chunks_of(split, batch_size):
            key = (name, jax.tree.map(np.shape, batches))
            got = self._call(key, make, *first, self._axis.place(batches, seeded=False, rows=1))
            rows = np.flatnonzero(ids.reshape(-1) >= 0)
            order.append(ids.reshape(-1)[rows])

            def real(x, rows=rows):
                x = np.asarray(x)
                return x.reshape(*x.shape[:axis], -1, *x.shape[axis + 2 :]).take(rows, axis)

            parts.append(jax.tree.map(real, got))
        back = np.argsort(np.concatenate(order))
        return jax.tree.map(lambda *found: np.concatenate(found, axis).take(back, axis), *parts)

    def _summed(
        self, name: str, make: Callable[[], Callable], split: Split, batch_size: int, *first: Any
    ) -> dict[str, Any]:
        """What a program of (*first, batches, steps) adds up over a whole split, in float64 on the host."""
        totals = None
        for batches, steps, _ in chunks_of(split, batch_size):
            key = (name, jax.tree.map(np.shape, batches))
            rows = self._axis.place(batches, seeded=False, rows=1)
            got = self._call(key, make, *first, rows, *self._whole(np.int32(steps)))
            totals = _added(totals, got)
        assert totals is not None  # no split is empty
        return totals

    def _whole(self, *trees: Any) -> tuple:
        return tuple(self._axis.place(tree, seeded=False) for tree in trees)

    def _call(self, key: Any, make: Callable[[], Callable], *args: Any, donate: tuple[int, ...] = ()) -> Any:
        """The program of this key on `args`; `make` gives its function the first time."""
        # Keys hold shapes as tuples inside a Batch, which hash by value.
        if key not in self._compiled:
            start = time.perf_counter()
            self._compiled[key] = self._axis.compile(make(), donate, *args)
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
        width = width_of(bucket, batch_size)
        index = np.full((capacity, width), -1, np.int32)
        index[: len(chunk.index)] = chunk.index
        flat = take_rows(bucket, bucket.arrays, index.reshape(-1))
        batches = jax.tree.map(lambda x, own=width: x.reshape(capacity, own, *x.shape[1:]), flat)
        yield batches, chunk.steps, np.where(index >= 0, bucket.ids[index], -1)


def examples_of(split: Split, batch_size: int) -> Iterator[Batch]:
    """A whole split in numpy, each example once; the batches are those of a chunk behind each other."""
    for batches, _, _ in chunks_of(split, batch_size):
        yield jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), batches)


def _added(totals: Any, more: Any) -> Any:
    """Sums and others beside them, in float64 on the host; None is nothing yet."""
    more = jax.tree.map(lambda x: np.asarray(x, np.float64), more)
    return more if totals is None else jax.tree.map(np.add, totals, more)


def _parts(model: nnx.Module) -> tuple[nnx.GraphDef, Any, Any]:
    """The graph of a model, its rates where they are variables, and all else: what is trained."""
    graph, rates, params = nnx.split(model, Rate, ...)
    return graph, rates, params


def _totals(metrics: Callable[[Batch], Any], batches: Batch, steps: Any) -> Any:
    """Metric sums over the first `steps` of the batches [K, B, ...]."""
    return _totals_in_order(lambda batch, carry: (metrics(batch), carry), (), batches, steps)[0]


def _totals_in_order(metrics: Callable[[Batch, Any], Any], carry: Any, batches: Batch, steps: Any) -> Any:
    """(metric sums over the first `steps` of the batches [K, B, ...], the carry after them)."""
    first = jax.tree.map(lambda x: x[0], batches)
    zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), jax.eval_shape(metrics, first, carry)[0])

    def body(number, held):
        totals, carry = held
        found, carry = metrics(jax.tree.map(lambda x: x[number], batches), carry)
        return jax.tree.map(jnp.add, totals, found), carry

    return jax.lax.fori_loop(0, steps, body, (zeros, carry))


def _pick(totals: Sums, seed: int) -> Sums:
    return jax.tree.map(lambda x: x[seed], totals)
