"""Seeds as an axis of one program.

    vmap    one batched program: right for GPU and TPU, where small networks leave the chip idle
    map     one seed after the other inside one dispatch
    shard   `map` on each of several devices at once: right for CPU, where a batched product leaves the fast path

All three give the same numbers to float tolerance.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import jax
import numpy as np
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from grux.errors import UsageError
from grux.provenance import available_cores

SeedStrategy = Literal["auto", "vmap", "map", "shard"]
FASTEST: dict[str, Literal["vmap", "shard"]] = {"cpu": "shard", "gpu": "vmap", "tpu": "vmap"}
"""Platform -> what `auto` takes. The CPU's is measured (experiments/seed_axis), the others' are expected."""
AXIS = "seeds"
MOST_CPU_DEVICES = 32


@dataclass(frozen=True)
class SeedAxis:
    """How programs of one seed become programs of `size` seeds, of which the first `count` are real."""

    strategy: Literal["vmap", "map", "shard"]
    count: int
    mesh: jax.sharding.Mesh | None = None

    @property
    def size(self) -> int:
        """Seeds in the program: `count`, filled up to a multiple of the devices.

        Fillers are inactive and take no steps.
        """
        devices = 1 if self.mesh is None else self.mesh.size
        return -(-self.count // devices) * devices

    def seeds(self, seeds: list[int]) -> np.ndarray:
        """uint32 [size]: the seeds, fillers at the end."""
        return self.filled(np.array(seeds, np.uint32))

    def real(self, tree: Any) -> Any:
        """The arrays of the real seeds, on the host: what a checkpoint holds, whatever the number of devices."""
        return jax.tree.map(lambda x: np.asarray(x)[: self.count], tree)

    def filled(self, tree: Any) -> Any:
        """Arrays [count, ...] filled up to [size, ...] by copies of the last seed."""
        fill = self.size - self.count
        return jax.tree.map(lambda x: np.concatenate([x, np.repeat(x[-1:], fill, 0)]) if fill else x, tree)

    def is_real(self) -> np.ndarray:
        """bool [size]."""
        return np.arange(self.size) < self.count

    def over(self, function: Callable, axes: tuple[bool, ...]) -> Callable:
        """`function` with a leading seed axis on each argument where `axes` is true, and on all of its results."""
        if self.strategy == "vmap":
            return jax.vmap(function, in_axes=tuple(0 if a else None for a in axes))

        def mapped(*args):
            each = tuple(x for x, a in zip(args, axes, strict=True) if a)

            def one(each):
                items = iter(each)
                return function(*(next(items) if a else x for x, a in zip(args, axes, strict=True)))

            return jax.lax.map(one, each)

        if self.strategy == "map":
            return mapped
        specs = tuple(P(AXIS) if a else P() for a in axes)
        return jax.shard_map(mapped, mesh=self.mesh, in_specs=specs, out_specs=P(AXIS), check_vma=False)

    def place(self, tree: Any, *, seeded: bool) -> Any:
        """Arrays on their devices: split along the seed axis, or whole on each."""
        if self.mesh is None:
            return jax.tree.map(jax.device_put, tree)
        return jax.device_put(tree, NamedSharding(self.mesh, P(AXIS) if seeded else P()))


def seed_axis(count: int, strategy: SeedStrategy = "auto") -> SeedAxis:
    """The strategy for this platform, or the one asked for."""
    devices = jax.local_devices()
    if strategy == "auto":
        strategy = FASTEST.get(devices[0].platform, "vmap")
        if strategy == "shard" and (count == 1 or len(devices) == 1):
            strategy = "map"
    if strategy != "shard":
        return SeedAxis(strategy, count)
    if len(devices) < 2:
        raise UsageError(
            f"seed_strategy=shard needs at least two devices and there is {len(devices)}; choose seed_strategy=map."
        )
    used = devices[: min(count, len(devices))]
    return SeedAxis("shard", count, jax.make_mesh((len(used),), (AXIS,), (AxisType.Auto,), devices=used))


def cpu_devices() -> int:
    """How many CPU devices to ask JAX for, before it starts: one per core.

    Not fewer where a run has fewer seeds: it would then depend on its neighbours in a sweep on how a run is computed.
    """
    return min(available_cores(), MOST_CPU_DEVICES)
