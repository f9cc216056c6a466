"""Learning curves: what a line and its band are, and that the pictures are written."""

import sys
from xml.etree import ElementTree

import pytest
from fake_runs import make_config, make_record, write_metrics, write_run
from scipy import stats

from grux.errors import UsageError
from grux.results.plots import COLOURS, FIXED, curves_of, plot_learning_curves, style_of
from grux.results.record import find_runs, read_metrics


def test_line_is_the_mean_and_band_the_interval(tmp_path):
    folder = write_run(tmp_path, metrics=True)
    unit, (curve,) = curves_of(find_runs([tmp_path]))["sst2"]
    assert (unit.metric, unit.higher_is_better) == ("loss", False)  # what chose the best step
    unit, (curve,) = curves_of(find_runs([tmp_path]), "accuracy")["sst2"]
    assert unit.label == "accuracy % ↑"
    values = [row["accuracy"] for row in read_metrics(folder) if row["split"] == "validation" and row["step"] == 500]
    at = curve.steps.index(500)
    assert curve.mean[at] == pytest.approx(sum(values) / 3)
    assert curve.high[at] - curve.mean[at] == pytest.approx(stats.t.ppf(0.975, 2) * stats.sem(values))
    assert (curve.seeds, curve.band, curve.ended_early) == (3, "interval", False)


def test_seeds_that_stop_leave_the_mean_of_the_others(tmp_path):
    record = make_record()
    write_metrics(write_run(tmp_path, record), record, ends={0: 600, 1: 300})
    _, (curve,) = curves_of(find_runs([tmp_path]), "accuracy")["sst2"]
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
    _, (curve,) = curves_of(find_runs([tmp_path]))["sst2"]
    assert curve.band == band


def test_pictures_are_written_and_repeat_exactly(tmp_path):
    for arch in ("gru", "lstm", "_odd $name"):
        for data in ("sst2", "ett"):
            record = make_record(arch=arch, data=data, run_id=f"{arch}-{data}")
            write_run(tmp_path / "runs", record, metrics=True)
    runs = find_runs([tmp_path / "runs"])
    pyplot = sys.modules.pop("matplotlib.pyplot", None)
    png, svg = plot_learning_curves(runs, tmp_path / "plots")
    assert png.read_bytes().startswith(b"\x89PNG")
    ElementTree.parse(svg)
    first = svg.read_bytes()
    assert plot_learning_curves(runs, tmp_path / "plots")[1].read_bytes() == first
    assert "matplotlib.pyplot" not in sys.modules  # no state shared with a caller's own figures
    if pyplot is not None:
        sys.modules["matplotlib.pyplot"] = pyplot  # another test's library brought it
    named = plot_learning_curves(runs, tmp_path / "plots", metric="loss")
    assert [path.name for path in named] == ["learning_curves_loss.png", "learning_curves_loss.svg"]


def test_a_name_has_one_style_and_two_names_never_the_same():
    assert style_of("mgu") == style_of("mgu")
    assert style_of("gru", [FIXED["gru"]]) == FIXED["gru"]
    taken = []
    for number in range(len(COLOURS) * 4 - len(FIXED)):
        taken.append(style_of(f"cell{number}", taken))
    assert len(set(taken)) == len(taken)
    assert not set(taken) & set(FIXED.values())


def test_nothing_to_draw_is_an_answer(tmp_path):
    write_run(tmp_path, metrics=True)
    with pytest.raises(UsageError, match="accuracy, loss"):
        curves_of(find_runs([tmp_path]), "bleu")
    with pytest.raises(UsageError, match="no run has validation values"):
        curves_of([])


def test_refuses_to_average_different_configs(tmp_path):
    for rate in (0.1, 0.2):
        config = make_config(arch="gru", data="sst2", optimizer__learning_rate=rate)
        write_run(tmp_path, make_record(config=config, run_id=str(rate)), metrics=True)
    with pytest.raises(UsageError, match=r"optimizer\.learning_rate"):
        curves_of(find_runs([tmp_path]))


def test_without_matplotlib_the_way_out_is_named(tmp_path, monkeypatch):
    write_run(tmp_path, metrics=True)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UsageError, match=r"grux\[plot\]"):
        plot_learning_curves(find_runs([tmp_path]), tmp_path)
