"""Papers' scores beside the measured ones, and an experiment's own table.yaml."""

import csv
import io
from pathlib import Path

import pytest
from fake_runs import write_run

from grux.cli import main
from grux.errors import DataError
from grux.results.record import find_runs
from grux.results.render import FORMATS, render
from grux.results.reported import read_reported
from grux.results.table import make_table
from grux.results.view import View, experiment_view, read_view

HEAD = "row,column,metric,score,source,status,spread,note\n"
LINES = (
    'gru,sst2,accuracy,81.4,"Doe 2017, Table 2",checked,0.3,best of 5 seeds\n'
    "lstm,sst2,accuracy,99.9,Doe 2017,memory,,\n"
    "gru,ett,mse,0.41,Roe 2021,stored-text,,\n"
    "tcn,sst2,accuracy,85,Doe 2017,checked,,\n"
    "elman,sst2,macro_f1,70,Doe 2017,checked,,\n"
)


@pytest.fixture
def table(tmp_path):
    for arch in ("gru", "lstm", "elman"):
        write_run(tmp_path / "runs", arch=arch)
        write_run(tmp_path / "runs", arch=arch, data="ett")
    (tmp_path / "reported.csv").write_text(HEAD + LINES)
    return make_table(find_runs([tmp_path / "runs"]), reported=str(tmp_path / "reported.csv"))


def test_reported_scores_stand_beside_and_change_nothing(table):
    at = [line.name for line in table.lines].index("sst2")
    gru = table.rows[[row.name for row in table.rows].index("gru")].cells[at]
    assert (gru.reported.score, gru.reported.spread) == (pytest.approx(0.814), pytest.approx(0.003))
    assert gru.summary.mean == pytest.approx(0.7956) and len(gru.scores) == 3
    text = " ".join(render(table).split())
    assert "81.4 ± 0.3 (a)" in text and "0.410 (b)" in text
    assert "(a) reported: Doe 2017, Table 2 (checked); best of 5 seeds" in render(table).replace("\n    ", " ")
    assert "the papers' own numbers, not measured here (checked, stored-text)" in table.caption
    row = next(
        r for r in csv.DictReader(io.StringIO(render(table, "csv"))) if (r["row"], r["column"]) == ("gru", "sst2")
    )
    assert (float(row["reported"]), row["reported_status"]) == (pytest.approx(0.814), "checked")


@pytest.mark.parametrize("format", FORMATS)
def test_numbers_from_memory_are_printed_nowhere(table, format):
    text = render(table, format)
    assert "99.9" not in text and "0.999" not in text
    if format != "csv":
        assert "reported scores from memory are not shown: lstm on sst2" in " ".join(text.split())


def test_what_has_no_place_is_said(table):
    notes = [text for _, text in table.notes]
    assert any("reported scores without runs beside them: tcn on sst2" in note for note in notes)
    assert any("of another metric or split: elman on sst2 (test macro_f1)" in note for note in notes)


def test_the_other_way_round(tmp_path, table):
    turned = make_table(
        find_runs([tmp_path / "runs"]), rows="data", columns="arch", reported=str(tmp_path / "reported.csv")
    )
    assert "reported" in render(turned) and "81.4" in render(turned)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("row,column\n", "has no column metric"),
        (HEAD.replace("note", "nope"), "unknown column nope"),
        (HEAD + "gru,sst2,accuracy,8x,Doe,checked,,\n", "the score '8x' is not a number"),
        (HEAD + "gru,sst2,accuracy,nan,Doe,checked,,\n", "is not a number"),
        (HEAD + "gru,sst2,accuracy,3.22/3.13,Doe,checked,,\n", "write one number a line"),
        (HEAD + "gru,sst2,accuracy,80,Doe,sure,,\n", "choose one of checked, stored-text, derived, memory"),
        (HEAD + "gru,sst2,accuracy,80,,checked,,\n", "has no source"),
        (HEAD + "gru,sst2,accuracy,80,Doe, Table 2,checked,,\n", "quote texts that hold a comma"),
        (HEAD + "gru,sst2,accuracy,80,Doe,checked,,\n" * 2, "twice"),
        (HEAD + '"gru', "no CSV"),
        (HEAD + "gru,sst2,accuracy,80,Doe,checked,-3,\n", "the spread -3 is below zero"),
        ("row," + HEAD + "gru,lstm,sst2,accuracy,80,Doe,checked,,\n", "has the column row twice"),
    ],
)
def test_wrong_files_are_answered(tmp_path, content, words):
    path = tmp_path / "reported.csv"
    path.write_text(content)
    with pytest.raises(DataError, match=words):
        read_reported(path)


def test_a_fraction_where_percent_is_meant_is_worth_a_note(tmp_path):
    write_run(tmp_path / "runs", arch="gru")
    path = tmp_path / "reported.csv"
    path.write_text(HEAD + "gru,sst2,accuracy,0.8,Doe,checked,,\n")
    notes = [text for _, text in make_table(find_runs([tmp_path / "runs"]), reported=str(path)).notes]
    assert "the reported 0.8 for gru on sst2 is taken for percent; if it is a fraction, write 80" in notes
    path.write_text(HEAD + "gru,sst2,accuracy,80,Doe,checked,,\n")
    assert len(make_table(find_runs([tmp_path / "runs"]), reported=str(path)).notes) == 1


