"""Bad input as a user gives it: one sentence, the exit code of its class, no traceback, and nothing made or lost."""

import json
import os
import subprocess
import sys
import time
import types
from pathlib import Path

import pytest
from test_cli import answer, finish

ROOT = Path(__file__).resolve().parents[2]
TINY = ("steps=4", "eval_every=2", "data.train=64", "data.validation=32", "data.test=32", "data.longest=12")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder but for one finished run of somebody else."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GRUX_DEBUG", raising=False)
    monkeypatch.delenv("GRUX_MIRROR", raising=False)
    config = {"group": "other", "arch": {}, "data": {}, "model": {"features": 8}, "seeds": 1}
    finish(Path("runs/other/gru-sst2-00000000"), "gru-sst2-00000000", config, {"arch": "gru", "data": "sst2"})
    return tmp_path


@pytest.fixture
def untrained(monkeypatch: pytest.MonkeyPatch) -> None:
    """No training may start."""

    def run(**_):
        raise AssertionError("a run was started")

    monkeypatch.setitem(sys.modules, "grux.run", types.SimpleNamespace(run=run))


def files(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def refused(capsys, code: int, words: str | list[str], *arguments: str, out: str = "") -> str:
    """Run the command, which must say `words` in one line on stderr and leave every file as it was."""
    before, folders = files(Path()), sorted(Path().rglob("*"))
    found, printed, err = answer(capsys, *arguments)
    assert found == code, (found, err)
    assert err.startswith("grux: ") and err.count("\n") == 1 and len(err) < 600, err
    for word in [words] if isinstance(words, str) else words:
        assert word in err, err
    assert out in printed
    assert files(Path()) == before and sorted(Path().rglob("*")) == folders
    return err


CONFIGS = [
    ("arch=gruu", "arch=gruu is unknown: did you mean gru?"),
    ("arch=zzz", "there is atr, cifg, elman, gru,"),
    ("data=sst3", "did you mean sst?"),
    ("task=classifcation", "did you mean classification?"),
    ("model=forecastr", "did you mean forecaster?"),
    ("optimizer=adamm", "did you mean adam?"),
    ("schedule=cosin", "did you mean cosine?"),
    ("experiment=nope", "experiment=nope is unknown"),
    ("seedz=3", "unknown key seedz: did you mean seeds?"),
    ("+seedz=3", "unknown key seedz: did you mean seeds?"),
    ("++seedz=3", "unknown key seedz: did you mean seeds?"),
    ("~seedz", "unknown key seedz: did you mean seeds?"),
    ("model.featurs=3", "unknown key model.featurs: did you mean model.features?"),
    ("+model.featurs=3", "unknown key model.featurs: did you mean model.features?"),
    ("+arch.cell.bias=3", "unknown key arch.cell.bias"),
    ("modle.features=3", "unknown key modle.features: did you mean model.features?"),
    ("seeds=0", "seeds=0 must be a whole number >= 1"),
    ("seeds=-1", "seeds=-1 must be"),
    ("seeds=abc", "seeds='abc' must be"),
    ("seeds=1.5", "seeds=1.5 must be"),
    ("seeds=", "seeds='' must be"),
    ("first_seed=4294967296", "<= 2147483647"),
    ("batch_size=-4", "batch_size=-4 must be"),
    ("learning_rate=nan", "must be a finite number"),
    ("learning_rate=fast", "must be a number > 0"),
    ("clip=-1", "must be a number > 0 or null"),
    ("model.features=-3", "model.features=-3 must be a whole number >= 1"),
    ("model.dropout=1.5", "must be a number >= 0 and < 1"),
    ("model.dtype=float16", "must be one of float32, bfloat16"),
    ("task.selection=foo", "must be one of accuracy, macro_f1, loss"),
    ("accumulate=5", "batch_size=32 is cut into accumulate=5 parts"),
    ("task=translation", "data=first_token is made for classification"),
    ("arch._target_=os.system", "os.system is not allowed"),
    ("++arch.cell._target_=os.system", "os.system is not allowed"),
    ("plugins=[doesnotexist]", "there is no package doesnotexist"),
    ("arch=", "arch= has no name: there is atr"),
    ("arch=null", "cannot read 'arch=null'"),
    ("experiment=", "experiment= has no name"),
    ("~arch", "arch is missing"),
    ("data=[", "cannot read 'data=['"),
    ("arch", "cannot read 'arch'"),
    ("=3", "cannot read '=3'"),
    ("arch=gru,lstm", "add -m to run them all"),
    ("arch=[gru,lstm]", "arch takes one name; arch=gru, or -m arch=gru,lstm for each"),
    ("group=a/b", "must be the plain name of one folder"),
    ("runs=", "runs is empty"),
    ("run_dir=", "run_dir is empty"),
    ("-x", "unrecognized arguments: -x"),
    ("--config-dir=nada", "--config-dir nada is not a folder"),
    ("--config-dir", "expected one argument"),
    ("arch=gru_reset_before arch.strategy=gated", "GRUResetBeforeCell is not"),
    ("arch.strategy=native model.dtype=bfloat16", "computes in float32"),
    ("--cfg job -m", "Only one of"),
    ("-m arch=gru,lstn", "in the job arch=lstn: arch=lstn is unknown"),
    ("-m seeds=1,0", "in the job seeds=0"),
]


@pytest.mark.parametrize(("words", "sentence"), CONFIGS, ids=[words for words, _ in CONFIGS])
def test_a_wrong_config_is_refused_before_anything_is_made(capsys, untrained, words: str, sentence: str):
    refused(capsys, 2, sentence, "train", *words.split())


def test_wrong_names_and_top_level_keys_are_refused_before_jax_is_imported():
    keys = ("arch", "seeds", "seedz", "clip", "runs")
    early = [[w] for w, _ in CONFIGS if w.split("=")[0].strip("+~") in keys and " " not in w]
    program = (
        "import sys, grux.cli\n"
        f"for words in {early!r}:\n"
        "    assert grux.cli.main(['train', *words]) == 2\n"
        "    assert not {'jax', 'flax', 'optax'} & set(sys.modules), words\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and len(early) > 10, done.stderr


YAMLS = [
    ("seedz: 3\n", "unknown key seedz: did you mean seeds?"),
    ("model: {featurs: 3}\n", "unknown key model.featurs: did you mean model.features?"),
    ("model:\n\tfeatures: 3\n", "x.yaml, line 3, column 1: found character '\\t'"),
    ("seeds: 3\nseeds: 4\n", "x.yaml, line 3, column 1: found duplicate key seeds"),
    ("model: {features: 3\n", "x.yaml, line 3"),
    ("3\n", "x.yaml holds int and not a mapping"),
    ("- 3\n", "x.yaml holds list and not a mapping"),
    ("seeds: \udcff\n", "(0xff) is not utf-8"),
    ("seeds: ${nothing}\n", "seeds has no value"),
    ("runs: ${oc.env:GRUX_NOT_SET}\n", "GRUX_NOT_SET"),
    ("defaults: [override /arch: gruu]\n", "arch=gruu (asked for by a yaml file) is unknown: did you mean gru?"),
    ("model: {_target_: os.system, command: touch marker}\n", "os.system is not allowed"),
    ("runs: !!python/object/apply:os.system [touch marker]\n", "could not determine a constructor"),
]


@pytest.mark.parametrize(("content", "sentence"), YAMLS)
def test_a_wrong_yaml_file_is_refused(capsys, untrained, content: str, sentence: str):
    Path("mine/experiment").mkdir(parents=True)
    Path("mine/experiment/x.yaml").write_bytes(f"# @package _global_\n{content}".encode(errors="surrogateescape"))
    refused(capsys, 2, sentence, "train", "--config-dir", "mine", "experiment=x")


@pytest.mark.parametrize("content", ["", "seeds: 3\n"])
def test_an_experiment_without_its_first_line_is_refused(capsys, untrained, content: str):
    Path("mine/experiment").mkdir(parents=True)
    Path("mine/experiment/x.yaml").write_text(content)
    refused(capsys, 2, "lacks its first line", "train", "--config-dir", "mine", "experiment=x")


def test_a_target_outside_grux_is_never_called(capsys, untrained):
    Path("mine/arch").mkdir(parents=True)
    Path("mine/arch/evil.yaml").write_text("_target_: os.system\n_partial_: true\ncommand: touch marker\n")
    refused(capsys, 2, "arch._target_=os.system is not allowed", "train", "--config-dir", "mine", "arch=evil")
    refused(capsys, 2, "no component", "train", "--config-dir", "mine", "arch=evil", "plugins=[os]")


# Data


def cached(name: str) -> Path:
    return Path(os.environ["GRUX_CACHE"]) / "data" / "sst2" / name


def make_mirror(monkeypatch, content: bytes) -> bytes:
    """A mirror with one file for sst2, pinned to `b"good"`."""
    import hashlib

    from grux.data import sst2
    from grux.data.fetch import File

    good = b"good"
    sha256 = hashlib.sha256(good).hexdigest()
    file = File(dataset="sst2", name="x.csv", sha256=sha256, bytes=4, licence="", url="http://127.0.0.1:9/x.csv")
    monkeypatch.setattr(sst2, "FILES", (file,))
    Path("mirror/sst2").mkdir(parents=True)
    Path("mirror/sst2/x.csv").write_bytes(content)
    monkeypatch.setenv("GRUX_MIRROR", "mirror")
    return good


def test_a_wrong_hash_in_the_mirror_is_refused_and_a_good_copy_stays(capsys, monkeypatch):
    import hashlib

    good = make_mirror(monkeypatch, b"evil")
    both = [hashlib.sha256(content).hexdigest() for content in (b"evil", good)]
    refused(capsys, 3, [*both, "mirror/sst2/x.csv"], "data", "get", "sst2")
    assert not files(cached("").parent)
    cached("x.csv").parent.mkdir(parents=True, exist_ok=True)
    cached("x.csv").write_bytes(good)
    assert answer(capsys, "data", "get", "sst2")[0] == 0 and cached("x.csv").read_bytes() == good
    cached("x.csv").write_bytes(b"rotten")  # what is there is kept until something better has come
    refused(capsys, 3, both, "data", "get", "sst2")
    assert cached("x.csv").read_bytes() == b"rotten"
    refused(capsys, 3, "damaged:", "data", "verify", "sst2", out="x.csv  damaged")


def test_without_network_and_mirror_the_answer_comes_soon(capsys, monkeypatch):
    make_mirror(monkeypatch, b"")
    monkeypatch.delenv("GRUX_MIRROR")
    began = time.monotonic()
    refused(capsys, 3, ["http://127.0.0.1:9/x.csv", "set GRUX_MIRROR", "sst2/x.csv"], "data", "get", "sst2")
    monkeypatch.setenv("GRUX_MIRROR", "http://127.0.0.1:9/mirror")
    refused(capsys, 3, "http://127.0.0.1:9/mirror/sst2/x.csv", "data", "get", "sst2")
    assert time.monotonic() - began < 15


def test_a_mirror_that_is_not_there_is_named_at_once(capsys, monkeypatch):
    make_mirror(monkeypatch, b"")
    monkeypatch.setenv("GRUX_MIRROR", "/not/here")
    began = time.monotonic()
    refused(capsys, 3, ["GRUX_MIRROR=/not/here is not a folder", "sst2/x.csv"], "data", "get", "sst2")
    assert time.monotonic() - began < 1


def test_a_cache_that_cannot_be_written_is_named(capsys, monkeypatch):
    make_mirror(monkeypatch, b"good")
    Path("file").write_text("")
    monkeypatch.setenv("GRUX_CACHE", "file")
    refused(capsys, 6, ["file/data/sst2", "GRUX_CACHE"], "data", "get", "sst2")


OWN = """
from pathlib import Path
from grux.data.base import Dataset
from grux.data.forecasting import chronological_parts, read_series, windows_dataset

def table(*, path: str, window: int = 4, horizon: int = 2) -> Dataset:
    series = read_series(Path(path))
    parts = chronological_parts(len(series.values))
    return windows_dataset(name="own", series=series, parts=parts, window=window, horizon=horizon, season=2, files={})
"""
ROWS = [f"2020-01-01 {hour:02d}:00,{hour * hour % 7},{hour % 5}" for hour in range(24)]


def own_data(monkeypatch, content: bytes) -> list[str]:
    """A data set of the user's own: a module beside the runs, its yaml, and a CSV file."""
    name = f"own_{time.monotonic_ns()}"
    Path(f"{name}.py").write_text(OWN)
    Path("mine/data").mkdir(parents=True)
    Path("mine/data/own.yaml").write_text(
        "defaults: [/task@_global_.task: forecasting, _self_]\n"
        f"_target_: {name}.table\npath: own.csv\nwindow: 4\nhorizon: 2\n"
    )
    Path("own.csv").write_bytes(content)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return ["train", "--config-dir", "mine", "data=own", f"plugins=[{name}]"]


def csv(*rows: str) -> bytes:
    return "\n".join(["time,a,b", *rows, ""]).encode()


@pytest.mark.parametrize(
    ("content", "options", "words"),
    [
        (csv(*ROWS[:5], "2020-01-01 05:00,,1", *ROWS[6:]), [], "own.csv, line 7, column 'a': the value is missing"),
        (csv(*ROWS[:5], "2020-01-01 05:00,NA,1", *ROWS[6:]), [], "'NA' is not a finite number"),
        (csv(*ROWS[:5], "2020-01-01 05:00,1", *ROWS[6:]), [], "own.csv, line 7: 2 cells where the header has 3"),
        (csv(*ROWS[:5], *ROWS[3:]), [], "does not come after"),
        (csv(*ROWS).replace(b"04:00", b"04:\xff0"), [], "own.csv, line 6: byte"),
        (b"", [], "line 1"),
        (csv(*(row.rsplit(",", 1)[0] + ",1" for row in ROWS)), [], "channel 'b' is constant"),
        (csv(*ROWS), ["data.horizon=9"], "choose horizon <= 2"),
        (csv(*ROWS), ["data.horizon=90"], "needs at least 94 training rows"),
        (csv(*ROWS), ["data.window=90"], "choose a shorter window or horizon"),
        (csv(*ROWS), ["batch_size=12"], "batch_size=12 is larger than the 11 training examples"),
    ],
)
def test_bad_data_of_ones_own_are_a_data_error(capsys, monkeypatch, content: bytes, options: list[str], words: str):
    arguments = own_data(monkeypatch, content)
    code, _, err = answer(capsys, *arguments, *options)
    assert code == 3 and words in err and err.startswith("grux: ") and err.count("\n") == 1, err
    (status,) = Path("runs/default").glob("*/status.json")
    assert json.loads(status.read_text())["state"] == "failed"


def test_a_model_or_device_that_does_not_fit_leaves_no_run_behind(capsys, monkeypatch):
    for words, sentence in (
        (("model=forecaster",), "model=forecaster needs"),
        (("model.bidirectional=true", "model.features=7"), "make it even"),
        (("data.shortest=20", "data.longest=10"), "choose shortest <= longest"),
    ):
        code, _, err = answer(capsys, "train", *TINY, *words)
        assert code == 2 and sentence in err and err.count("\n") == 1, err
        assert not list(Path("runs/default").iterdir())
    import jax

    monkeypatch.setattr(jax, "local_devices", lambda: jax.devices()[:1])
    code, _, err = answer(capsys, "train", *TINY, "seeds=2", "seed_strategy=shard")
    assert code == 2 and "needs at least two devices and there is 1" in err


@pytest.mark.parametrize(
    ("package", "words", "arguments"),
    [
        ("sacrebleu", 'pip install "grux[text]"', ["data=own_pairs"]),
        ("sentencepiece", 'pip install "grux[text]"', ["data=own_pairs", "data.tokens=bpe"]),
    ],
)
def test_a_missing_extra_says_what_to_install(capsys, monkeypatch, package: str, words: str, arguments: list[str]):
    hide(monkeypatch, package)
    name = f"pairs_{time.monotonic_ns()}"
    Path(f"{name}.py").write_text(
        "from grux.data.base import Dataset\nfrom grux.data.texts import translation_dataset\n"
        "def pairs(*, tokens: str) -> Dataset:\n"
        "    rows = [(f'a {i}', f'b {i}') for i in range(40)]\n"
        "    return translation_dataset(name='pairs', splits={k: rows for k in ('train', 'validation', 'test')},\n"
        "        files={}, tokens=tokens, vocabulary_size=50, min_count=1, lower=False, joint=True, max_length=None,\n"
        "        buckets=1)\n"
    )
    Path("mine/data").mkdir(parents=True)
    Path("mine/data/own_pairs.yaml").write_text(
        f"defaults: [/task@_global_.task: translation, _self_]\n_target_: {name}.pairs\ntokens: words\n"
    )
    monkeypatch.setattr(sys, "path", [*sys.path])
    code, _, err = answer(capsys, "train", "--config-dir", "mine", *arguments, f"plugins=[{name}]")
    assert code in (2, 3) and package in err and words in err and err.count("\n") == 1, err


@pytest.mark.parametrize("where", ["import sys; sys.exit(0)\n", "    import sys; sys.exit(75)\n"])
def test_a_part_that_ends_the_process_is_no_success(capsys, monkeypatch, where: str):
    words = own_data(monkeypatch, csv(*ROWS))
    (module,) = Path().glob("own_*.py")
    module.write_text(where + OWN if where[0] != " " else OWN.replace("    parts =", f"{where}    parts ="))
    code, _, err = answer(capsys, *words, "epochs=1")
    assert code == 1 and "a part that was named here called sys.exit(" in err and err.count("\n") == 1, err
    assert "interrupted" not in "".join(path.read_text() for path in Path().glob("runs/*/*/status.json"))


def test_runs_together_go_on_after_a_part_that_ends_the_process(capsys, monkeypatch):
    hours = [f"2020-01-{day:02d} {row[11:]}" for day in range(1, 9) for row in ROWS]
    words = own_data(monkeypatch, csv(*hours))
    (module,) = Path().glob("own_*.py")
    module.write_text(OWN.replace("    parts =", "    import sys; window == 5 and sys.exit(0)\n    parts ="))
    small = ["epochs=1", "model.features=4", "progress=plain", "learning_rate=0.1,0.2", "together=[learning_rate]"]
    code, out, err = answer(capsys, words[0], "-m", *words[1:], *small, "data.window=5,4")
    assert code == 1 and "of 4 jobs 2 done, 2 failed" in err and "called sys.exit(0)" in out, (out, err)


def test_plots_without_matplotlib_say_what_to_install(capsys, monkeypatch):
    hide(monkeypatch, "matplotlib")
    refused(capsys, 2, ["matplotlib", 'pip install "grux[plot]"'], "plot")


def hide(monkeypatch, package: str) -> None:
    """Let Python find no package of this name."""
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == package else find(name, *rest))
    for name in [name for name in sys.modules if name.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
