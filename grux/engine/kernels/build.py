"""The CPU kernels as a loaded library: compiled at first use, kept per user, machine and compiler.

A wheel could not know the vector width of the machine that it lands on, and half of the speed is there. So the source
travels with grux and the machine's own C++ compiler translates it for the machine's own processor, in some 20 seconds,
once. Where there is no compiler nothing is lost but speed: the engine then stays with XLA, and says so.

`CXX` names another compiler and `CXXFLAGS` adds to its flags, as they do elsewhere.
"""

import ctypes
import functools
import hashlib
import logging
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

import jax.ffi
import platformdirs

from grux.errors import GruxError

SOURCES = Path(__file__).parent
FLAGS = (
    "-std=c++17",
    "-O3",
    "-march=native",
    "-ffp-contract=off",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-shared",
    "-fPIC",
)
COMPILERS = ("g++", "clang++", "c++")
TIME_LIMIT = 300  # seconds

log = logging.getLogger("grux")


class KernelsUnavailable(GruxError):
    """The CPU kernels cannot be had on this machine; the message says why and what to do."""


@functools.cache
def kernels() -> ctypes.CDLL:
    """The loaded library, compiled now if it has not been; raises KernelsUnavailable."""
    if platform.system() != "Linux" or platform.machine() not in ("x86_64", "aarch64"):
        raise KernelsUnavailable(
            f"The CPU kernels are for Linux on x86-64 and aarch64, and this is {platform.system()} on "
            f"{platform.machine()}."
        )
    compiler = _compiler()
    folder = _folder()
    path = folder / f"recurrence-{_fingerprint(compiler)}.so"
    try:
        if not path.exists():
            log.warning("The CPU kernels are compiled for this machine, once; it takes some 20 seconds.")
            _compile(compiler, path)
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise KernelsUnavailable(
            f"The CPU kernels in {folder} cannot be loaded ({error}); remove that folder to have them made again."
        ) from error


@functools.cache
def problem() -> str | None:
    """Why the CPU kernels cannot be had, or None. Compiles them if that has not been done."""
    try:
        kernels()
    except KernelsUnavailable as error:
        return str(error)
    return None


def state() -> str:
    """Whether this process has the CPU kernels, for a record: a run with them and one without differ in speed."""
    if not problem.cache_info().currsize:
        return "not asked for"
    return problem() or "at hand"


def _flags() -> list[str]:
    return [*FLAGS, *shlex.split(os.environ.get("CXXFLAGS", ""))]


def _compiler() -> str:
    named = os.environ.get("CXX")
    for name in (named,) if named else COMPILERS:
        if found := shutil.which(name):
            return found
    wanted = f"CXX={named}" if named else " or ".join(COMPILERS)
    raise KernelsUnavailable(f"The CPU kernels need a C++ compiler and there is no {wanted}; install g++.")


def _folder() -> Path:
    """Private to the user: what lies there is run as code, so a folder that somebody else owns is not used."""
    beside = os.environ.get("JAX_COMPILATION_CACHE_DIR")  # compiled programs and compiled kernels lie together
    folder = Path(beside or platformdirs.user_cache_dir("grux")) / "kernels"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if folder.stat().st_uid != os.getuid():
            raise KernelsUnavailable(f"The CPU kernels are not kept in {folder}: it is another user's folder.")
    except OSError as error:
        raise KernelsUnavailable(f"The CPU kernels cannot be kept in {folder} ({error.strerror}).") from error
    return folder


def _fingerprint(compiler: str) -> str:
    """Of all that the compiled code depends on: the sources, the headers, the compiler and the processor."""
    parts = [path.read_bytes() for path in sorted((*SOURCES.glob("*.cc"), *SOURCES.glob("*.h")))]
    parts += [path.read_bytes() for path in sorted(Path(jax.ffi.include_dir()).rglob("*.h"))]
    version = subprocess.run([compiler, "--version"], capture_output=True, check=False, timeout=TIME_LIMIT).stdout
    parts += [version, " ".join(_flags()).encode(), _processor()]
    digest = hashlib.sha256()
    for part in parts:
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()[:16]


def _processor() -> bytes:
    """What -march=native looks at: a home folder may be shared by machines of several kinds."""
    try:
        lines = Path("/proc/cpuinfo").read_bytes().splitlines()
    except OSError:
        return platform.machine().encode()
    names = (b"vendor_id", b"cpu family", b"model", b"flags", b"Features", b"CPU implementer", b"CPU part")
    return b"\n".join(dict.fromkeys(line for line in lines if line.split(b":")[0].strip() in names))


def _compile(compiler: str, path: Path) -> None:
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        made = Path(folder) / path.name
        command = [
            compiler,
            *_flags(),
            "-isystem",
            jax.ffi.include_dir(),
            str(SOURCES / "recurrence.cc"),
            "-o",
            str(made),
        ]
        try:
            result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIME_LIMIT)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise KernelsUnavailable(f"The CPU kernels could not be compiled by {compiler} ({error}).") from error
        if result.returncode:
            reason = next((line for line in result.stderr.splitlines() if "error" in line), result.stderr[:200])
            raise KernelsUnavailable(f"The CPU kernels could not be compiled by {compiler} ({reason.strip()[:300]}).")
        os.replace(made, path)  # whole or not at all, whoever else compiles at the same time
