"""How fast the engine trains a recurrent layer on this machine, beside other libraries.

    python scripts/benchmark_engine.py                                  # all of it, as a report in Markdown
    python scripts/benchmark_engine.py --cells gru --shapes 0 4 --repeats 5
    python scripts/benchmark_engine.py --csv experiments/engine_speed/results.csv

Rivals are taken where they are installed (`pip install equinox dm-haiku keras` and PyTorch's CPU build); one that is
absent is left out and named. All run in one process, one after the other, in the order A B C ... C B A, each repeat
giving one ratio to grux: what a shared machine does to one it does to its neighbours. Before anything is timed their
outputs, and the norms of their recurrent weights' gradients, must agree with grux's.
"""

import argparse
import csv
import datetime
import importlib.metadata
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence

import jax
import numpy as np
from flax import nnx
from rivals import pytorch
from rivals.common import Contestant, Weights, jax_contestant
from rivals.jax_libraries import LIBRARIES

from grux.cells.elman import ElmanCell
from grux.cells.gru import GRUCell
from grux.cells.gru_reset_before import GRUResetBeforeCell
from grux.cells.lstm import LSTMCell
from grux.engine.run import Strategy, run
from grux.provenance import available_cores
from grux.training.platform import keep_freed_memory

SHAPES = [(32, 128, 64, 128), (32, 64, 256, 256), (64, 100, 256, 512), (128, 784, 1, 128), (16, 1000, 88, 46)]
STREAMING = (1, 1, 256, 256)
CELLS = {"gru": GRUCell, "lstm": LSTMCell, "elman": ElmanCell}
STRATEGIES: dict[str, Strategy] = {"grux": "auto", "grux gated": "gated", "grux sequential": "sequential"}
PAUSE = 0.02  # seconds
GROWING = (2, 512, 8, 32)  # B * H = 64: small slices written in a loop, which one jaxlib made quadratic in T


def weights_of(cell: str, inputs: int, width: int) -> Weights:
    made = CELLS[cell](in_features=inputs, features=width, rngs=nnx.Rngs(0))
    draw = np.random.default_rng(0)
    b = draw.normal(0, 0.1, made.b_ih[...].shape).astype(np.float32) + np.asarray(made.b_ih[...])
    return Weights(cell, np.asarray(made.w_ih[...]), np.asarray(made.w_hh[...]), b, np.zeros(width, np.float32))


def ours(weights: Weights, x: np.ndarray, cotangent: np.ndarray, strategy: Strategy, kind: type | None = None):
    """grux's layer; a forward pass and a training step as a model would call them, batch-major."""
    _, inputs, width = weights.w_ih.shape
    cell = (kind or CELLS[weights.cell])(in_features=inputs, features=width, rngs=nnx.Rngs(0))
    cell.w_ih[...], cell.w_hh[...], cell.b_ih[...] = map(jax.numpy.asarray, (weights.w_ih, weights.w_hh, weights.b))
    graph, params = nnx.split(cell)

    def apply(params, x):
        return run(nnx.merge(graph, params), x, strategy=strategy)[0]

    return jax_contestant(apply, lambda gradient: gradient["w_hh"][...], params, x, cotangent)


def contestants(
    cell: str, shape: Sequence[int], names: Sequence[str], missing: dict[str, str]
) -> dict[str, Contestant]:
    """Those of `names` that can run this cell, each checked against grux's sequential strategy."""
    rows, steps, inputs, width = shape
    weights = weights_of(cell, inputs, width)
    draw = np.random.default_rng(1)
    x = draw.normal(size=(rows, steps, inputs)).astype(np.float32)
    cotangent = draw.normal(size=(rows, steps, width)).astype(np.float32)
    expected = measures(ours(weights, x, cotangent, "sequential"))
    found = {}
    for name in names:
        reference = expected
        try:
            if name in STRATEGIES:
                made = ours(weights, x, cotangent, STRATEGIES[name])
            elif name == "torch":
                made = pytorch.contestant(weights, x, cotangent, threads=available_cores())
            else:
                made = jax_contestant(*LIBRARIES[name](weights), x, cotangent)
        except (ImportError, NotImplementedError) as reason:
            missing[f"{name}, {cell}" if isinstance(reason, NotImplementedError) else name] = str(reason)
            continue
        if (name, cell) == ("haiku", "gru"):
            reference = measures(ours(weights, x, cotangent, "sequential", GRUResetBeforeCell))
        for got, wanted in zip(measures(made), reference, strict=True):
            np.testing.assert_allclose(got, wanted, rtol=1e-3, atol=2e-4, err_msg=f"{name} {cell} {shape}")
        found[name] = made
    return found


