"""The map of the house, held by a test: which way imports point, and what may stand where.

    row 0   batch  shapes  rates  errors  arguments  provenance  nearest
    row 1   cells | data | tasks | results        four columns that never import each other
    row 2   engine
    row 3   layers
    row 4   models | interop
    row 5   training
    row 6   counting
    row 7   config  folder  matching  together  assembly  trained  run  launch  tuning  midi  sound
    row 8   cli  commands

Each rule is a function of a source tree that returns its complaints. It runs over the real tree, and over small wrong
trees that it must complain about. If a need arises that the map cannot serve, redraw the map first, then the code.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LONGEST = 400  # lines of a file that is read in one sitting

GROUND = ("batch", "errors", "arguments", "provenance", "nearest")
MAY_IMPORT: dict[str, tuple[str, ...]] = {
    # room: the rooms, or modules of rooms, below it that it may know; a room may always import itself and "grux"
    "__init__": (),
    "batch": (),
    "errors": (),
    "arguments": (),
    "provenance": (),
    "nearest": (),
    "shapes": (),
    "rates": ("arguments", "shapes"),
    "cells": (*GROUND, "shapes", "rates"),
    "data": GROUND,
    "tasks": (*GROUND, "shapes"),
    "results": GROUND,
    "engine": (*GROUND, "shapes", "cells"),
    "layers": (*GROUND, "shapes", "rates", "cells", "engine"),
    "models": (*GROUND, "shapes", "rates", "cells", "engine", "layers"),
    "interop": (*GROUND, "shapes", "cells", "engine", "layers"),
    # Of data and tasks the trainer knows the contracts, never a data set or a task.
    "training": (
        *(*GROUND, "shapes", "rates", "data.base", "data.batching", "tasks.base", "results.record"),
        "engine.division",
    ),
    # What a model costs: its layers, on the shapes of some data, under the loss of some task.
    "counting": (*GROUND, "shapes", "cells", "layers", "data.base", "tasks.base", "training.flops"),
    "config": (*GROUND, "shapes", "cells", "data", "tasks", "results", "engine", "layers", "models", "training"),
    "folder": (*GROUND, "results", "config"),
    "together": (*GROUND, "results", "config"),
    "midi": GROUND,
    "sound": GROUND,
}
MAY_IMPORT["matching"] = (*MAY_IMPORT["config"], "config", "counting")
MAY_IMPORT["assembly"] = (*MAY_IMPORT["matching"], "rates", "matching")
MAY_IMPORT["trained"] = (*MAY_IMPORT["config"], "config", "rates")
MAY_IMPORT["run"] = (*MAY_IMPORT["assembly"], "folder", "together", "assembly")
MAY_IMPORT["launch"] = (*MAY_IMPORT["run"], "run")
MAY_IMPORT["tuning"] = (*MAY_IMPORT["launch"], "launch")
MAY_IMPORT["cli"] = MAY_IMPORT["commands"] = (
    *MAY_IMPORT["tuning"],
    "tuning",
    "trained",
    "midi",
    "sound",
    "cli",
    "commands",
)
MAY_IMPORT["__main__"] = ("cli",)

# Package: the places that may import it. A name that ends in ".py" is one file, "training/?" any one file of that room.
CONFINED = {
    "hydra": ("config", "run", "launch", "cli", "commands"),
    "omegaconf": ("config", "run", "launch", "cli", "commands"),
    "orbax": ("training/?",),
    "tensorboardX": ("training/?",),
    "safetensors": ("interop/?",),
    "optuna": ("launch", "tuning", "results"),
}
FOREIGN = ("torch", "keras", "tensorflow")  # grux reads and writes their arrays without them
WITHOUT_JAX = ("batch", "errors", "arguments", "provenance", "nearest", "data", "results")
NEEDS_JAX = ("jax", "jaxlib", "flax", "optax", "orbax", "chex", "grux.shapes", "grux.rates")
LOOPS = {
    "scan": ("engine", "training", "models/sample.py", "tasks/edits.py"),
    "associative_scan": ("engine",),
    "fori_loop": ("engine", "training"),
}
LOOPS["while_loop"] = ("engine", "training", "models/decode.py")
PICKLES = ("pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve")
SAFE_YAML = re.compile(r"yaml\.(C?SafeLoader|safe_load(_all)?)")


def sources(root: Path) -> Iterator[tuple[str, str, ast.Module]]:
    """(path below grux, room, syntax tree) of every module of grux."""
    for path in sorted((root / "grux").rglob("*.py")):
        inner = path.relative_to(root / "grux")
        yield inner.as_posix(), inner.parts[0].removesuffix(".py"), ast.parse(path.read_text(encoding="utf-8"))


def imports(tree: ast.Module, path: str) -> Iterator[str]:
    """Dotted names that a module imports, those inside functions too; `from a import b` gives a.b."""
    package = ["grux", *Path(path).parts[:-1]]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            start = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{start}.{alias.name}" for alias in node.names)


def within(name: str, *prefixes: str) -> bool:
    return any(name == prefix or name.startswith(prefix + ".") for prefix in prefixes)


def import_direction(root: Path) -> list[str]:
    found = []
    for path, room, tree in sources(root):
        if room not in MAY_IMPORT:
            found.append(f"grux/{path}: the room {room!r} is not on the map; draw it in MAY_IMPORT first")
            continue
        allowed = [f"grux.{name}" for name in (room, *MAY_IMPORT[room])]
        for name in imports(tree, path):
            reached = name if within(name, *allowed) else ".".join(name.split(".")[:3])
            if (
                within(reached, "grux")
                and reached not in ("grux", "grux.__version__")
                and not within(reached, *allowed)
            ):
                found.append(f"grux/{path}: {room} must not import {name}")
    return found


def confined_packages(root: Path) -> list[str]:
    found, homes = [], {}
    for path, room, tree in sources(root):
        for package, places in CONFINED.items():
            if any(within(name, package) for name in imports(tree, path)):
                if f"{room}/?" in places:
                    homes.setdefault(package, set()).add(path)
                elif room not in places:
                    found.append(f"grux/{path}: {package} belongs to {' and '.join(places)}")
    return found + [
        f"{package} is imported by {sorted(files)}, not by one" for package, files in homes.items() if len(files) > 1
    ]


def no_other_framework(root: Path) -> list[str]:
    return [
        f"grux/{path}: imports {name}; grux.interop works on arrays"
        for path, _, tree in sources(root)
        for name in imports(tree, path)
        if within(name, *FOREIGN)
    ]


def jax_free_rooms(root: Path) -> list[str]:
    return [
        f"grux/{path}: imports {name}, but {room} runs without JAX"
        for path, room, tree in sources(root)
        if room in WITHOUT_JAX
        for name in imports(tree, path)
        if within(name, *NEEDS_JAX)
    ]


def loops_over_time(root: Path) -> list[str]:
    found = []
    for path, room, tree in sources(root):
        used = {name.rsplit(".", 1)[1] for name in imports(tree, path) if within(name, "jax.lax") and name != "jax.lax"}
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("lax", "jax.lax", "nnx", "flax.nnx"):
                used.add(node.attr)
        for loop in sorted(used & LOOPS.keys()):
            if room not in LOOPS[loop] and path not in LOOPS[loop]:
                found.append(f"grux/{path}: {loop} belongs to {' and '.join(LOOPS[loop])}; call the engine")
    return found


def file_length(root: Path) -> list[str]:
    files = [path for top in ("grux", "tests") for path in sorted((root / top).rglob("*.py"))]
    files += [path for path in sorted((root / "scripts").glob("*")) if path.is_file()]
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    return [f"{path.relative_to(root)}: {n} lines; split it by noun" for path, n in lengths.items() if n > LONGEST]


def docstrings(root: Path) -> list[str]:
    return [
        f"grux/{path}: start it with what it is"
        for path, _, tree in sources(root)
        if tree.body and not (ast.get_docstring(tree) or "").strip()
    ]


def cells_have_equations_and_paper(root: Path) -> list[str]:
    yamls = sorted((root / "configs" / "arch").glob("*.yaml"))
    targets = {
        path: re.findall(r"_target_:\s*grux\.cells\.([\w.]+)\.\w+", path.read_text(encoding="utf-8")) for path in yamls
    }
    found = []
    for path, modules in targets.items():
        for module in modules:
            file = root / "grux" / "cells" / (module.replace(".", "/") + ".py")
            doc = (ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or "") if file.is_file() else ""
            if not re.search(r"^\s+\S.* = \S", doc, re.MULTILINE):
                found.append(f"{file.relative_to(root)}, the cell of {path.name}: no equations at the top")
            if not re.search(r"\b(19|20)\d\d\b", doc):
                found.append(f"{file.relative_to(root)}, the cell of {path.name}: no paper at the top")
    named = {module for modules in targets.values() for module in modules}
    for path, room, tree in sources(root):
        bases = {ast.unparse(base) for node in tree.body if isinstance(node, ast.ClassDef) for base in node.bases}
        contracts = path in ("cells/base.py", "cells/wrappers.py")
        if room == "cells" and not contracts and bases & {"Cell", "GatedCell", "LinearCell"}:
            module = path.removeprefix("cells/").removesuffix(".py").replace("/", ".")
            if module not in named:
                found.append(f"grux/{path}: no configs/arch/*.yaml names this cell")
    return found


def no_code_from_data(root: Path) -> list[str]:
    """Nothing that a checkpoint, a config or a downloaded file could use to run code."""
    found = []
    for path, _, tree in sources(root):
        names = list(imports(tree, path))
        names += [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
        for name in names:
            unsafe_yaml = re.fullmatch(r"yaml\.(\w*Loader|\w+_load(_all)?)", name) and not SAFE_YAML.fullmatch(name)
            if unsafe_yaml or name == "os.system" or within(name, *PICKLES):
                found.append(f"grux/{path}: uses {name}")
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                if isinstance(node.func, ast.Name) and node.func.id in ("eval", "exec"):
                    found.append(f"grux/{path}:{node.lineno}: {node.func.id}()")
                for keyword in node.keywords:
                    dangerous = keyword.arg in ("allow_pickle", "shell")
                    if dangerous and not (isinstance(keyword.value, ast.Constant) and keyword.value.value is False):
                        found.append(f"grux/{path}:{node.lineno}: {keyword.arg}= is not False")
    return found


RULES = (
    import_direction,
    confined_packages,
    no_other_framework,
    jax_free_rooms,
    loops_over_time,
    file_length,
    docstrings,
    cells_have_equations_and_paper,
    no_code_from_data,
)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_tree_keeps_the_rule(rule):
    complaints = rule(ROOT)
    assert not complaints, "\n".join(complaints)


def test_the_tree_is_seen():
    rooms = {room for _, room, _ in sources(ROOT)}
    assert {"cells", "data", "tasks", "results", "engine", "layers", "models", "training"} <= rooms


WRONG = [
    (import_direction, {"grux/cells/a.py": "from grux.engine.run import run"}, "cells must not import grux.engine"),
    (import_direction, {"grux/data/a.py": "import grux.tasks.base"}, "data must not import grux.tasks"),
    (import_direction, {"grux/models/a.py": "def f():\n    from grux.training import loop"}, "models must not import"),
    (import_direction, {"grux/layers/a.py": "from ..models import classifier"}, "layers must not import grux.models"),
    (import_direction, {"grux/layers/a.py": "from .. import models"}, "layers must not import grux.models"),
    (
        import_direction,
        {"grux/training/a.py": "from grux.data.ett import ett"},
        "training must not import grux.data.ett",
    ),
    (import_direction, {"grux/training/a.py": "from grux import config"}, "training must not import grux.config"),
    (import_direction, {"grux/config/a.py": "from grux.run import run"}, "config must not import grux.run"),
    (import_direction, {"grux/utils.py": ""}, "not on the map"),
    (confined_packages, {"grux/training/a.py": "from omegaconf import OmegaConf"}, "omegaconf belongs to"),
    (confined_packages, {"grux/data/a.py": "import hydra.utils"}, "hydra belongs to"),
    (confined_packages, {"grux/run.py": "import orbax.checkpoint"}, "orbax belongs to"),
    (
        confined_packages,
        {"grux/training/a.py": "import tensorboardX", "grux/training/b.py": "from tensorboardX import SummaryWriter"},
        "not by one",
    ),
    (import_direction, {"grux/layers/a.py": "from grux.interop import to_torch"}, "layers must not import"),
    (no_other_framework, {"grux/interop/a.py": "def f():\n    import torch.nn"}, "imports torch.nn"),
    (jax_free_rooms, {"grux/results/a.py": "def f():\n    import jax"}, "results runs without JAX"),
    (jax_free_rooms, {"grux/data/a.py": "from grux.shapes import Array"}, "data runs without JAX"),
    (loops_over_time, {"grux/layers/a.py": "import jax\njax.lax.scan(f, 0, x)"}, "scan belongs to"),
    (loops_over_time, {"grux/models/a.py": "from jax.lax import scan"}, "scan belongs to"),
    (loops_over_time, {"grux/models/a.py": "from flax import nnx\nnnx.scan(f)"}, "scan belongs to"),
    (loops_over_time, {"grux/models/a.py": "from jax import lax\nlax.while_loop(c, f, 0)"}, "while_loop belongs to"),
    (file_length, {"grux/a.py": "x = 1\n" * (LONGEST + 1)}, "split it by noun"),
    (file_length, {"scripts/a": "true\n" * (LONGEST + 1)}, "split it by noun"),
    (docstrings, {"grux/a.py": "import os"}, "start it with what it is"),
    (cells_have_equations_and_paper, {"configs/arch/a.yaml": "_target_: grux.cells.a.A"}, "no equations"),
    (
        cells_have_equations_and_paper,
        {"grux/cells/a.py": '"""A.\n\n    h = x\n"""', "configs/arch/a.yaml": "_target_: grux.cells.a.A"},
        "no paper",
    ),
    (cells_have_equations_and_paper, {"grux/cells/a.py": "class A(Cell): ..."}, "no configs/arch"),
    (no_code_from_data, {"grux/a.py": "import pickle"}, "uses pickle"),
    (no_code_from_data, {"grux/a.py": "eval('1')"}, "eval()"),
    (no_code_from_data, {"grux/a.py": "np.load(f, allow_pickle=True)"}, "allow_pickle"),
    (no_code_from_data, {"grux/a.py": "yaml.load(f, yaml.UnsafeLoader)"}, "yaml.UnsafeLoader"),
    (no_code_from_data, {"grux/a.py": "from yaml import FullLoader"}, "yaml.FullLoader"),
    (no_code_from_data, {"grux/a.py": "os.system('ls')"}, "os.system"),
    (no_code_from_data, {"grux/a.py": "yaml.unsafe_load(f)"}, "yaml.unsafe_load"),
    (no_code_from_data, {"grux/a.py": "subprocess.run('ls', shell=True)"}, "shell="),
]


@pytest.mark.parametrize(("rule", "files", "complaint"), WRONG)
def test_the_rule_sees_a_wrong_tree(rule, files, complaint, tmp_path):
    for top in ("grux", "scripts", "tests", "configs"):
        (tmp_path / top).mkdir()
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert any(complaint in line for line in rule(tmp_path)), rule(tmp_path)


def test_a_right_tree_has_no_complaint(tmp_path):
    right = {
        "grux/__init__.py": '"""grux."""',
        "grux/cells/__init__.py": "",
        "grux/cells/gru.py": '"""GRU (Cho et al. 2014).\n\n    h = (1 - z) * n\n"""\nfrom grux.shapes import Array\n'
        "from grux.cells.base import GatedCell\nclass GRU(GatedCell): ...",
        "grux/engine/run.py": '"""Time."""\nfrom jax import lax\nfrom grux.cells import base\nlax.scan(f, 0, x)',
        "grux/training/loop.py": '"""Loop."""\nimport orbax.checkpoint\nfrom grux import __version__',
        "grux/models/decode.py": '"""Decoding."""\nimport jax\njax.lax.while_loop(c, f, 0)',
        "grux/results/record.py": '"""Records."""\nimport yaml\nyaml.load(f, yaml.SafeLoader)\nf(x, shell=False)',
        "configs/arch/gru.yaml": "_target_: grux.cells.gru.GRU",
        "scripts/test": "true",
    }
    for name, text in right.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert [line for rule in RULES for line in rule(tmp_path)] == []


def test_tables_and_data_load_without_jax():
    modules = [
        "grux." + path.removesuffix(".py").replace("/", ".") for path, room, _ in sources(ROOT) if room in WITHOUT_JAX
    ]
    names = [module.removesuffix(".__init__") for module in modules]
    code = (
        f"import importlib, sys\nfor name in {names!r}:\n    importlib.import_module(name)\n"
        "    if 'jax' in sys.modules: sys.exit(f'{name} loads JAX')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
