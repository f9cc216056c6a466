"""How long a training step takes on this machine: the compiled programs of a run, timed on its own batches."""

import time
from collections.abc import Sequence

import jax

from grux.data.base import Dataset
from grux.data.batching import epoch_plan
from grux.training.programs import Programs
from grux.training.seeds import SeedAxis


def time_step(
    programs: Programs,
    dataset: Dataset,
    axis: SeedAxis,
    *,
    seeds: Sequence[int],
    batch_size: int,
    steps_per_dispatch: int,
    repeats: int,
) -> list[float]:
    """Milliseconds of a step of all seeds, once for each repeat; compilation and a first call are left out.

    Each shape of batch is timed by one dispatch, and counts as often as an epoch takes a step of it.
    """
    train = dataset.splits["train"]
    plan = epoch_plan(train, batch_size=batch_size, seeds=seeds, epoch=0, steps_per_chunk=steps_per_dispatch)
    buckets = sorted({chunk.bucket for chunk in plan})
    chunks = {b: max((c for c in plan if c.bucket == b), key=lambda chunk: chunk.steps) for b in buckets}
    steps = {b: sum(chunk.steps for chunk in plan if chunk.bucket == b) for b in buckets}
    arrays = {b: axis.place(train.buckets[b].arrays, seeded=False) for b in buckets}
    state = programs.initial(list(seeds))
    rounds = []
    # Shapes take turns, so that a shared machine does the same to all; the first round compiles.
    for _ in range(repeats + 1):
        spent = 0.0
        for number in buckets:
            chunk = chunks[number]
            began = time.perf_counter()
            state, metrics = programs.train(state, train.buckets[number], arrays[number], chunk, 0, chunk.steps)
            jax.block_until_ready(metrics)
            spent += (time.perf_counter() - began) / chunk.steps * steps[number]
        rounds.append(1e3 * spent / sum(steps.values()))
    return rounds[1:]
