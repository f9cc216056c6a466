"""What the README shows as Python runs as it stands."""

import re

import pytest
from support import ROOT


def test_the_snippet_for_ones_own_code_runs(tmp_path, monkeypatch):
    pytest.importorskip("safetensors")
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"## In your own code.*?```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    names: dict = {}
    exec(compile(block, "README.md", "exec"), names)
    assert names["y"].shape == (8, 1, 64)
    assert names["weights"]["weight_ih_l1"].shape == (3 * 64, 64)
