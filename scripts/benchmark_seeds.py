"""What several seeds in one run cost beside one alone, and what the loop on the host costs beside the device.

    GRUX_MIRROR=FOLDER python scripts/benchmark_seeds.py
    python scripts/benchmark_seeds.py --experiments quickstart_sentiment --strategies map shard

On the training steps of shipped experiments, at their sizes. One chunk of steps is trained again and again, the ways
taking turns in the order A B C ... C B A, so that a shared machine does the same to all. A share is the time of all
seeds, divided by their number and by the time of one seed alone (`map`) in the same round.
"""

import argparse
import datetime
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
from benchmark_engine import interleaved, quartiles

from grux.assembly import Parts, assemble
from grux.config import compose
from grux.data.batching import epoch_plan
from grux.provenance import available_cores
from grux.training.checkpoint import Checkpoints
from grux.training.logs import MetricsLog
from grux.training.loop import Loop, Pace
from grux.training.platform import start_jax
from grux.training.progress import make_progress

STEPS = 16
"""Per dispatch, in the comparison of seeds."""


def config_of(experiment: str, arch: str, seeds: int, strategy: str) -> dict[str, Any]:
    words = [f"experiment={experiment}", f"arch={arch}", f"seeds={seeds}", f"seed_strategy={strategy}"]
    return compose([*words, "tensorboard=false", "progress=none"]).config


def chunk_call(parts: Parts, batch_size: int, seeds: list[int], steps: int) -> tuple[Callable[[], None], int]:
    """(what trains one chunk of the longest bucket for all seeds and waits for it, its steps); the first call compiles.

    `seeds` has one for each member of the program.
    """
    axis, programs, train = parts.axis, parts.programs, parts.dataset.splits["train"]
    plan = epoch_plan(train, batch_size=batch_size, seeds=seeds, epoch=0, steps_per_chunk=steps)
    chunk = max(plan, key=lambda chunk: (chunk.bucket, chunk.steps))
    bucket = train.buckets[chunk.bucket]
    arrays = axis.place(bucket.arrays, seeded=False)
    state = programs.initial(seeds)

    def call() -> None:
        nonlocal state
        state, metrics = programs.train(state, bucket, arrays, chunk, 0, chunk.steps)
        jax.block_until_ready(metrics)

    return call, chunk.steps


def training_call(config: dict[str, Any]) -> Callable[[], None]:
    call, _ = chunk_call(assemble(config), config["batch_size"], list(range(config["seeds"])), STEPS)
    return call


def shares(experiment: str, arch: str, args: argparse.Namespace) -> list[str]:
    calls = {"one": training_call(config_of(experiment, arch, 1, "map"))}
    for strategy in args.strategies:
        calls[strategy] = training_call(config_of(experiment, arch, args.seeds, strategy))
    seconds = interleaved(calls, args.repeats)
    alone = statistics.median(seconds["one"]) / STEPS * 1e3
    lines = []
    for strategy in args.strategies:
        each = [b / args.seeds / a for a, b in zip(seconds["one"], seconds[strategy], strict=True)]
        low, share, high = quartiles(each)
        lines.append(f"| {experiment} | {arch} | {strategy} | {share:.2f} ({low:.2f}-{high:.2f}) | {alone:.2f} |")
    return lines


def host_overhead(experiment: str, arch: str, args: argparse.Namespace) -> str:
    """Seconds of the whole loop over an epoch, less those of its dispatches alone, as a share of the whole."""
    config = config_of(experiment, arch, 1, "map")
    parts = assemble(config)
    train = parts.dataset.splits["train"]
    batch_size = config["batch_size"]
    plan = epoch_plan(train, batch_size=batch_size, seeds=[0], epoch=0, steps_per_chunk=config["steps_per_dispatch"])
    arrays = {chunk.bucket: parts.axis.place(train.buckets[chunk.bucket].arrays, seeded=False) for chunk in plan}
    steps = sum(chunk.steps for chunk in plan)

    def device() -> None:
        state = parts.programs.initial([0])
        for chunk in plan:
            state, _ = parts.programs.train(
                state, train.buckets[chunk.bucket], arrays[chunk.bucket], chunk, 0, chunk.steps
            )
        jax.block_until_ready(state)

    def loop() -> None:
        with tempfile.TemporaryDirectory() as folder, Checkpoints(Path(folder) / "c", max_to_keep=1, owner="") as kept:
            log = MetricsLog(Path(folder), tensorboard=False)
            pace = Pace(
                batch_size=batch_size,
                total_steps=steps,
                eval_every=10**9,
                patience=None,
                steps_per_dispatch=config["steps_per_dispatch"],
                checkpoint_every=10**9,
            )
            made = Loop(
                programs=parts.programs,
                dataset=parts.dataset,
                task=parts.task,
                axis=parts.axis,
                seeds=[0],
                pace=pace,
                checkpoints=kept,
                logs=[log],
                progress=make_progress("none"),
                stop=lambda: False,
                on_checkpoint=lambda step: None,
            )
            made.train(parts.programs.initial([0]))
            log.close()
            whole.append(made.position.train_seconds)

    whole: list[float] = []
    alone = []
    loop(), device()
    whole.clear()
    for _ in range(args.repeats):
        loop()
        start = time.perf_counter()
        device()
        alone.append(time.perf_counter() - start)
    each = [1 - b / a for a, b in zip(whole, alone, strict=True)]
    low, share, high = quartiles(each)
    per_step = statistics.median(whole) / steps * 1e3
    return f"| {experiment} | {arch} | {per_step:.2f} | {100 * share:.1f} ({100 * low:.1f} to {100 * high:.1f}) |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--experiments", nargs="+", default=["first_comparison_sentiment", "first_comparison_forecasting"]
    )
    parser.add_argument("--host", nargs="*", default=["quickstart_sentiment"], help="experiments for the host's share")
    parser.add_argument("--arch", default="gru")
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--strategies", nargs="+", default=["map", "shard", "vmap"])
    parser.add_argument("--repeats", type=int, default=20)
    args = parser.parse_args()
    start_jax()
    print(f"{datetime.date.today()}, {platform.machine()}, {available_cores()} cores, jax {jax.__version__}\n")
    print(
        f"| experiment | arch | strategy | time per seed, {args.seeds} seeds, one alone = 1 | ms per step, one alone |"
    )
    print("| :--- | :--- | :--- | ---: | ---: |")
    for experiment in args.experiments:
        print("\n".join(shares(experiment, args.arch, args)), flush=True)
    if args.host:
        print("\n| experiment | arch | ms per step | host's share, % |\n| :--- | :--- | ---: | ---: |")
    for experiment in args.host:
        print(host_overhead(experiment, args.arch, args), flush=True)


if __name__ == "__main__":
    main()
