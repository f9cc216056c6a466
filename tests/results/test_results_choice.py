"""Which runs the words of a command line mean, and the table that an experiment wants for itself."""

import csv
import io
from pathlib import Path

import pytest
from fake_runs import make_record, write_run, write_unfinished

from grux.commands.runs import chosen
from grux.commands.table import run as table
from grux.errors import UsageError


@pytest.fixture(autouse=True)
def runs(tmp_path, monkeypatch):
    """Group "one" holds runs of the experiment files a and b and one of neither; group "a" has the name of a file."""
    monkeypatch.chdir(tmp_path)
    for group, experiment, arch in (
        ("one", "a", "gru"),
        ("one", "b", "lstm"),
        ("one", None, "elman"),
        ("a", None, "mgu"),
    ):
        record = make_record(arch=arch, run_id=f"{group}-{experiment}-{arch}", experiment=group)
        record["choices"]["experiment"] = experiment
        write_run(Path("runs"), record)
    write_run(Path("runs"), make_record(arch="atr", run_id="other-a-atr", experiment="other", choices={
        "arch": "atr", "data": "sst2", "experiment": "a"
    }))  # fmt: skip


def archs(*words):
    return {run.choices["arch"] for run in chosen(words, "runs")}


def test_a_group_is_a_folder():
    assert archs("group=one") == {"gru", "lstm", "elman"}
    assert archs("group=a") == {"mgu"}
    with pytest.raises(UsageError, match="there is no group 'onee' in runs; did you mean one"):
        chosen(["group=onee"], "runs")


def test_an_experiment_is_a_file_wherever_its_runs_lie():
    assert archs("experiment=a") == {"gru", "atr"}
    assert archs("experiment=a,b") == {"gru", "atr", "lstm"}
    assert archs("experiment=a", "arch=gru") == {"gru"}
    assert archs("experiment=a", "group=one") == {"gru"}


def test_an_experiment_that_lists_others_is_all_of_them():
    for experiment, arch in (("quickstart_sentiment", "cifg"), ("quickstart_forecasting", "minlstm")):
        choices = {"arch": arch, "data": "sst2", "experiment": experiment}
        write_run(Path("runs"), make_record(arch=arch, run_id=arch, experiment="elsewhere", choices=choices))
    assert archs("experiment=quickstart") == {"cifg", "minlstm"}


def test_without_a_file_of_that_name_it_is_the_folder():
    assert archs("experiment=one") == {"gru", "lstm", "elman"}
    with pytest.raises(UsageError, match="there is no experiment 'othr' in runs; did you mean other"):
        chosen(["experiment=othr"], "runs")


def test_failed_runs_belong_to_their_experiment():
    write_unfinished(Path("runs"), "failed", arch="lru", choices={"arch": "lru", "data": "sst2", "experiment": "b"})
    assert archs("experiment=b") == {"lstm", "lru"}


def rows_of(capsys, *words):
    assert table([*words, "--format", "csv"]) == 0
    return list(csv.DictReader(io.StringIO(capsys.readouterr().out)))


def test_the_experiments_own_table(capsys):
    folder = Path("experiments/a")
    folder.mkdir(parents=True)
    (folder / "table.yaml").write_text("reference: gru\nsplit: validation\n")
    (folder / "reported.csv").write_text(
        "row,column,metric,score,source,status,split\natr,sst2,accuracy,70,Doe 2017,checked,validation\n"
    )
    found = {row["row"]: row for row in rows_of(capsys, "experiment=a")}
    assert found["atr"]["reference"] == "gru" and found["atr"]["split"] == "validation"
    assert float(found["atr"]["reported"]) == pytest.approx(0.7)
    # What is typed goes before the file, and other runs have nothing of it.
    assert {row["split"] for row in rows_of(capsys, "experiment=a", "--split", "test")} == {"test"}
    assert {row["reference"] for row in rows_of(capsys, "group=one")} == {""}


@pytest.mark.parametrize("name", ["..", "../a", "/", ""])
def test_no_name_leads_out_of_the_folder_of_experiments(name):
    Path("experiments").mkdir()
    Path("table.yaml").write_text("rows: [broken")
    with pytest.raises(UsageError):
        table([f"experiment={name}"])
