"""Learning curves: what a line and its band are, and that the pictures are written."""

import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from fake_runs import make_config, make_record, write_metrics, write_run, write_unfinished
from scipy import stats

from grux.cli import main
from grux.errors import UsageError
from grux.results.curves import curves_of
from grux.results.figure import labels, render, save
from grux.results.palette import COLOURS, DASHES, FIXED, styles_of
from grux.results.plots import KINDS, make_figure
from grux.results.record import find_runs, read_metrics


def curves(runs, *names, **options):
    return curves_of(runs, *names, **options)[0]


def test_line_is_the_mean_and_band_the_interval(tmp_path):
    folder = write_run(tmp_path, metrics=True)
    unit, (curve,) = curves(find_runs([tmp_path]))["sst2"]
    assert (unit.metric, unit.higher_is_better) == ("loss", False)  # what chose the best step
    unit, (curve,) = curves(find_runs([tmp_path]), "accuracy")["sst2"]
    assert unit.label == "accuracy % ↑"
    values = [row["accuracy"] for row in read_metrics(folder) if row["split"] == "validation" and row["step"] == 500]
    at = curve.steps.index(500)
    assert curve.mean[at] == pytest.approx(sum(values) / 3)
    assert curve.high[at] - curve.mean[at] == pytest.approx(stats.t.ppf(0.975, 2) * stats.sem(values))
    assert (curve.seeds, curve.band, curve.ended_early) == (3, "interval", False)


def test_seeds_that_stop_leave_the_mean_of_the_others(tmp_path):
    record = make_record()
    write_metrics(write_run(tmp_path, record), record, ends={0: 600, 1: 300})
    _, (curve,) = curves(find_runs([tmp_path]), "accuracy")["sst2"]
    values = {row["seed"]: row["accuracy"] for row in read_metrics(tmp_path / "quickstart" / record["run_id"])[1::2]
              if row["step"] == 550}  # fmt: skip
    at = curve.steps.index(550)
    assert sorted(values) == [0, 2]
    assert curve.mean[at] == pytest.approx(sum(values.values()) / 2)
    assert (curve.low[at], curve.high[at]) == (min(values.values()), max(values.values()))
    assert curve.mean[-1] == curve.low[-1] == curve.high[-1]
    assert curve.ended_early


@pytest.mark.parametrize(("seeds", "band"), [(1, "none"), (2, "range"), (3, "interval")])
def test_band_by_number_of_seeds(tmp_path, seeds, band):
    write_run(tmp_path, scores=[0.8, 0.81, 0.82][:seeds], metrics=True)
    _, (curve,) = curves(find_runs([tmp_path]))["sst2"]
    assert curve.band == band


def test_pictures_are_written_and_repeat_exactly(tmp_path):
    for arch in ("gru", "lstm", "_odd $name"):
        for data in ("sst2", "ett"):
            record = make_record(arch=arch, data=data, run_id=f"{arch}-{data}")
            write_run(tmp_path / "runs", record, metrics=True)
    runs = find_runs([tmp_path / "runs"])
    pyplot = sys.modules.pop("matplotlib.pyplot", None)
    png, svg = save(make_figure("curves", runs), tmp_path / "plots")
    assert png.read_bytes().startswith(b"\x89PNG")
    ElementTree.parse(svg)
    first = svg.read_bytes()
    assert save(make_figure("curves", runs), tmp_path / "plots")[1].read_bytes() == first
    assert "matplotlib.pyplot" not in sys.modules  # no state shared with a caller's own figures
    if pyplot is not None:
        sys.modules["matplotlib.pyplot"] = pyplot  # another test's library brought it
    assert make_figure("curves", runs, metric="loss").stem == "learning_curves_loss"
    for kind in ("final", "pareto"):
        for path in save(make_figure(kind, runs), tmp_path / "plots"):
            assert path.stat().st_size > 5000


def test_every_arch_has_a_look_of_its_own_whatever_its_company():
    archs = {path.stem for path in (Path(__file__).parents[2] / "configs" / "arch").glob("*.yaml")}
    assert archs >= FIXED.keys()  # a new one gets a free look until it has a line in the palette
    assert len(set(FIXED.values())) == len(FIXED)
    assert {name: styles_of([name, "gru", "mycell"])[name] for name in FIXED} == styles_of(FIXED)
    assert [FIXED[name] for name in ("gru", "lstm", "elman")] == [(colour, "-") for colour in COLOURS[:3]]


def test_other_names_keep_off_the_looks_of_archs_and_of_each_other():
    free = len(COLOURS) * len(DASHES) - len(FIXED)
    few = styles_of([f"cell{number}" for number in range(free)])
    assert not set(few.values()) & set(FIXED.values())
    many = styles_of(["gru", "mgu", *(f"cell{number}" for number in range(len(COLOURS) * len(DASHES) - 2))])
    assert len(set(many.values())) == len(many)
    assert list(styles_of(["128", "16", "64"])) == ["16", "64", "128"]


def test_a_legend_has_room_for_all_names(tmp_path):
    from matplotlib.image import imread

    for name in [*sorted(FIXED)[:20], "x" * 150, "y$" * 75]:
        write_run(tmp_path, make_record(arch=name, run_id=name[:20]))
    picture = imread(save(make_figure("pareto", find_runs([tmp_path])), tmp_path / "plots")[0])
    for edge in (picture[:4], picture[-4:], picture[:, :4], picture[:, -4:]):
        assert edge.min() == 1.0  # white: nothing is cut off


