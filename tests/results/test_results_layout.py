"""How a table is laid out: baselines, ranges of a key, files of one's own, names of lines."""

import pytest
from fake_runs import cell, make_config, make_record, table_of, write_run

from grux.errors import UsageError
from grux.results.plots import make_figure
from grux.results.record import find_runs
from grux.results.render import render
from grux.results.table import make_table


def test_the_best_baseline_of_each_line_or_none(tmp_path):
    for arch in ("gru", "lstm"):
        for data in ("sst2", "ett"):
            write_run(tmp_path, arch=arch, data=data)
    table = table_of(tmp_path, baselines="best")
    assert [row.name for row in table.rows] == ["gru", "lstm", "best baseline"]
    assert cell(table, "best baseline", "ett").mean == 0.52 and cell(table, "best baseline", "sst2").summary is None
    assert "0.520 (seasonal_naive)" in render(table)
    line = next(line for line in render(table, "csv").splitlines() if "seasonal_naive" in line)
    assert line.startswith("best baseline,ett,mse") and line.endswith(",seasonal_naive")
    assert [row.name for row in table_of(tmp_path, baselines="none").rows] == ["gru", "lstm"]
    # What is compared with may be one that is not shown.
    assert table_of(tmp_path, baselines="none", reference="last_value").rows[0].cells[0].versus is not None
    with pytest.raises(UsageError, match="--baselines some is not known; choose one of all, best, none"):
        table_of(tmp_path, baselines="some")


def test_the_best_baseline_goes_by_the_direction_and_is_a_number(tmp_path):
    scores = {"coin": 0.5, "broken": "NaN", "prior": 0.6}
    record = make_record(data="sst2") | {"baselines": {n: {"test": {"accuracy": s}} for n, s in scores.items()}}
    write_run(tmp_path, record)
    scores = {"broken": "NaN", "line": 0.3, "last": 0.4}
    record = make_record(data="ett") | {"baselines": {n: {"test": {"mse": s}} for n, s in scores.items()}}
    write_run(tmp_path, record)
    cells = table_of(tmp_path, baselines="best").rows[-1].cells
    assert [cell.method for cell in cells] == ["line", "prior"]


def test_a_papers_score_of_a_baseline_that_is_not_shown_has_no_footnote(tmp_path):
    write_run(tmp_path / "runs", arch="gru", data="ett")
    file = tmp_path / "reported.csv"
    head = "row,column,metric,score,source,status,spread,note\n"
    file.write_text(head + "last_value,ett,mse,1.3,Doe,checked,,\ngru,ett,mse,0.4,Roe,checked,,\n")
    options = {"baselines": "none", "reported": str(file), "names": {"ett": "series"}}
    notes = [text for _, text in make_table(find_runs([tmp_path / "runs"]), **options).notes]
    assert notes == ["reported: Roe (checked)", "reported scores without runs beside them: last_value on series"]


def test_two_lines_of_one_name_are_refused(tmp_path):
    for data in ("sst2", "ett"):
        write_run(tmp_path, data=data)
    with pytest.raises(UsageError, match="two lines are called sst2; give each a name of its own"):
        table_of(tmp_path, names={"ett": "sst2"})


def test_many_values_of_a_key_are_a_range(tmp_path):
    def shown() -> str:
        return table_of(tmp_path, show=("model.features",)).extras[0].texts[0]

    for number in range(6):
        config = make_config(arch="gru", data="ett", model__features=10 * number + 30)
        record = make_record(data="ett", config=config, run_id=f"run{number}")
        write_run(tmp_path, record | {"choices": {"arch": "gru", "data": f"series{number}"}})
        if number == 3:
            assert shown() == "30, 40, 50, 60"
    assert shown() == "30–80"


def test_files_of_ones_own_are_data_of_their_own(tmp_path):
    for arch in ("gru", "lstm"):
        for path in ("a.csv", "b.csv"):
            config = make_config(arch=arch, data="ett", data__path=path)
            record = make_record(arch=arch, data="ett", config=config, run_id=arch + path)
            write_run(tmp_path, record | {"data": {path: "cd" * 32}})
        write_run(tmp_path, arch=arch, data="sst2")
    table = table_of(tmp_path)
    assert [line.name for line in table.lines] == ["ett, a.csv", "ett, b.csv", "sst2"]
    assert "ett, path=a.csv" in render(table)
    assert table_of(tmp_path, rows="data", columns="arch").lines == table.lines
    # Where the files have a place of their own they stand against each other, as asked for.
    beside = table_of(tmp_path, rows="arch,data.path", columns="data", metric="mse")
    assert [line.name for line in beside.lines] == ["ett", "sst2"]


@pytest.mark.parametrize("kind", ["curves", "final", "pareto"])
def test_files_of_ones_own_have_panels_of_their_own(tmp_path, kind):
    for path in ("a.csv", "b.csv"):
        config = make_config(arch="gru", data="ett", data__path=path)
        record = make_record(data="ett", config=config, run_id=path) | {"data": {path: "cd" * 32}}
        write_run(tmp_path, record, metrics=True)
    figure = make_figure(kind, find_runs([tmp_path]))
    assert [panel.title for panel in figure.panels] == ["ett, path=a.csv", "ett, path=b.csv"]
