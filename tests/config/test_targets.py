"""The allow-list: nothing but components of grux, optimisers of optax and admitted packages can be named or called."""

import functools
import sys
from pathlib import Path

import optax
import pytest

from grux.config import build, check_nodes, check_settings, compose
from grux.config.targets import resolve
from grux.errors import UsageError

GADGETS = [
    "os.system",
    "posix.system",
    "builtins.open",
    "builtins.eval",
    "builtins.exec",
    "pathlib.Path.write_text",
    "shutil.copy",
    "shutil.rmtree",
    "subprocess.run",
    "subprocess.Popen",
    "pickle.loads",
    "numpy.load",
    "logging.os.system",
    "logging.config.dictConfig",
    "importlib.import_module",
    "urllib.request.urlretrieve",
    "ctypes.CDLL",
    "jax.experimental.io_callback",
    "jax.pure_callback",
    "flax.nnx.Module",
    "hydra.utils.instantiate",
    "optax.adam.__globals__",
    "optax._src.alias.adam",
    "optax.jax.jit",
    "optax.contrib.jax",
    "optax.GradientTransformation",
    "optax.losses.os",
    "grux.run.run",
    "grux.cli.main",
    "grux.folder.RunFolder",
    "grux.config.build.build",
    "grux.results.record.write_atomic",
    "grux.training.checkpoint.Checkpoints",
    "grux.data.fetch.fetch",
    "grux.data.fetch.os.system",
    "grux.data.fetch.cache_folder",
    "grux.data.extract.extract_member",
    "grux.data.files.Path",
    "grux.data.base.np",
    "grux.models.classifier.os.system",
    "grux.models.classifier.jax",
    "grux.models.classifier.nnx",
    "grux.models.classifier.Batch",
    "grux.models.classifier.__builtins__.eval",
    "grux.cells.gru.jax.pure_callback",
    "grux.cells.gru.GRUCell.combine",
    "grux.cells.gru.GatedCell",
    "grux.cells.initializers.kernels",
    "grux.cells.zoneout.jax",
    "grux.layers.recurrent.UsageError",
    "grux.engine.run.run",
    "grux",
    "grux.layers",
    "",
    ".",
    "..os.system",
    "grux.layers.recurrent.",
    "grux.layers recurrent.Recurrent",
    "gruxx.layers.recurrent.Recurrent",
    "grux.layersx.recurrent.Recurrent",
]


@pytest.mark.parametrize("group", ["arch", "model", "task", "data", "optimizer", "schedule"])
@pytest.mark.parametrize("target", GADGETS)
def test_gadgets_are_refused(target: str, group: str):
    with pytest.raises(UsageError):
        resolve(target, group, "node._target_")


@pytest.mark.parametrize("target", GADGETS)
def test_build_refuses_gadgets_by_itself(target: str, tmp_path: Path):
    with pytest.raises(UsageError):
        build({"_target_": target, "command": f"touch {tmp_path}/marker"})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("where", ["arch", "arch.cell", "data", "model", "optimizer", "+model.inner", "+data.files"])
def test_a_gadget_anywhere_in_the_tree_stops_everything(where: str, tmp_path: Path):
    marker = tmp_path / "marker"
    composed = compose([f"+{where.lstrip('+')}={{_target_:os.system,command:'touch {marker}'}}"])
    with pytest.raises(UsageError, match=r"os\.system is not allowed"):
        check_settings(composed.config)
    with pytest.raises(UsageError):
        check_nodes(composed.config)
    assert not marker.exists()


def test_a_value_that_is_no_name_is_refused():
    for target in (3, None, ["os.system"], {"a": 1}):
        with pytest.raises(UsageError):
            resolve(target, "arch", "arch._target_")  # pyright: ignore[reportArgumentType]


def test_a_group_takes_only_its_own_kind():
    with pytest.raises(UsageError, match="arch takes what is defined in"):
        resolve("grux.data.first_token.first_token", "arch", "arch._target_")


def test_near_names_are_offered():
    with pytest.raises(UsageError, match="did you mean Recurrent"):
        resolve("grux.layers.recurrent.Recurent", "arch", "arch._target_")
    with pytest.raises(UsageError, match="did you mean recurrent"):
        resolve("grux.layers.recurent.Recurrent", "arch", "arch._target_")
    with pytest.raises(UsageError, match="did you mean adam"):
        resolve("optax.adem", "optimizer", "optimizer._target_")


@pytest.fixture
def mylab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "mylab.py").write_text(
        "import os\n\nclass Layer:\n    def __init__(self, *, width: int):\n        self.w = width\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "mylab"
    sys.modules.pop("mylab", None)


def test_a_package_is_admitted_by_name_only(mylab: str):
    node = {"_target_": "mylab.Layer", "width": 3}
    with pytest.raises(UsageError, match="not allowed"):
        build(node)
    assert build(node, plugins=[mylab]).w == 3
    with pytest.raises(UsageError):
        build({"_target_": "mylab.os.system", "command": "true"}, plugins=[mylab])
    with pytest.raises(UsageError, match="cannot be imported"):
        resolve("nolab.Layer", "arch", "arch._target_", ["nolab"])


def test_build_calls_with_keywords_and_leaves_partials():
    made = build({"_target_": "optax.adam", "_partial_": True, "b1": 0.5})
    assert isinstance(made, functools.partial) and made.func is optax.adam and made.keywords == {"b1": 0.5}
    schedule = build({"_target_": "grux.training.schedules.constant"}, learning_rate=0.1, total_steps=3)
    assert float(schedule(0)) == pytest.approx(0.1)


def test_build_makes_inner_nodes_first():
    node = {"_target_": "optax.chain", "_partial_": True, "inner": [{"_target_": "optax.scale", "step_size": 2.0}]}
    inner = build(node).keywords["inner"]
    assert isinstance(inner[0], optax.GradientTransformation)
