"""Devices and processes that share the work of one run: each takes a part of the rows of every batch.

    mesh.data=4                                    four devices of this machine
    mesh.data=8 mesh.hosts=2                       two processes with four devices each, which find each other by Slurm
    ... mesh.coordinator=HOST:PORT mesh.host=0     the same where there is no Slurm: the command of the first of them

The program is that of a single device, and XLA divides it (jit with shardings). Parameters, data and results are whole
on every device, the rows of a batch are not, and a sum over rows becomes a sum over devices. Losses and metrics are
sums and counts until the last, so the parts need not be equally full, and dropout draws the masks of the whole batch
whatever the number of devices: the numbers are those of one device, but for the order of additions.

All processes run the same loop on the same values and see the same run folder, in which the first alone writes. A
signal to any of them stops all.
"""

import os
import socket
import sys
import time
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from grux.errors import UsageError

ROWS = "data"
WAIT = 300.0
"""Seconds in which the first process must have begun to answer."""
PATIENCE = "--xla_cpu_collective_timeout_seconds=1800"


def join(hosts: int, coordinator: str | None, host: int | None) -> None:
    """Meet the other processes, before JAX starts; without effect for one process and the second time.

    Without a coordinator the processes are found as JAX finds them: by the variables of Slurm or Open MPI, or by those
    of the cloud. Raises UsageError where that fails.
    """
    if hosts == 1 or jax.distributed.is_initialized():
        return
    # CPUs alone give up after 30 seconds, while the first process may read, compile or write for longer.
    if PATIENCE.split("=")[0] not in (flags := os.environ.get("XLA_FLAGS", "")):
        os.environ["XLA_FLAGS"] = f"{flags} {PATIENCE}"
    if coordinator and host:
        _wait_for(coordinator, hosts)
    try:
        jax.config.update("jax_cpu_collectives_implementation", "gloo")  # for CPUs; other platforms have their own
        jax.distributed.initialize(coordinator, hosts if coordinator else None, host)
    except (RuntimeError, ValueError) as error:
        reason = next(iter(str(error).splitlines()), "")[:200]
        raise UsageError(
            f"mesh.hosts={hosts} processes could not meet ({reason}); start the same command for each of them, under "
            "Slurm, or with mesh.coordinator=HOST:PORT of the first one and mesh.host=0, 1, ..."
        ) from error
    if jax.process_count() != hosts:
        raise UsageError(f"mesh.hosts={hosts} was asked for, but {jax.process_count()} processes were started.")


def _wait_for(coordinator: str, hosts: int) -> None:
    """Until the first process answers: left alone JAX waits without a word, and then aborts the process."""
    name, _, port = coordinator.rpartition(":")
    began, said = time.monotonic(), False
    while True:
        try:
            socket.create_connection((name.strip("[]"), int(port)), timeout=2).close()
            return
        except (OSError, ValueError, OverflowError) as error:
            if not port.isdecimal() or not name or time.monotonic() - began > WAIT:
                raise UsageError(
                    f"mesh.coordinator={coordinator} does not answer ({error}); give HOST:PORT of the first of the "
                    f"mesh.hosts={hosts} processes, and start that one with mesh.host=0."
                ) from error
        if not said:
            print(f"waiting for the first process at {coordinator}", file=sys.stderr, flush=True)
            said = True
        time.sleep(0.5)


def data_mesh(devices: int, hosts: int) -> Mesh | None:
    """The devices that share each batch, as many of each process; None for one."""
    if devices == 1:
        return None
    each = devices // hosts
    found: dict[int, list[Any]] = {}
    for device in jax.devices():
        found.setdefault(device.process_index, []).append(device)
    fewest = min(len(local) for local in found.values())
    if fewest < each:
        raise UsageError(
            f"mesh.data={devices} needs {each} devices{' on each host' if hosts > 1 else ''} and there are {fewest}; "
            f"choose mesh.data={fewest * hosts} or less."
        )
    chosen = [device for process in sorted(found) for device in found[process][:each]]
    return jax.make_mesh((devices,), (ROWS,), (AxisType.Auto,), devices=chosen)


def whole(mesh: Mesh) -> NamedSharding:
    """An array that every device has all of."""
    return NamedSharding(mesh, P())


def shards(mesh: Mesh, rows: int) -> NamedSharding:
    """An array whose axis `rows` is split over the devices."""
    return NamedSharding(mesh, P(*[None] * rows, ROWS))


def spread(tree: Any, mesh: Mesh, rows: int | None) -> Any:
    """The arrays of the host on the devices, whole, or split along their axis `rows`; each process feeds its own."""
    sharding = whole(mesh) if rows is None else shards(mesh, rows)

    def put(x: Any) -> jax.Array:
        x = np.asarray(x)
        return jax.make_array_from_callback(x.shape, sharding, lambda index: x[index])

    return jax.tree.map(put, tree)


def is_first() -> bool:
    """Whether this process writes."""
    return jax.process_index() == 0


def any_of(flag: bool) -> bool:
    """Whether the flag is set in any process; each must ask."""
    return flag if jax.process_count() == 1 else bool(multihost_utils.process_allgather(np.array(flag)).any())
