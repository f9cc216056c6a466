"""How long one step of a trained model takes when a sequence comes in step by step: latency by arch and width.

    python scripts/benchmark_streaming.py
    python scripts/benchmark_streaming.py --archs gru lstm --widths 64 --steps 500 --batch 8
    python scripts/benchmark_streaming.py --archs gru gru:gated gru:native     # an arch under other strategies

A language model (65 tokens in, their scores out) of one layer, by `grux.models.stepper`. Each measurement is one step
from the call until the scores are there. Archs take turns in the order A B C ... C B A, a piece of steps each: what a
shared machine does to one it does to its neighbours. A ratio is that of medians to the first arch of the same width.
Windows of attention are full from the first step (their work does not depend on how many steps there were).
"""

import argparse
import datetime
import platform
import time
from collections.abc import Callable

import jax
import numpy as np
from flax import nnx

from grux.batch import Info
from grux.config import build, compose
from grux.models.next_step import NextStep
from grux.models.stepper import Stepper
from grux.provenance import available_cores
from grux.training.platform import start_jax

ARCHS = ["gru", "lstm", "elman", "mingru", "transformer", "tcn", "gru_attention"]
WIDTHS = [64, 256, 1024]
INFO = Info(name="characters", task="language_modelling", vocabulary=65)
TURNS = 10


def stepper_of(arch: str, width: int, batch: int) -> Stepper:
    name, _, strategy = arch.partition(":")
    layer = build(compose([f"arch={name}", *([f"arch.strategy={strategy}"] if strategy else [])]).config["arch"])
    options = {"embedding": width, "features": width, "depth": 1, "residual": False, "dropout": 0.0}
    return Stepper(NextStep(info=INFO, layer=layer, tied=False, dtype="float32", rngs=nnx.Rngs(0), **options), batch)


def walker(step: Stepper, batch: int) -> Callable[[int], list[float]]:
    """What takes so many steps further and gives the seconds of each."""
    tokens = [jax.numpy.full((batch,), token, jax.numpy.int32) for token in range(4, 65)]
    carry = step.initial_carry

    def walk(steps: int) -> list[float]:
        nonlocal carry
        seconds = []
        for number in range(steps):
            start = time.perf_counter()
            outputs, carry = step(tokens[number % len(tokens)], carry)
            jax.block_until_ready(outputs)
            seconds.append(time.perf_counter() - start)
        return seconds

    walk(20)  # compiles, and fills the caches
    return walk


def measured(archs: list[str], width: int, batch: int, steps: int) -> dict[str, list[float]]:
    walkers = {arch: walker(stepper_of(arch, width, batch), batch) for arch in archs}
    seconds: dict[str, list[float]] = {arch: [] for arch in archs}
    for turn in range(TURNS):
        for arch in archs if turn % 2 == 0 else archs[::-1]:
            seconds[arch] += walkers[arch](max(1, steps // TURNS))
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--archs", nargs="+", default=ARCHS)
    parser.add_argument("--widths", nargs="+", type=int, default=WIDTHS)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--steps", type=int, default=2000)
    args = parser.parse_args()
    start_jax()
    device = jax.devices()[0].device_kind
    print(f"{datetime.date.today()}, {platform.machine()}, {available_cores()} cores, {device}, jax {jax.__version__}")
    print(f"batch {args.batch}, {args.steps} steps each, microseconds per step\n")
    print("| width | arch | median | 99th percentile | ratio |\n| ---: | :--- | ---: | ---: | ---: |")
    for width in args.widths:
        seconds = measured(args.archs, width, args.batch, args.steps)
        first = np.median(seconds[args.archs[0]])
        for arch, taken in seconds.items():
            middle, high = np.percentile(taken, [50, 99]) * 1e6
            print(f"| {width} | {arch} | {middle:.0f} | {high:.0f} | {middle / first / 1e6:.2f} |", flush=True)


if __name__ == "__main__":
    main()
