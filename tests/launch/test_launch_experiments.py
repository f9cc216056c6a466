"""Sweeps over experiment files: each keeps the grid of its own file, and a file may be a list of others."""

from pathlib import Path

import pytest

from grux.errors import UsageError
from grux.launch.jobs import CommandLine, read_command_line

OWN = "# @package _global_\n{settings}hydra:\n  mode: MULTIRUN\n  sweeper:\n    params: {{{params}}}\n"


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """The experiments `cells` (two archs), `rates` (three learning rates), `plain` (no grid) and lists of them."""
    place = tmp_path / "mine" / "experiment"
    place.mkdir(parents=True)
    params = {
        "cells": "arch: 'gru,lstm'",
        "rates": "learning_rate: '0.1,0.2,0.3'",
        "both": "experiment: 'cells,rates'",
        "settled": "experiment: 'cells,rates', seeds: '1,2'",
        "nested": "experiment: 'both,plain'",
        "escaping": "experiment: 'cells,outside'",
        "outside": "hydra/launcher: 'basic'",
    }
    for name, text in params.items():
        (place / f"{name}.yaml").write_text(OWN.format(settings="", params=text))
    (place / "plain.yaml").write_text("# @package _global_\nepochs: 2\n")
    (place / "lost.yaml").write_text(OWN.format(settings="epochs: 2\n", params="experiment: 'cells,rates'"))
    return str(tmp_path / "mine")


def line(folder: str, *words: str, multirun: bool = False) -> CommandLine:
    return read_command_line(words, config_dir=folder, multirun=multirun)


CELLS = [["experiment=cells", "arch=gru"], ["experiment=cells", "arch=lstm"]]
RATES = [["experiment=rates", f"learning_rate=0.{digit}"] for digit in (1, 2, 3)]


def as_sets(jobs: list[list[str]]) -> list[set[str]]:
    return [set(job) for job in jobs]


def test_each_experiment_keeps_its_own_grid(folder: str):
    assert as_sets(line(folder, "experiment=cells,rates,plain", multirun=True).jobs()) == [
        *as_sets(CELLS),
        *as_sets(RATES),
        {"experiment=plain"},
    ]


def test_a_file_may_list_experiments(folder: str):
    read = line(folder, "experiment=both")
    assert read.is_sweep and as_sets(read.jobs()) == as_sets([*CELLS, *RATES])


def test_what_the_command_line_says_goes_for_all_of_them(folder: str):
    jobs = line(folder, "experiment=both", "arch=elman", "seeds=3").jobs()
    assert as_sets(jobs) == [{"experiment=cells", "arch=elman", "seeds=3"}] + [
        {*job, "arch=elman", "seeds=3"} for job in RATES
    ]
    # One of them: as if it had been asked for alone.
    assert as_sets(line(folder, "experiment=both", "arch=elman", "learning_rate=1").jobs()) == [
        {f"experiment={name}", "arch=elman", "learning_rate=1"} for name in ("cells", "rates")
    ]


def test_the_grid_of_a_list_goes_before_those_of_its_experiments(folder: str):
    jobs = line(folder, "experiment=settled").jobs()
    assert len(jobs) == 2 * (2 + 3) and {"experiment=rates", "learning_rate=0.3", "seeds=2"} in as_sets(jobs)


@pytest.mark.parametrize(
    "name, words",
    [
        ("nested", "experiment=both is a list of experiments itself"),
        ("lost", r"what it sets beside that \(epochs\) would be lost"),
        ("escaping", "experiment=outside: its grid sets hydra/launcher"),
    ],
)
def test_wrong_lists_are_refused(folder: str, name: str, words: str):
    with pytest.raises(UsageError, match=words):
        line(folder, f"experiment={name}").jobs()


def test_a_list_is_no_single_run(folder: str):
    with pytest.raises(UsageError, match="is a list of experiments"):
        line(folder, "experiment=both", "hydra.mode=RUN")