def test_an_experiment_has_a_view_of_its_own(tmp_path):
    folder = tmp_path / "experiments" / "mine"
    folder.mkdir(parents=True)
    (folder / "reported.csv").write_text(HEAD)
    assert experiment_view("mine", tmp_path / "experiments").reported == str(folder / "reported.csv")
    (folder / "table.yaml").write_text("rows: model.features\nreference: gru\nshow: [parameters, flops]\nlast: 3\n")
    found = experiment_view("mine", tmp_path / "experiments")
    assert found == View(
        rows="model.features",
        reference="gru",
        show=("parameters", "flops"),
        last=3,
        reported=str(folder / "reported.csv"),
    )
    assert experiment_view("other", tmp_path / "experiments") == View()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("refrence: gru", "unknown key refrence: did you mean reference"),
        ("rows: 3", "must be a text"),
        ("last: many", "must be a whole number"),
        ("show: {a: b}", "must be a list of names"),
        ("names: [ett]", "must hold lines like"),
        ("names: {ett: 3}", "must hold lines like"),
        ("names: {ett: series, weather: series}", "gives two lines one name"),
        ("baselines: worst", "choose one of all, best, none"),
        ("select: best", "choose one of best_val"),
        ("- rows", "must hold lines like"),
        ("rows: [", "cannot be read"),
        ("rows: !!python/object/apply:os.system [ls]", "cannot be read"),
    ],
)
def test_wrong_views_are_answered(tmp_path, content, words):
    (tmp_path / "table.yaml").write_text(content)
    with pytest.raises(DataError, match=words):
        read_view(tmp_path / "table.yaml")


def test_an_empty_view_is_the_usual_one(tmp_path):
    (tmp_path / "table.yaml").write_text("# nothing yet\n")
    assert read_view(tmp_path / "table.yaml") == View()


@pytest.fixture
def own_view(tmp_path, monkeypatch):
    """Runs of an experiment, and a function that writes its table.yaml."""
    monkeypatch.chdir(tmp_path)
    for arch in ("gru", "lstm"):
        write_run(tmp_path / "runs", arch=arch)
    folder = tmp_path / "experiments" / "quickstart"
    folder.mkdir(parents=True)
    return (folder / "table.yaml").write_text


def test_lines_have_the_names_that_the_file_gives_them(own_view, capsys):
    own_view("rows: data\ncolumns: arch\nnames: {sst2: film reviews, data: application, weather: none, ett: heat}\n")
    for arch in ("gru", "lstm"):
        write_run(Path("runs"), arch=arch, data="ett")
    assert main(["table", "experiment=quickstart"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split()[0] == "application"
    assert lines[3].startswith(" film reviews ") and lines[4].startswith(" heat ")
    assert main(["table", "experiment=quickstart", "--format", "csv"]) == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("film reviews,gru,accuracy")
    own_view('rows: arch\ncolumns: "data,model.features"\nnames: {"sst2, 128": "films, new ones"}\n')
    assert main(["table", "experiment=quickstart"]) == 0
    assert " films, new ones " in capsys.readouterr().out.splitlines()[1]


def test_a_reference_of_the_file_may_be_filtered_out_or_taken_back(own_view, capsys):
    own_view("reference: lstm\n")
    assert main(["table", "experiment=quickstart"]) == 0
    assert "Differences to lstm" in capsys.readouterr().out
    assert main(["table", "experiment=quickstart", "arch=gru"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "no differences: reference: lstm in 'experiments/quickstart/table.yaml' is no row of this table" in out
    assert main(["table", "experiment=quickstart", "--reference", ""]) == 0
    assert "Differences" not in capsys.readouterr().out
    assert main(["table", "experiment=quickstart", "--reference", "elman"]) == 2
    assert "--reference elman is no row" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("rows: arhc", "the key of rows: arhc in 'experiments/quickstart/table.yaml'; did you mean arch?"),
        ("show: [paramters]", "show: paramters in 'experiments/quickstart/table.yaml': paramters is not known"),
        ("select: last", "select: last in 'experiments/quickstart/table.yaml': gru on sst2"),
        ("aggregate: a:b", "aggregate: a:b in 'experiments/quickstart/table.yaml': a is no row of the table"),
    ],
)
def test_what_a_file_asks_for_in_vain_is_said_with_the_file(own_view, capsys, content, words):
    own_view(content)
    assert main(["table", "experiment=quickstart"]) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("option", [["--rows", "arhc"], ["--metric", "acuracy"], ["--split", "tset"]])
def test_a_report_of_what_is_not_there_is_refused(own_view, capsys, tmp_path, option):
    assert main(["report", "quickstart", *option]) == 2
    assert capsys.readouterr().err.startswith("grux: no run has")
    assert not (tmp_path / "runs" / "quickstart" / "report.html").exists()
