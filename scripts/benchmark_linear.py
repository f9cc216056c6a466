"""How long a training step of a linear cell takes, by the way it goes through time, beside a GRU of the same size.

    python scripts/benchmark_linear.py                         # prints its tables in Markdown
    python scripts/benchmark_linear.py --steps 64 1024 --batch 32 --features 128

A training step is the loss (the mean square of y) and its gradients of all parameters. Programs are compiled before
anything is timed, their values are compared with each other, and then they run in turn, A B C ... C B A, so that what
else the machine does falls on all of them. A ratio is taken within one turn; tables show medians and quartiles.
`GRU gated` is the same algorithm on every platform; `GRU` is what `strategy: auto` takes, on CPU the compiled kernel.
"""

import argparse
import os
import platform
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from flax import nnx

from grux.cells.gru import GRUCell
from grux.cells.mingru import MinGRUCell
from grux.engine.run import Strategy, run
from grux.training.platform import keep_freed_memory

BASE = "GRU gated"
PROGRAMS: dict[str, tuple[type, dict[str, Any], Strategy]] = {
    BASE: (GRUCell, {}, "gated"),
    "GRU": (GRUCell, {}, "auto"),
    "linear": (MinGRUCell, {"space": "log"}, "linear"),
    "sequential": (MinGRUCell, {"space": "log"}, "sequential"),
    "associative, log": (MinGRUCell, {"space": "log"}, "associative"),
    "chunked, log": (MinGRUCell, {"space": "log"}, "chunked"),
    "linear, plain": (MinGRUCell, {"space": "plain"}, "linear"),
    "associative, plain": (MinGRUCell, {"space": "plain"}, "associative"),
}


def compiled(cell: nnx.Module, strategy: Strategy, x: jax.Array) -> tuple[Callable[[], Any], float, float]:
    """(the training step, seconds of compilation, MB of temporary memory)"""
    graph, params = nnx.split(cell)

    def loss(params, x):
        return (run(nnx.merge(graph, params), x, strategy=strategy)[0] ** 2).mean()

    start = time.perf_counter()
    program = jax.jit(jax.value_and_grad(loss)).lower(params, x).compile()
    seconds = time.perf_counter() - start
    analysis = program.memory_analysis()
    memory = analysis.temp_size_in_bytes / 1e6 if analysis is not None else float("nan")
    return lambda: jax.block_until_ready(program(params, x)), seconds, memory


def measure(steps: int, batch: int, features: int, repeats: int, budget: float) -> dict[str, dict[str, Any]]:
    """Name -> seconds of each turn, seconds of compilation, MB; `budget` seconds end it, but not before three turns."""
    x = jax.random.normal(jax.random.key(0), (batch, steps, features))
    programs, found, values = {}, {}, {}
    for name, (kind, options, strategy) in PROGRAMS.items():
        cell = kind(in_features=features, features=features, rngs=nnx.Rngs(0), **options)
        programs[name], seconds, memory = compiled(cell, strategy, x)
        found[name] = {"times": [], "compile": seconds, "memory": memory}
        values.setdefault(str((kind, options)), []).append(programs[name]())
    for same in values.values():
        for other in same[1:]:
            jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4), same[0], other)
    start = time.perf_counter()
    for turn in range(repeats):
        if turn >= 3 and time.perf_counter() - start > budget:
            break
        names = list(programs) if turn % 2 == 0 else list(programs)[::-1]
        for name in names:
            before = time.perf_counter()
            programs[name]()
            found[name]["times"].append(time.perf_counter() - before)
    return found


def machine() -> str:
    device = jax.devices()[0]
    where = f"{os.cpu_count()} cores, {platform.machine()}" if device.platform == "cpu" else device.device_kind
    return f"{where}, Python {platform.python_version()}, jax {jax.__version__}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, nargs="+", default=[64, 256, 1024, 4096, 16384], metavar="T")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--features", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--budget", type=float, default=30.0, help="seconds of timing for one T (default: %(default)s)")
    chosen = parser.parse_args()
    keep_freed_memory()  # as every run of grux does
    found = {
        steps: measure(steps, chosen.batch, chosen.features, chosen.repeats, chosen.budget) for steps in chosen.steps
    }
    print(f"B={chosen.batch}, D=H={chosen.features}, float32; {machine()}.\n")
    print(f"Milliseconds of a training step, median; in brackets the ratio to {BASE}, median [quartiles].\n")
    show(found, timing)
    print("\nTemporary memory of the program, MB.\n")
    show(found, lambda entries, name: f"{entries[name]['memory']:.1f}")
    print("\nSeconds of compilation.\n")
    show(found, lambda entries, name: f"{entries[name]['compile']:.1f}")


def show(found: dict[int, dict[str, Any]], cell: Callable[[dict[str, Any], str], str]) -> None:
    print("| T | " + " | ".join(PROGRAMS) + " |")
    print("| ---: |" + " ---: |" * len(PROGRAMS))
    for steps, entries in found.items():
        print(f"| {steps} | " + " | ".join(cell(entries, name) for name in PROGRAMS) + " |")


def timing(entries: dict[str, Any], name: str) -> str:
    times, base = np.array(entries[name]["times"]), np.array(entries[BASE]["times"])
    text = f"{1e3 * np.median(times):.3g}"
    if name == BASE:
        return f"{text} (n={len(times)})"
    low, middle, high = np.quantile(times / base, [0.25, 0.5, 0.75])
    return f"{text} ({middle:.2f} [{low:.2f}, {high:.2f}])"


if __name__ == "__main__":
    main()
