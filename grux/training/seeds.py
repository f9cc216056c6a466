"""Members as an axis of one program: seeds, and numbers of the config in which runs may differ and be one program.

    vmap    one batched program: right for GPU and TPU, where small networks leave the chip idle
    map     one member after the other inside one dispatch
    shard   `map` on each of several devices at once: right for CPU, where a batched product leaves the fast path

All three give the same numbers to float tolerance. With `data` devices, each takes a part of every batch instead
(`grux.training.mesh`), and members are batched or taken in turn: a device has one part to play.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import jax
import numpy as np
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from grux.engine.division import divided
from grux.errors import UsageError
from grux.provenance import available_cores
from grux.training import mesh

SeedStrategy = Literal["auto", "vmap", "map", "shard"]
FASTEST: dict[str, Literal["vmap", "shard"]] = {"cpu": "shard", "gpu": "vmap", "tpu": "vmap"}
"""Platform -> what `auto` takes. The CPU's is measured (experiments/seed_axis), the others' are expected."""
AXIS = "seeds"
MOST_CPU_DEVICES = 32


@dataclass(frozen=True)
class SeedAxis:
    """How programs of one member become programs of `size` members, of which the first `count` are real."""

    strategy: Literal["vmap", "map", "shard"]
    count: int
    mesh: jax.sharding.Mesh | None = None
    """The devices over which members are spread."""
    data: jax.sharding.Mesh | None = None
    """The devices over which the rows of each batch are spread."""

    @property
    def size(self) -> int:
        """Members in the program: `count`, filled up to a multiple of the devices.

        Fillers are inactive and take no steps.
        """
        devices = 1 if self.mesh is None else self.mesh.size
        return -(-self.count // devices) * devices

    def seeds(self, seeds: list[int]) -> np.ndarray:
        """uint32 [size]: the seed of each member, fillers at the end."""
        return self.filled(np.array(seeds, np.uint32))

    def real(self, tree: Any) -> Any:
        """The arrays of the real members, on the host: what a checkpoint holds, whatever the number of devices."""
        return jax.tree.map(lambda x: np.asarray(x)[: self.count], tree)

    def filled(self, tree: Any) -> Any:
        """Arrays [count, ...] filled up to [size, ...] by copies of the last member."""
        fill = self.size - self.count
        return jax.tree.map(lambda x: np.concatenate([x, np.repeat(x[-1:], fill, 0)]) if fill else x, tree)

    def is_real(self) -> np.ndarray:
        """bool [size]."""
        return np.arange(self.size) < self.count

    def over(self, function: Callable, axes: tuple[bool, ...]) -> Callable:
        """`function` with a leading member axis on each argument where `axes` is true, and on all of its results."""
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

    def place(self, tree: Any, *, seeded: bool, rows: int | None = None) -> Any:
        """Arrays on their devices: split along the member axis, or whole on each.

        Those whose axis `rows` is that of the batch are split there over the devices of `data`.
        """
        if self.data is not None:
            return mesh.spread(tree, self.data, rows)
        if self.mesh is None:
            return jax.tree.map(jax.device_put, tree)
        return jax.device_put(tree, NamedSharding(self.mesh, P(AXIS) if seeded else P()))

    def divided(self, tree: Any, rows: int) -> Any:
        """Inside a program: the arrays, whose axis `rows` is that of a batch, spread over the devices of `data`.

        Left to itself XLA may find it simpler that all of them do everything.
        """
        return tree if self.data is None else jax.lax.with_sharding_constraint(tree, mesh.shards(self.data, rows))

    def compile(self, function: Callable, donate: tuple[int, ...], *args: Any) -> Callable:
        """The compiled program of a function on arguments that have been placed."""
        if self.data is None:
            return jax.jit(function, donate_argnums=donate).lower(*args).compile()
        whole = mesh.whole(self.data)  # so that results fit the next call's arguments
        with divided():
            return jax.jit(function, donate_argnums=donate, out_shardings=whole).lower(*args).compile()


def seed_axis(count: int, strategy: SeedStrategy = "auto", data: jax.sharding.Mesh | None = None) -> SeedAxis:
    """The strategy for this platform, or the one asked for; `data` devices are not there for members."""
    devices = jax.local_devices()
    if data is not None:
        if strategy == "shard":
            raise UsageError(
                f"seed_strategy=shard gives devices to seeds and mesh.data={data.size} gives them to parts of a batch; "
                "choose seed_strategy=map or vmap, or mesh.data=1."
            )
        if strategy == "auto":
            strategy = "map" if devices[0].platform == "cpu" else "vmap"
        return SeedAxis(strategy, count, data=data)
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
