"""The scripts that measure run as they stand, in the smallest case that they have."""

import csv
import subprocess
import sys

import pytest
from support import ROOT

CASES = {
    "engine": (["--cells", "gru", "--shapes", "5", "--repeats", "2", "--no-growth"], "### gru, training step"),
    "linear": (["--steps", "4", "--batch", "2", "--features", "4", "--repeats", "3"], "| T | GRU gated | GRU |"),
    "streaming": (["--archs", "gru", "gru:gated", "--widths", "4", "--steps", "10"], "| 4 | gru:gated |"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_benchmark_prints_its_table(name, tmp_path):
    arguments, expected = CASES[name]
    if name == "engine":
        arguments = [*arguments, "--csv", str(tmp_path / "all.csv"), "--rivals", "grux gated", "flax"]
    command = [sys.executable, str(ROOT / "scripts" / f"benchmark_{name}.py"), *arguments]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0 and expected in result.stdout, result.stderr[-2000:]
    if name == "engine":
        rows = list(csv.DictReader((tmp_path / "all.csv").read_text().splitlines()))
        assert {row["library"] for row in rows} == {"grux", "grux gated", "flax"} and len(rows) == 6
