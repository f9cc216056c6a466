"""Where a number comes from: versions, the commit and its changes, the machine."""

import hashlib
import importlib.metadata
import importlib.util
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

PACKAGES = ("grux", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "hydra-core", "numpy", "sacrebleu")
# Only what changes numbers or placement is recorded: never the whole environment, which holds secrets.
VARIABLES = ("XLA_FLAGS", "NPROC", "CUDA_VISIBLE_DEVICES", "JAX_PLATFORMS", "JAX_ENABLE_X64", "OMP_NUM_THREADS")

CORES = "GRUX_CORES"
"""The share of the cores that a launcher gave this process, for platforms that bind nobody to cores."""


def versions() -> dict[str, str | None]:
    """Python and the packages that take part in a number; None for one that is not installed."""
    found: dict[str, str | None] = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return found


def commit() -> tuple[str | None, str | None]:
    """The commit of grux's own checkout, and the SHA-256 of what differs from it; None where there is none.

    New files count as changes: a new cell is one.
    An installed package that merely lies inside somebody's repository is not a checkout of grux.
    """
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return None, None
    head = _git(root, "rev-parse", "HEAD")
    diff = _git(root, "diff", "HEAD") or ""
    new = _git(root, "ls-files", "-z", "--others", "--exclude-standard", "grux", "configs") or ""
    for name in sorted(filter(None, new.split("\0"))):
        diff += f"\n{name}\n" + (root / name).read_text(errors="replace")
    changed = hashlib.sha256(diff.encode()).hexdigest() if diff else None
    return (head.strip() if head else None), changed


def sources(config: object) -> dict[str, str]:
    """Module -> SHA-256 of the file of every part that a config names by `_target_`, but for those of Optax."""
    if isinstance(config, list):
        return {name: digest for item in config for name, digest in sources(item).items()}
    if not isinstance(config, dict):
        return {}
    found = {name: digest for item in config.values() for name, digest in sources(item).items()}
    module = str(config.get("_target_", "")).rpartition(".")[0]
    if module and module.split(".")[0] != "optax":
        try:
            spec = importlib.util.find_spec(module)
            if spec and spec.origin:
                found[module] = hashlib.sha256(Path(spec.origin).read_bytes()).hexdigest()
        except (ImportError, OSError, ValueError):  # a part that is not there any more
            pass
    return found


def changed_files(record: dict[str, Any]) -> list[str]:
    """The files of one's own that a finished run was trained on and whose content is not what it was."""
    before, data = record.get("data") or {}, record["config"].get("data") or {}
    given = [Path(data[key]).expanduser() for key in ("path", "validation", "test") if isinstance(data.get(key), str)]
    there = [path for path in given if before and path.is_file()]
    return [str(path) for path in there if hashlib.sha256(path.read_bytes()).hexdigest() not in before.values()]


def changed_sources(record: dict[str, Any]) -> list[str]:
    """The parts of a finished run whose files are not what they were when it was trained."""
    before = record.get("sources") or {}
    return [name for name, digest in sources(record["config"]).items() if before.get(name, digest) != digest]


def device(devices: list[Any], cores: int) -> dict[str, Any]:
    """The accelerator and the machine, as far as they change numbers or speed."""
    first = devices[0]
    kind = first.device_kind if first.platform != "cpu" else _processor()
    variables = {name: os.environ[name] for name in VARIABLES if name in os.environ}
    return {
        "platform": first.platform,
        "kind": kind,
        "count": len(devices),
        "cores": cores,
        "system": f"{platform.system()} {platform.machine()}",
        "environment": variables,
    }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or "cpu"


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, errors="replace", timeout=20
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def available_cores() -> int:
    """Cores that this process may use (a container or a scheduler may allow fewer than the machine has)."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    share = os.environ.get(CORES, "")
    return min(cores, int(share)) if share.isdecimal() and int(share) > 0 else cores
