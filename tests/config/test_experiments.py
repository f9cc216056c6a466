"""Every experiment that ships: its config can be trained, and the results of a grid lie beside its question."""

import csv
import functools
import math
from pathlib import Path

import pytest

from grux.config.axes import check_together
from grux.config.check import check_nodes, check_pair
from grux.config.compose import compose
from grux.launch.jobs import Job, prepare, read_command_line
from grux.results.question import question_of
from grux.results.units import Unit, decimals_for
from grux.results.view import experiment_view

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "experiments"
NAMES = sorted(path.stem for path in (ROOT / "configs" / "experiment").glob("*.yaml"))
GRIDS = [name for name in NAMES if compose([f"experiment={name}"]).multirun]


@functools.cache
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


def lines_of(rows: list[dict[str, str]]) -> list[tuple[Unit, list[float]]]:
    """The unit and the means of each line of a table that is printed with one number of digits."""
    metrics = {row["column"]: row["metric"] for row in rows}
    # A table that has its archs side by side has a line for each data set.
    key = "column" if all(metrics[row["column"]] == row["metric"] for row in rows) else "row"
    found = []
    for line in dict.fromkeys(row[key] for row in rows):
        own = [row for row in rows if row[key] == line]
        (metric,) = {row["metric"] for row in own}
        means, widths = ([float(row[name] or 0) for row in own] for name in ("mean", "half_width"))
        found.append((Unit(metric, "test", None, decimals_for(metric, means, widths)), means))
    return found


def results_of(name: str) -> list[dict[str, str]]:
    """The rows of its results that were trained and arrived."""
    with open(FOLDER / name / "results.csv", newline="") as file:
        return [row for row in csv.DictReader(file) if row["state"] != "baseline" and row["values"]]


def test_the_table_over_all_applications_has_the_scores_of_each():
    """Score by score and in any order, beside the size of each model and what it took."""
    together = compose(["experiment=applications"]).sweep["experiment"].split(",")
    shown = ("metric", "values", "parameters", "seconds")
    apart = [[row["row"], *(row[key] for key in shown)] for name in together for row in results_of(name)]
    found = [[row["column"], *(row[key] for key in shown)] for row in results_of("applications")]
    assert sorted(found) == sorted(apart)


@pytest.mark.parametrize("name", GRIDS)
def test_a_grid_has_its_question_and_its_results(name: str):
    readme = (FOLDER / name / "README.md").read_text()
    assert f"grux train experiment={name}" in readme and "**Time.**" in readme
    assert question_of(name, FOLDER).endswith("?")
    assert (FOLDER / name / "table.yaml").is_file()
    experiment_view(name, FOLDER)
    with open(FOLDER / name / "results.csv", newline="") as file:
        trained = [row for row in csv.DictReader(file) if row["state"] not in ("baseline", "missing")]
    assert len(trained) == len(jobs_of(name))
    for row in trained:
        scores = [float(value) for value in row["values"].split()]
        lost = "diverged" in row["notes"]
        assert row["state"] in ("done", "partial") and len(scores) == int(row["n"]) >= (1 if lost else 3)
        assert math.isclose(sum(scores) / len(scores), float(row["mean"]), rel_tol=1e-9)
    for unit, means in lines_of(trained):
        for mean in means:
            assert f" {unit.number(mean)} " in readme.replace("*", " ")
