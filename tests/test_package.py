"""What is shipped: a wheel with configs and licence inside, that works away from the checkout."""

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LOCKS = ROOT / "scripts" / "locks"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (path,) = folder.glob("*.whl")
    return zipfile.ZipFile(path)


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """A folder outside the checkout with the wheel unpacked, which is all that installing a pure wheel does to it."""
    folder = tmp_path_factory.mktemp("site with spaces")
    wheel.extractall(folder)
    return folder


@pytest.fixture
def grux(installed, tmp_path):
    """grux(*arguments): what the console script of the installed wheel does, called from an empty folder."""
    module, function = PROJECT["scripts"]["grux"].split(":")
    code = f"import sys; from {module} import {function}; sys.argv[0] = 'grux'; sys.exit({function}())"

    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        env = os.environ | {"PYTHONPATH": str(installed)}
        command = [sys.executable, "-c", code, *arguments]
        return subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)

    return call


def test_every_config_is_in_the_wheel(wheel):
    inside = {name.removeprefix("grux/") for name in wheel.namelist() if name.startswith("grux/configs/")}
    outside = {path.relative_to(ROOT).as_posix() for path in (ROOT / "configs").rglob("*") if path.is_file()}
    assert inside == outside and "configs/train.yaml" in inside


def test_the_sources_of_the_kernels_are_in_the_wheel(wheel):
    folder = "grux/engine/kernels/"
    inside = {name for name in wheel.namelist() if name.startswith(folder)}
    outside = {path.relative_to(ROOT).as_posix() for path in (ROOT / folder).glob("*") if path.is_file()}
    assert inside == outside and f"{folder}recurrence.cc" in inside


def test_every_module_is_in_the_wheel(wheel):
    inside = {name for name in wheel.namelist() if name.endswith(".py")}
    assert inside == {path.relative_to(ROOT).as_posix() for path in (ROOT / "grux").rglob("*.py")}


def test_licence_and_metadata(wheel):
    (folder,) = {name.split("/")[0] for name in wheel.namelist() if ".dist-info/" in name}
    assert wheel.read(f"{folder}/licenses/LICENSE") == (ROOT / "LICENSE").read_bytes()
    metadata = Parser().parsestr(wheel.read(f"{folder}/METADATA").decode())
    assert metadata["License-Expression"] == "Apache-2.0" and metadata["Requires-Python"] == ">=3.11"
    assert {"samples", "interop", "cuda", "tpu", "slurm", "ray", "tune", "dev"} <= set(
        metadata.get_all("Provides-Extra", [])
    )
    assert "grux = grux.cli:main" in wheel.read(f"{folder}/entry_points.txt").decode()


def test_help_away_from_the_checkout(grux):
    done = grux("--help")
    assert done.returncode == 0, done.stderr
    assert "grux train" in done.stdout


def test_a_config_composes_away_from_the_checkout(grux, installed):
    done = grux("train", "data=first_token", "--cfg", "job")
    assert done.returncode == 0, done.stderr
    assert "grux.layers.recurrent.Recurrent" in done.stdout
    where = grux("train", "--info", "searchpath")
    assert str(installed / "grux" / "configs") in where.stdout, where.stdout + where.stderr


def locked(name: str) -> dict[str, set[str]]:
    """Versions of each package in a lock file; those it includes too."""
    text = (LOCKS / name).read_text(encoding="utf-8")
    found: dict[str, set[str]] = {}
    for package, version in re.findall(r"^([a-z0-9._-]+)==(\S+)", text, re.MULTILINE):
        found.setdefault(package, set()).add(version)
    for included in re.findall(r"^-r (\S+)$", text, re.MULTILINE):
        found |= locked(included)
    return found


def requirements(extra: str | None) -> set[str]:
    """The packages that pyproject.toml asks for, extras of grux itself followed."""
    wanted = PROJECT["dependencies"] if extra is None else PROJECT["optional-dependencies"][extra]
    names = set() if extra is None else requirements(None)
    for requirement in wanted:
        name, extras = re.match(r"([\w.-]+)(?:\[([\w,]+)\])?", requirement).groups()  # type: ignore[union-attr]
        if name == "grux":
            names |= set().union(*(requirements(inner) for inner in extras.split(",")))
        else:
            names.add(re.sub(r"[-_.]+", "-", name).lower())
    return names


@pytest.mark.parametrize("extra", ["samples", "dev"])
def test_the_lock_has_all_that_the_project_asks_for(extra):
    packages = locked(f"{extra}.txt")
    assert requirements(extra) | {"hatchling", "editables"} <= packages.keys()
    # Two generations of JAX: the last one for Python 3.11, and the newest.
    assert len(packages["jax"]) == 2 and "0.10.2" in packages["jax"]


@pytest.mark.parametrize("path", sorted(LOCKS.glob("*.txt")), ids=lambda path: path.name)
def test_the_lock_has_hashes_and_names_no_index(path):
    text = path.read_text(encoding="utf-8")
    assert "://" not in text and "index-url" not in text and "find-links" not in text
    entries = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)
    assert all("--hash=sha256:" in entry for entry in entries if "==" in entry)


def test_one_version():
    from grux import __version__

    assert f"version: {__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "script", ["scripts/quickstart", "scripts/test", "scripts/environment", "scripts/lock", ".ci/run"]
)
def test_scripts_are_well_formed(script):
    done = subprocess.run(["bash", "-n", str(ROOT / script)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert script == "scripts/environment" or os.access(ROOT / script, os.X_OK)
