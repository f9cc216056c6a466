"""What it saves to train values of a hyperparameter as one program instead of one run after the other.

    GRUX_MIRROR=FOLDER python scripts/benchmark_together.py
    python scripts/benchmark_together.py --experiments quickstart_sentiment --arch lstm --values 8

On training steps of shipped experiments, at their sizes and with one seed. One chunk of steps is trained again and
again, the ways taking turns in the order A B B A, so that a shared machine does the same to both: `apart` is the sum
over one program for each learning rate, `together` one program of them all. Compilation, of the first state and of the
steps of one bucket, is measured once for each way, without any cache of compiled programs; what a run costs with it
follows for a number of steps.
"""

import argparse
import datetime
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
from benchmark_engine import interleaved, quartiles
from benchmark_seeds import chunk_call

from grux.assembly import assemble
from grux.config import compose
from grux.provenance import available_cores
from grux.training.platform import start_jax

KEY = "learning_rate"


def config_of(experiment: str, arch: str, rate: float, strategy: str) -> dict[str, Any]:
    words = [f"experiment={experiment}", f"arch={arch}", "seeds=1", f"{KEY}={rate}", f"seed_strategy={strategy}"]
    return compose([*words, "tensorboard=false", "progress=none"]).config


def training_call(config: dict[str, Any], rates: Sequence[float], steps: int) -> tuple[Callable[[], None], float, int]:
    """What trains one chunk of the longest bucket and waits for it, the seconds of its compilation, and its steps."""
    values = {KEY: tuple(rates)} if len(rates) > 1 else None
    parts = assemble(config, values)
    call, taken = chunk_call(parts, config["batch_size"], [0] * len(rates), steps)
    call()
    return call, parts.programs.compile_seconds, taken


def measured(experiment: str, arch: str, args: argparse.Namespace) -> str:
    rates = [1e-3 * 2**number for number in range(args.values)]
    apart = [training_call(config_of(experiment, arch, rate, "map"), [rate], args.steps) for rate in rates]
    config = config_of(experiment, arch, rates[0], args.strategy)
    together, compile_together, steps = training_call(config, rates, args.steps)

    def one_after_the_other() -> None:
        for call, _, _ in apart:
            call()

    seconds = interleaved({"apart": one_after_the_other, "together": together}, args.repeats)
    low, share, high = quartiles([b / a for a, b in zip(seconds["apart"], seconds["together"], strict=True)])
    compile_apart = sum(taken for _, taken, _ in apart)
    step = {way: statistics.median(each) / steps for way, each in seconds.items()}
    whole = (compile_together + args.run * step["together"]) / (compile_apart + args.run * step["apart"])
    return (
        f"| {experiment} | {arch} | {step['apart'] * 1e3:.1f} | {step['together'] * 1e3:.1f} | {share:.2f} "
        f"({low:.2f}-{high:.2f}) | {compile_apart:.1f} | {compile_together:.1f} | {whole:.2f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiments", nargs="+", default=["quickstart_sentiment", "quickstart_forecasting"])
    parser.add_argument("--arch", default="gru")
    parser.add_argument("--values", type=int, default=4, help="learning rates")
    parser.add_argument("--strategy", default="auto", help="seed_strategy of the runs together")
    parser.add_argument("--steps", type=int, default=8, help="per dispatch, at most")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--run", type=int, default=500, help="steps of the run that the last column is about")
    args = parser.parse_args()
    start_jax()
    jax.config.update("jax_enable_compilation_cache", False)
    start = time.perf_counter()
    print(f"{datetime.date.today()}, {platform.machine()}, {available_cores()} cores, jax {jax.__version__}\n")
    print(
        f"| experiment | arch | {args.values} apart, ms per step of all | together | together, apart = 1 | "
        f"compiling apart, s | together, s | {args.run} steps with compiling, apart = 1 |"
    )
    print("| :--- | :--- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for experiment in args.experiments:
        print(measured(experiment, args.arch, args), flush=True)
    print(f"\n{time.perf_counter() - start:.0f} s in all")


if __name__ == "__main__":
    main()
