"""Which class is taken for which, and how far confidence can be believed: means over seeds, figures, `grux show`."""

from typing import Any

import pytest
from fake_runs import make_record, write_run
from test_results_figures import with_probes

from grux.errors import UsageError
from grux.results.calibration import reliability_of
from grux.results.confusion import confusion_grid, mean_confusion, most_confused
from grux.results.figure import save
from grux.results.overview import show_run
from grux.results.palette import styles_of
from grux.results.plots import make_figure
from grux.results.record import find_runs, read_run


def axes_of(panel) -> Any:
    from matplotlib.figure import Figure

    panel.draw(axes := Figure().add_subplot(), styles_of(panel.names))
    return axes


def many_classes():
    names = [f"c{number}" for number in range(13)]
    counts = [[10 if true == predicted else 0 for predicted in range(13)] for true in range(13)]
    counts[2][5], counts[7][1] = 4, 6
    return {"rule": "r", "split": "test", "classes": names, "counts": [counts, counts]}


def test_counts_are_means_over_the_seeds_that_were_trained(tmp_path):
    run = read_run(write_run(tmp_path, with_probes()))
    assert mean_confusion([run]) == (["bad", "good"], [[8, 2], [2.5, 7.5]], 2)
    diverged = read_run(write_run(tmp_path, with_probes(run_id="d", diverged=(1,))))
    assert mean_confusion([diverged]) == (["bad", "good"], [[9, 1], [3, 7]], 1)


def test_rows_are_true_classes_from_top_to_bottom_shaded_by_their_share(tmp_path):
    write_run(tmp_path, with_probes())
    (panel,) = make_figure("confusion", find_runs([tmp_path])).panels
    axes = axes_of(panel)
    assert (panel.title, panel.x, panel.y, panel.names) == ("gru", "predicted", "true", ())
    assert {(text.get_position(), text.get_text()) for text in axes.texts} == {
        *(((0, 0), "8"), ((1, 0), "2"), ((0, 1), "2.5"), ((1, 1), "7.5")),
    }
    assert axes.get_ylim()[0] > axes.get_ylim()[1]
    shades = {patch.get_xy(): patch.get_alpha() for patch in axes.patches}
    assert shades[-0.5, -0.5] / shades[0.5, -0.5] == pytest.approx(8 / 2)
    assert shades[0.5, 0.5] / shades[-0.5, 0.5] == pytest.approx(7.5 / 2.5)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["bad", "good"]


def test_each_run_has_its_panel_and_those_without_are_named(tmp_path):
    write_run(tmp_path, with_probes(arch="gru"))
    write_run(tmp_path, with_probes(arch="lstm"))
    write_run(tmp_path, make_record(arch="elman", run_id="old"))
    figure = make_figure("confusion", find_runs([tmp_path]))
    assert [panel.title for panel in figure.panels] == ["gru", "lstm"] and "mean over 2 seeds" in figure.caption
    assert figure.left_out == ("old: no confusion in its record",)
    assert make_figure("calibration", find_runs([tmp_path])).left_out == ("old: no calibration in its record",)
    for path in save(figure, tmp_path / "plots"):
        assert path.stat().st_size > 5000


@pytest.mark.parametrize("kind", ["confusion", "calibration"])
def test_records_of_before_have_nothing_to_draw(tmp_path, kind):
    write_run(tmp_path, make_record())
    with pytest.raises(UsageError, match=f"no run has a {kind}"):
        make_figure(kind, find_runs([tmp_path]))
    with pytest.raises(UsageError, match=f"--kind {kind} takes no --metric"):
        make_figure(kind, find_runs([tmp_path]), metric="accuracy")


def test_many_classes_are_shaded_and_not_written(tmp_path):
    run = read_run(write_run(tmp_path, with_probes() | {"confusion": many_classes()}))
    axes = axes_of(make_figure("confusion", [run]).panels[0])
    assert not axes.texts and len(axes.patches) == 15
    assert confusion_grid(run) == ([], []) and most_confused(run) == "c7 as c1 6, c2 as c5 4"
    assert "confused    c7 as c1 6, c2 as c5 4" in show_run(run)


def test_a_matrix_that_is_not_square_counts_nothing(tmp_path):
    record = with_probes()
    record["confusion"] = record["confusion"] | {"counts": [[[1, 2]], [[1, 2], [3]]]}
    assert mean_confusion([read_run(write_run(tmp_path, record))]) == ([], [], 0)


def test_the_error_is_that_of_each_seed_and_the_bins_those_of_all(tmp_path):
    record = with_probes()
    other = {"examples": [4, 0, 0], "correct": [4, 0, 0], "confidence": [1.0, 0, 0]}
    record["calibration"] = record["calibration"] | {"counts": [record["calibration"]["counts"][0], other]}
    found = reliability_of([read_run(write_run(tmp_path, record))])
    assert found is not None
    assert found.error == pytest.approx((((5 - 4) + (11.4 - 11)) / 20 + (4 - 1) / 4) / 2)
    assert found.accuracy == pytest.approx((1, 5 / 8, 11 / 12))
    assert found.confidence == pytest.approx((0.25, 0.5, 0.95))
    assert found.share == pytest.approx((4 / 24, 8 / 24, 12 / 24))


def test_a_sum_that_is_no_number_is_left_out(tmp_path):
    record = with_probes()
    broken = {"examples": [0, 8, 12], "correct": [0, 5, 11], "confidence": ["NaN", 4.0, 11.4]}
    record["calibration"] = record["calibration"] | {"counts": [record["calibration"]["counts"][0], broken]}
    found = reliability_of([read_run(write_run(tmp_path, record))])
    assert found is not None and found.error == pytest.approx(1.4 / 20)


def test_reliability_has_a_line_for_each_run_and_says_their_errors(tmp_path):
    write_run(tmp_path, with_probes(arch="gru"))
    (panel,) = make_figure("calibration", find_runs([tmp_path])).panels
    assert panel.title == "sst2 (ECE 7.0 %)" and panel.names == ("gru",)
    write_run(tmp_path, with_probes(arch="lstm"))
    figure = make_figure("calibration", find_runs([tmp_path]))
    assert (figure.panels[0].title, figure.panels[0].names) == ("sst2", ("gru", "lstm"))
    assert "Expected calibration error in %, mean over seeds: gru 7.0, lstm 7.0." in figure.caption
    axes = axes_of(figure.panels[0])
    drawn = [pytest.approx(line) for line in ([0, 1], [0.5, 0.95], [0.5, 0.95])]
    assert [list(line.get_xdata()) for line in axes.lines] == drawn


def test_show_writes_the_matrix_of_few_classes(tmp_path):
    lines = [line.split() for line in show_run(read_run(write_run(tmp_path, with_probes()))).splitlines()]
    place = lines.index(["true", "\\", "predicted", "bad", "good"])
    assert ["bad", "8", "2"] in lines[place:] and ["good", "2.5", "7.5"] in lines[place:]