def measures(contestant: Contestant) -> tuple[np.ndarray, float]:
    """What must agree: every output, and the norm of the recurrent weights' gradient (gates may be in any order)."""
    gradient = contestant.read(contestant.train()).astype(np.float64)
    return contestant.read(contestant.forward()), float(np.sqrt((gradient**2).sum()))


def interleaved(calls: dict[str, Callable], repeats: int) -> dict[str, list[float]]:
    """Seconds of each call, `repeats` times; every second round in the opposite order.

    A contestant's turn begins with a pause, since threads of the one before may still wait in a loop for work (OpenMP's
    do) and hold a core, and where calls are short with a call that is not counted.
    """
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    for number in range(repeats):
        for name in calls if number % 2 else reversed(calls):
            time.sleep(PAUSE)
            if not seconds[name] or seconds[name][-1] < PAUSE:
                calls[name]()
            start = time.perf_counter()
            calls[name]()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def matmul_limit(names: Sequence[str], size: int = 2048) -> float:
    """FLOP/s of the fastest large float32 product at hand, best of ten."""
    a = np.random.default_rng(0).normal(size=(size, size)).astype(np.float32)
    left = jax.numpy.asarray(a)
    product = jax.jit(lambda a: a @ a)
    calls: dict[str, Callable] = {"jax": lambda: jax.block_until_ready(product(left))}
    if "torch" in names:
        try:
            import torch

            other = torch.from_numpy(a)
            calls["torch"] = lambda: other @ other
        except ImportError:
            pass
    return 2 * size**3 / min(min(times) for times in interleaved(calls, 10).values())


def flops(gates: int, shape: Sequence[int], train: bool) -> float:
    """2 per multiply-add of the input and recurrent products; a training step has three times those of a forward."""
    rows, steps, inputs, width = shape
    return (3 if train else 1) * 2.0 * gates * rows * steps * width * (inputs + width)


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else [values[0]] * 3
    return low, middle, high


def compare(cell: str, shape: Sequence[int], args: argparse.Namespace, limit: float, missing: dict) -> list[dict]:
    """One row per contestant and kind of call."""
    found = contestants(cell, shape, args.rivals, missing)
    rows = []
    for kind in ("train", "forward"):
        seconds = interleaved({name: getattr(c, kind) for name, c in found.items()}, args.repeats)
        for name, contestant in found.items():
            low, ratio, high = quartiles([b / a for a, b in zip(seconds["grux"], seconds[name], strict=True)])
            typical = statistics.median(seconds[name])
            done = flops(len(weights_of(cell, 1, 1).w_ih), shape, kind == "train")
            rows.append(
                {
                    "cell": cell,
                    "B": shape[0],
                    "T": shape[1],
                    "I": shape[2],
                    "H": shape[3],
                    "call": kind,
                    "library": name,
                    "ms": round(typical * 1e3, 3),
                    "us_per_step": round(typical * 1e6 / shape[1], 2),
                    "ratio": round(ratio, 3),
                    "ratio_q1": round(low, 3),
                    "ratio_q3": round(high, 3),
                    "percent_of_matmul": round(100 * done / typical / limit, 1),
                    "peak_mb": None if contestant.peak_bytes is None else round(contestant.peak_bytes / 1e6, 1),
                    "compile_s": round(contestant.compile_seconds, 2),
                }
            )
    return rows


def growth(args: argparse.Namespace) -> list[str]:
    """Time of a training step at T, 2T and 4T, relative to T, where B * H is small."""
    rows, steps, inputs, width = GROWING
    lines = ["| cell | strategy | T | 2T | 4T |", "| :--- | :--- | ---: | ---: | ---: |"]
    for cell in args.cells:
        for name in STRATEGIES:
            calls = {}
            for factor in (1, 2, 4):
                shape = (rows, steps * factor, inputs, width)
                calls[str(factor)] = contestants(cell, shape, [name], {})[name].train
            seconds = interleaved(calls, args.repeats)
            first = statistics.median(seconds["1"])
            times = [statistics.median(values) / first for values in seconds.values()]
            lines.append(f"| {cell} | {name} | " + " | ".join(f"{ratio:.2f}" for ratio in times) + " |")
    return lines


