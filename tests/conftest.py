"""What every test runs under: strict JAX on two CPU devices, checked shapes, no network, files in a folder of its own.

The environment is set here, before anything imports JAX, so that processes started by tests inherit it.
"""

import importlib.metadata
import os
import shutil
import socket
import sys
import tempfile
import types
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["JAX_NUM_CPU_DEVICES"] = "2"  # enough to see seeds sharded over devices
os.environ["JAX_NUMPY_RANK_PROMOTION"] = "raise"
# Most of the time goes into compiling programs that then run for milliseconds: these flags halve it. XLA_FLAGS= in the
# environment tests what users run. A flag that XLA does not know ends the process, and only jaxlib 0.10 has the second.
_QUICK = ["--xla_cpu_parallel_codegen_split_count=1"]
if importlib.metadata.version("jaxlib").startswith("0.10."):
    _QUICK.append("--xla_cpu_use_fusion_emitters=false")
os.environ.setdefault("XLA_FLAGS", " ".join(_QUICK))
# Compiled programs are shared by the workers and processes of one test session, and by nothing else. A worker of
# pytest-xdist inherits the folder of the process that started it.
if "GRUX_TESTS_FOLDER" not in os.environ:
    os.environ["GRUX_TESTS_FOLDER"] = tempfile.mkdtemp(prefix="grux-tests-")
os.environ["JAX_COMPILATION_CACHE_DIR"] = str(Path(os.environ["GRUX_TESTS_FOLDER"]) / "compiled")
os.environ["MPLBACKEND"] = "agg"
# A process started by a test that asks for an address outside fails at once instead of waiting.
for variable in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
    os.environ[variable] = "http://127.0.0.1:9"
os.environ["no_proxy"] = os.environ["NO_PROXY"] = "localhost,127.0.0.1"
# What a developer has set for real runs must not change a test. Only the benchmark data stay at hand: those of the
# caller, or shared/data beside the checkout.
_mirror = ROOT / os.environ.get("GRUX_MIRROR", "../shared/data")
for variable in [name for name in os.environ if name.startswith("GRUX_") and name != "GRUX_TESTS_FOLDER"]:
    del os.environ[variable]
if _mirror.is_dir():
    os.environ["GRUX_MIRROR"] = str(_mirror.resolve())

# Where signatures carry shapes. Host code (data, results, config) is tested with doubles and wrong types on purpose.
CHECKED = [f"grux.{room}" for room in ("cells", "engine", "layers", "models", "tasks", "training.step", "counting")]

ROOMS_OF_EQUATIONS = ("cells", "engine", "interop", "layers", "models", "tasks", "counting", "training")


def _check_types_at_run_time() -> None:
    import beartype
    from beartype.roar import BeartypeDecorHintPep3119Exception
    from jaxtyping import install_import_hook

    # An int where a float is asked for is fine (PEP 484), though beartype is stricter by default.
    strict = beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))

    def check(checked):
        try:
            return strict(checked)
        except BeartypeDecorHintPep3119Exception:
            return checked  # annotated with a typing.Protocol, which isinstance() cannot check

    # The hook takes the importable name of a checker, so this one gets a module to be imported from.
    module = types.ModuleType("grux_test_types")
    module.check = check  # type: ignore[attr-defined]
    sys.modules[module.__name__] = module
    loaded = [name for name in sys.modules if name.startswith(tuple(CHECKED))]
    if loaded:
        raise pytest.UsageError(f"{loaded} were imported before the check of types could be installed.")
    install_import_hook(CHECKED, "grux_test_types.check")


_check_types_at_run_time()


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # the process that started the workers, or the only one
        shutil.rmtree(os.environ["GRUX_TESTS_FOLDER"], ignore_errors=True)


@pytest.fixture(autouse=True)
def own_folders(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache and a home of each test's own; a relative path leads to neither of them nor into the checkout."""
    private = tmp_path_factory.mktemp("private")
    (private / "work").mkdir()
    monkeypatch.setenv("GRUX_CACHE", str(private / "cache"))
    monkeypatch.setenv("HOME", str(private))
    monkeypatch.setenv("XDG_CACHE_HOME", str(private / "xdg-cache"))
    monkeypatch.chdir(private / "work")


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only this machine itself answers: a test that reaches further fails with a sentence."""
    connect, look_up = socket.socket.connect, socket.getaddrinfo

    def refuse(host: object) -> None:
        if host not in (None, "", "localhost", "127.0.0.1", "::1", b"localhost"):
            raise OSError(f"tests have no network, and this one asked for {host!r}")

    def connect_here(self: socket.socket, address):
        if self.family in (socket.AF_INET, socket.AF_INET6):
            refuse(address[0])
        return connect(self, address)

    def look_up_here(host, *args, **kwargs):
        refuse(host)
        return look_up(host, *args, **kwargs)

    monkeypatch.setattr(socket.socket, "connect", connect_here)
    monkeypatch.setattr(socket, "getaddrinfo", look_up_here)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Where equations are tested, each on few numbers, a program runs for less time than it takes to optimise.

    No fixture: those of a whole module are set up before those of a test, under what the test before had left.
    """
    import jax

    room = item.path.relative_to(ROOT / "tests").parts[0]
    jax.config.update("jax_disable_most_optimizations", room in ROOMS_OF_EQUATIONS)


@pytest.fixture(scope="session")
def mirror() -> Path:
    """The folder of benchmark data that GRUX_MIRROR names; skips where there is none."""
    if "GRUX_MIRROR" not in os.environ:
        pytest.skip("no benchmark data; set GRUX_MIRROR to a folder that has them")
    return Path(os.environ["GRUX_MIRROR"])


@pytest.fixture
def float64():
    """Double precision inside the test: differences that remain are errors of the code, not of rounding."""
    import jax

    with jax.enable_x64(True):
        yield


@pytest.fixture
def key():
    import jax

    return jax.random.key(0)
