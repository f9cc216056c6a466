"""Every experiment that ships: its config can be trained, and the results of a grid lie beside its question."""

import csv
import math
from pathlib import Path

import pytest

from grux.config.axes import check_together
from grux.config.check import check_nodes, check_pair
from grux.config.compose import compose
from grux.launch.jobs import Job, prepare, read_command_line
from grux.results.question import question_of
from grux.results.view import experiment_view

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "experiments"
NAMES = sorted(path.stem for path in (ROOT / "configs" / "experiment").glob("*.yaml"))
GRIDS = [name for name in NAMES if compose([f"experiment={name}"]).multirun]
PRINTED = {
    "accuracy": (100, 1),
    "bleu": (1, 1),
    "mse": (1, 3),
    "nll": (1, 2),
    "bits_per_character": (1, 2),
    "wer": (100, 1),
    "exact_match": (100, 1),
    "auroc": (1, 3),
}
"""Metric -> factor and digits of the tables in a README."""


def jobs_of(name: str) -> list[Job]:
    return [prepare(words) for words in read_command_line([f"experiment={name}"], multirun=False).jobs()]


@pytest.mark.parametrize("name", NAMES)
def test_every_job_is_whole_and_its_own(name: str):
    jobs = jobs_of(name)
    assert len({job.run_id for job in jobs}) == len(jobs)
    for job in jobs:
        check_nodes(job.config)
        check_pair(job.config)
        check_together(job.config)


@pytest.mark.parametrize("name", GRIDS)
def test_a_grid_has_its_question_and_its_results(name: str):
    readme = (FOLDER / name / "README.md").read_text()
    assert f"grux train experiment={name}" in readme and "**Time.**" in readme
    assert question_of(name, FOLDER).endswith("?")
    assert (FOLDER / name / "table.yaml").is_file()
    experiment_view(name, FOLDER)
    with open(FOLDER / name / "results.csv", newline="") as file:
        trained = [row for row in csv.DictReader(file) if row["state"] != "baseline"]
    assert len(trained) == len(jobs_of(name))
    for row in trained:
        scores = [float(value) for value in row["values"].split()]
        lost = "diverged" in row["notes"]
        assert row["state"] in ("done", "partial") and len(scores) == int(row["n"]) >= (1 if lost else 3)
        assert math.isclose(sum(scores) / len(scores), float(row["mean"]), rel_tol=1e-9)
        scale, digits = PRINTED[row["metric"]]
        # A table has one digit more, or less, where its scores are small, or large.
        printed = [f" {float(row['mean']) * scale:.{digits + more}f} " for more in (-1, 0, 1)]
        assert any(number in readme.replace("*", " ") for number in printed)
