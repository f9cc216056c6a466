"""JAX as a run wants it: one CPU device per core for seeds side by side, and compiled programs kept between runs."""

import contextlib
import ctypes
import os
from pathlib import Path

import jax
import platformdirs

from grux.errors import UsageError
from grux.training.mesh import join
from grux.training.seeds import cpu_devices

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h of glibc


def start_jax(hosts: int = 1, coordinator: str | None = None, host: int | None = None) -> None:
    """Set JAX up before its first computation; without effect on what is already running.

    With several `hosts` this process meets the others (`mesh.join`).

    Raises UsageError where the platform asked for by `JAX_PLATFORMS` is not there: it never falls back silently.
    """
    keep_freed_memory()
    cache = compile_cache()
    if cache is not None:
        jax.config.update("jax_compilation_cache_dir", str(cache))
        # The default skips programs that compile within a second: those are ours.
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)
    if not _devices_are_forced():
        # In a process that has run before, JAX has started and keeps the devices that it has.
        with contextlib.suppress(RuntimeError):
            jax.config.update("jax_num_cpu_devices", cpu_devices())
    join(hosts, coordinator, host)
    try:
        jax.local_devices()
    except Exception as error:  # a platform that is not there raises RuntimeError, or trips over an assertion of JAX
        reason = next(iter(str(error).splitlines()), "") or "there is no such device"
        raise UsageError(
            f"JAX cannot start on JAX_PLATFORMS={os.environ.get('JAX_PLATFORMS', '')} ({reason[:200]}); "
            "unset it or install the matching extra."
        ) from error


def _devices_are_forced() -> bool:
    """Whether the environment says how many devices a CPU is taken for."""
    named = "JAX_NUM_CPU_DEVICES" in os.environ
    return named or "xla_force_host_platform_device_count" in os.environ.get("XLA_FLAGS", "")


def keep_freed_memory() -> None:
    """Have malloc keep what JAX frees, where it is glibc's: each program would fault the same pages in again.

    A step that touches tens of megabytes spends up to a third of its time on that.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return
    if not mallopt(M_MMAP_THRESHOLD, 1 << 30):
        mallopt(M_MMAP_THRESHOLD, 32 << 20)  # the most that older versions of glibc take
    mallopt(M_TRIM_THRESHOLD, 1 << 30)


def compile_cache() -> Path | None:
    """The folder of compiled programs, private to the user; None where it cannot be had.

    `JAX_COMPILATION_CACHE_DIR` names another. Compiled programs are native code: a folder that somebody else owns is
    not used.
    """
    named = os.environ.get("JAX_COMPILATION_CACHE_DIR")
    folder = Path(named) if named else Path(platformdirs.user_cache_dir("grux")) / "compiled"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if hasattr(os, "getuid") and folder.stat().st_uid != os.getuid():
            return None
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK) else None