def table(rows: list[dict], cell: str, kind: str) -> list[str]:
    """Shapes down, libraries across: time relative to grux (median; quartiles in brackets)."""
    chosen = [row for row in rows if row["cell"] == cell and row["call"] == kind]
    names = list(dict.fromkeys(row["library"] for row in chosen if row["library"] != "grux"))
    if not chosen:
        return []
    head = ["B, T, I, H", "grux ms", "us/step", "% of matmul", "MB", *names]
    lines = ["| " + " | ".join(head) + " |", "| :--- |" + " ---: |" * (len(head) - 1)]
    ratios: dict[str, list[float]] = {name: [] for name in names}
    for shape in dict.fromkeys((row["B"], row["T"], row["I"], row["H"]) for row in chosen):
        here = {r["library"]: r for r in chosen if (r["B"], r["T"], r["I"], r["H"]) == shape}
        mine = here["grux"]
        cells = [str(shape).strip("()"), f"{mine['ms']:.2f}", f"{mine['us_per_step']:.1f}"]
        cells += [f"{mine['percent_of_matmul']:.0f}", f"{mine['peak_mb']:.0f}"]
        for name in names:
            row = here.get(name)
            cells.append(f"{row['ratio']:.2f} ({row['ratio_q1']:.2f}-{row['ratio_q3']:.2f})" if row else "")
            if row and shape != STREAMING:
                ratios[name].append(row["ratio"])
        lines.append("| " + " | ".join(cells) + " |")
    means = [f"**{statistics.geometric_mean(ratios[name]):.2f}**" if ratios[name] else "" for name in names]
    lines.append("| geometric mean, without (1, 1, 256, 256) | | | | | " + " | ".join(means) + " |")
    return lines


def version(package: str) -> str:
    try:
        return f"{package} {importlib.metadata.version(package)}"
    except importlib.metadata.PackageNotFoundError:
        return f"{package} absent"


def main() -> None:
    known = [*STRATEGIES, *LIBRARIES, "torch"]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", nargs="+", choices=CELLS, default=list(CELLS))
    parser.add_argument(
        "--shapes", nargs="+", type=int, choices=range(6), default=list(range(6)), help="numbers 0 to 5"
    )
    parser.add_argument("--rivals", nargs="*", choices=known[1:], default=["grux gated", *LIBRARIES, "torch"])
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--csv", help="write every number there")
    parser.add_argument("--no-growth", action="store_true", help="leave out T, 2T, 4T")
    args = parser.parse_args()
    args.rivals = ["grux", *args.rivals]
    os.environ.setdefault("KERAS_BACKEND", "jax")
    keep_freed_memory()  # as every run of grux does; it serves all libraries of this process alike
    missing: dict[str, str] = {}
    limit = matmul_limit(args.rivals)
    shapes = [(*SHAPES, STREAMING)[number] for number in args.shapes]
    rows: list[dict] = []
    for cell in args.cells:
        for shape in shapes:
            rows += compare(cell, shape, args, limit, missing)
            print(f"<!-- {cell} {shape} done -->", flush=True)
    packages = ("jax", "flax", "equinox", "dm-haiku", "keras", "torch")
    print(f"\n{datetime.date.today()}, {platform.machine()}, {available_cores()} cores, {platform.python_version()};")
    print(", ".join(version(package) for package in packages) + f"; large product {limit / 1e9:.0f} GFLOP/s;")
    print(f"{args.repeats} repeats, time relative to grux, so larger is slower than grux.")
    for reason in (f"left out: {name} ({why})" for name, why in missing.items()):
        print(reason)
    for cell in args.cells:
        for kind, title in (("train", "training step"), ("forward", "forward pass")):
            print(f"\n### {cell}, {title}\n\n" + "\n".join(table(rows, cell, kind)))
    if not args.no_growth:
        print("\n### Training step at T, 2T, 4T (B, T, I, H) = " + f"{GROWING}\n\n" + "\n".join(growth(args)))
    if args.csv:
        with open(args.csv, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, fieldnames=list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