def test_long_names_leave_room_for_the_data(tmp_path):
    names = ["gru_with_a_very_long_name_" + "x" * 120 + end for end in ("_one", "_two")]
    assert len(set(labels(names))) == 2 and max(map(len, labels(names))) <= 24
    alike = ["a" * 30 + middle + "b" * 30 for middle in "12"]  # they differ where labels are cut
    assert len(set(labels(alike))) == 2
    for name in names:
        write_run(tmp_path, make_record(arch=name, run_id=name[-8:]))
    figure = make_figure("final", find_runs([tmp_path]))
    root = ElementTree.fromstring(render(figure, "svg", on_page=True))
    whole = float(root.attrib["viewBox"].split()[2])
    axes = next(group for group in root.iter("{http://www.w3.org/2000/svg}g") if group.get("id") == "patch_2")
    corners = re.findall(r"[ML] ([\d.]+) ", axes[0].attrib["d"])
    assert max(map(float, corners)) - min(map(float, corners)) > 0.4 * whole


def test_nothing_to_draw_is_an_answer(tmp_path):
    write_run(tmp_path, metrics=True)
    with pytest.raises(UsageError, match="accuracy, loss"):
        curves(find_runs([tmp_path]), "bleu")
    with pytest.raises(UsageError, match="no run has validation values"):
        curves([])
    for kind, words in {"lag": "gradient norms by lag", "length": "scores by length", "final": "no runs"}.items():
        with pytest.raises(UsageError, match=words):
            make_figure(kind, [] if kind == "final" else find_runs([tmp_path]))


def test_refuses_to_average_different_configs_and_tells_them_apart_by_a_key(tmp_path):
    for rate in (0.1, 0.2):
        config = make_config(arch="gru", data="sst2", optimizer__learning_rate=rate)
        write_run(tmp_path, make_record(config=config, run_id=str(rate)), metrics=True)
    runs = find_runs([tmp_path])
    for kind in ("curves", "final"):
        with pytest.raises(UsageError, match=r"optimizer\.learning_rate"):
            make_figure(kind, runs)
        (panel,) = make_figure(kind, runs, rows="optimizer.learning_rate").panels
        assert panel.names == ("0.1", "0.2")


def test_runs_without_a_curve_are_named_and_block_nobody(tmp_path):
    write_run(tmp_path, arch="gru", metrics=True)
    for rate in (0.1, 0.2):  # two failures of different configs, which never reached an evaluation
        folder = write_unfinished(tmp_path, "failed", arch="lstm", kind="OutOfMemory", message="no room")
        folder.rename(folder.with_name(f"lstm-{rate}"))
    record = make_record(arch="elman", config=make_config(arch="elman", data="sst2"), run_id="elman-silent")
    write_run(tmp_path, record)
    found, left_out = curves_of(find_runs([tmp_path]))
    assert [curve.name for curve in found["sst2"][1]] == ["gru"]
    assert "elman-silent: its metrics.jsonl has no validation loss" in left_out
    assert any(line.endswith("failed (OutOfMemory: no room)") for line in left_out)


def test_the_command_says_what_it_left_out(tmp_path, capsys):
    write_run(tmp_path / "runs", arch="gru", metrics=True)
    write_unfinished(tmp_path / "runs", "failed", arch="lstm", kind="DataError", message="bad line")
    assert main(["plot", "--runs", str(tmp_path / "runs"), "--to", str(tmp_path / "plots")]) == 0
    out, err = capsys.readouterr()
    assert [line.rsplit("/", 1)[1] for line in out.split()] == ["learning_curves.png", "learning_curves.svg"]
    assert "left out: lstm-sst2-failed: failed (DataError: bad line)" in err


def test_a_figure_of_an_experiment_is_laid_out_by_its_table_yaml(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for rate in (0.1, 0.2):
        config = make_config(arch="gru", data="sst2", optimizer__learning_rate=rate)
        write_run(tmp_path / "runs", make_record(config=config, run_id=str(rate)), metrics=True)
    (tmp_path / "experiments" / "quickstart").mkdir(parents=True)
    (tmp_path / "experiments" / "quickstart" / "table.yaml").write_text(
        "rows: optimizer.learning_rate\ncolumns: arch\nselect: max_over_seeds\nreference: '0.1'\n"
    )
    drawn = []
    monkeypatch.setattr("grux.results.figure.save", lambda figure, folder: drawn.append(figure) or [])
    for words in (["--kind", "final"], [], ["--kind", "final", "--columns", "data"]):
        assert main(["plot", "experiment=quickstart", *words]) == 0
    assert [[panel.title for panel in figure.panels] for figure in drawn] == [["gru"], ["gru"], ["sst2"]]
    assert all(figure.panels[0].names == ("0.1", "0.2") for figure in drawn)
    assert ["max_over_seeds" in figure.caption for figure in drawn] == [True, False, True]
    assert main(["plot", "experiment=quickstart", "--kind", "final", "--rows", "arch"]) == 2
    assert "--rows and --columns are both arch" in capsys.readouterr().err


def test_options_that_a_kind_does_not_have_are_refused(tmp_path, capsys):
    write_run(tmp_path, metrics=True)
    runs = ["--runs", str(tmp_path)]
    assert main(["plot", *runs, "--kind", "curves", "--against", "flops"]) == 2
    assert "--kind curves takes no --against" in capsys.readouterr().err
    assert main(["plot", *runs, "--kind", "pareto", "--against", "money"]) == 2
    assert "choose one of parameters, flops, seconds" in capsys.readouterr().err
    assert main(["plot", "--help"]) == 0
    shown = capsys.readouterr().out
    assert all(f"  {kind:11} " in shown for kind in KINDS)


def test_without_matplotlib_the_way_out_is_named(tmp_path, monkeypatch):
    write_run(tmp_path, metrics=True)
    figure = make_figure("curves", find_runs([tmp_path]))
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UsageError, match=r"grux\[plot\]"):
        save(figure, tmp_path)
