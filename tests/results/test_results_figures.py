"""Final scores, costs and what a run notes of its memory: the numbers behind the figures."""

import json

import pytest
from fake_runs import make_config, make_record, write_run, write_unfinished

from grux.errors import UsageError
from grux.results.curves import curves_of
from grux.results.final import FIRST_SEED, MEAN, standings_of
from grux.results.palette import styles_of
from grux.results.pareto import Point, front, log_ticks, points_of, tick_texts
from grux.results.placing import placed
from grux.results.plots import make_figure
from grux.results.probes import norms_of, scores_by_bin
from grux.results.record import find_runs, read_run
from grux.results.selection import Selection
from grux.results.units import Unit

LAG = {"rule": "r", "lags": [0, 1, 2], "examples": [4, 4, 2], "norms": [[1.0, 0.5, "Infinity"], [4.0, 2.0, 1.0]]}
BINS = [{"shortest": 1, "longest": 4, "examples": 10}, {"shortest": 5, "longest": 9, "examples": 12}]


def with_probes(**options):
    record = make_record(scores=[0.8, 0.9], **options)
    lengths = {
        "rule": "r",
        "split": "test",
        "bins": BINS,
        "scores": [{"accuracy": [0.7, 0.9]}, {"accuracy": [0.5, 1.0]}],
    }
    confusion = {
        "rule": "r",
        "split": "test",
        "classes": ["bad", "good"],
        "counts": [[[9, 1], [3, 7]], [[7, 3], [2, 8]]],
    }
    sums = [{"examples": [0, 8, 12], "correct": [0, 5, 11], "confidence": [0, 4.0, 11.4]}] * 2
    calibration = {"rule": "r", "split": "test", "counts": sums}
    probes = {"gradient_by_lag": LAG, "score_by_length": lengths}
    return record | probes | {"confusion": confusion, "calibration": calibration}


def test_every_seed_is_a_point_and_the_mean_has_its_interval(tmp_path):
    write_run(tmp_path, arch="gru", scores=[0.8, 0.9])
    write_run(tmp_path, arch="lstm", scores=[0.7], run_id="lstm-sst2")
    write_unfinished(tmp_path, "failed", arch="elman", kind="OutOfMemory")
    where, left_out = placed(find_runs([tmp_path]), "arch", "data")
    unit, (gru, lstm), _ = standings_of(where["sst2"], None, "test", "sst2")
    assert (unit.metric, gru.scores, gru.mean) == ("accuracy", {0: 0.8, 1: 0.9}, pytest.approx(0.85))
    assert gru.half_width == pytest.approx(12.706 * 0.05, rel=1e-3)
    assert (lstm.scores, lstm.half_width) == ({0: 0.7}, None)
    assert left_out == ["elman-sst2-failed: failed (OutOfMemory)"]


def test_a_panel_never_mixes_data(tmp_path):
    write_run(tmp_path, arch="gru")
    write_run(tmp_path, make_record(arch="lstm", **{"data": "sst2"}) | {"data": {"sst2.csv": "cd" * 32}})
    for kind in ("final", "curves"):
        with pytest.raises(UsageError, match="different data"):
            make_figure(kind, find_runs([tmp_path]))


@pytest.mark.parametrize("kind", ["final", "curves"])
def test_a_panel_never_mixes_metrics(tmp_path, kind):
    write_run(tmp_path, arch="gru", metrics=True)
    record = make_record(arch="lstm") | {"metric": {"primary": "loss", "higher_is_better": False}}
    write_run(tmp_path, record)
    with pytest.raises(UsageError, match="differ in metric"):
        make_figure(kind, find_runs([tmp_path]))
    if kind == "final":  # by what all of them have they can be compared
        assert make_figure(kind, find_runs([tmp_path]), metric="loss").panels[0].x == "test loss ↓"


@pytest.mark.parametrize("kind", ["final", "curves"])
def test_an_unknown_key_is_named(tmp_path, kind):
    write_run(tmp_path, metrics=True)
    with pytest.raises(UsageError, match=r"no run has the key of --rows model\.feature; did you mean model\.features"):
        make_figure(kind, find_runs([tmp_path]), rows="model.feature")


@pytest.mark.parametrize(("against", "cost"), [("parameters", 812_345), ("flops", 1.2e6), ("seconds", 30.2 / 3)])
def test_cost_of_a_config(tmp_path, against, cost):
    run = read_run(write_run(tmp_path))
    _, (point,), left_out = points_of({"gru": [run]}, None, "test", against)
    assert (point.cost, left_out) == (pytest.approx(cost), [])


def test_each_config_is_a_point_of_its_own(tmp_path):
    for width in (32, 64):
        config = make_config(arch="gru", data="sst2", model__features=width)
        write_run(tmp_path, make_record(config=config, run_id=str(width), parameters={"total": width}))
    write_run(tmp_path, make_record(arch="lstm", run_id="uncounted", parameters=None))
    where, _ = placed(find_runs([tmp_path]), "arch", "data")
    _, points, left_out = points_of(where["sst2"], None, "test", "parameters")
    assert [(point.name, point.cost) for point in points] == [("gru", 32), ("gru", 64)]
    assert left_out == ["uncounted: no parameters in its record"]


@pytest.mark.parametrize(("higher", "expected"), [(True, "acd"), (False, "ag")])
def test_front_holds_what_nothing_beats(higher, expected):
    table = {
        "a": (1, 0.5),
        "b": (2, 0.55),
        "c": (2, 0.6),
        "g": (2.5, 0.45),
        "d": (3, 0.9),
        "e": (4, 0.9),
        "f": (1, 0.5),
    }
    points = [Point(name, cost, mean, None) for name, (cost, mean) in table.items()]
    assert "".join(point.name for point in front(points, higher)) == expected


@pytest.mark.parametrize(
    ("ticks", "texts"),
    [
        ([531_800, 532_000, 532_200, 533_000], ["531.8K", "532.0K", "532.2K", "533.0K"]),
        ([900_000, 1_000_000], ["0.9M", "1.0M"]),
        ([10, 12.5, 15], ["10.0", "12.5", "15.0"]),
        ([0.005], ["0.005"]),
        ([2_000], ["2K"]),
    ],
)
def test_ticks_of_a_cost_have_the_digits_that_tell_them_apart(ticks, texts):
    assert tick_texts(ticks) == texts


def test_ticks_of_a_logarithm_are_few():
    assert log_ticks(30, 100) == [50, 100]
    assert log_ticks(900, 2e6) == [1e3, 1e4, 1e5, 1e6]


def test_a_front_of_one_point_is_drawn_and_one_without_direction_not_promised(tmp_path):
    from matplotlib.figure import Figure

    for arch, score, total in (("gru", 0.9, 10), ("lstm", 0.8, 20)):
        write_run(tmp_path, make_record(arch=arch, scores=[score], parameters={"total": total}))
    figure = make_figure("pareto", find_runs([tmp_path]))
    axes = Figure().add_subplot()
    figure.panels[0].draw(axes, styles_of(["gru", "lstm"]))
    (line,) = (line for line in axes.lines if line.get_drawstyle() == "steps-post")
    assert list(line.get_xdata()) == [10, 10, axes.get_xlim()[1]]  # a corner: up to it, and on to the edge
    assert list(line.get_ydata()) == [axes.get_ylim()[0], 90, 90]
    assert "Pareto front" in figure.caption
    write_run(tmp_path / "alone", make_record())
    assert "Pareto front" not in make_figure("pareto", find_runs([tmp_path / "alone"])).caption


@pytest.mark.parametrize("kind", ["curves", "final", "length", "pareto"])
@pytest.mark.parametrize(("best", "ends"), [(1.0, 100), (0.05, 0)])
def test_no_axis_goes_on_where_no_score_can_be(tmp_path, kind, best, ends):
    from matplotlib.figure import Figure

    record = with_probes() | {"seeds": make_record(scores=[best, best, abs(best - 0.06)])["seeds"]}
    record["score_by_length"]["scores"] = [{"accuracy": [best, 0.5]}, {"accuracy": [abs(best - 0.06), 0.5]}]
    folder = write_run(tmp_path, record)
    rows = [
        {"step": 9, "seed": seed, "split": "validation", "accuracy": value}
        for seed, value in enumerate([best, best, abs(best - 0.06)])
    ]
    (folder / "metrics.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    figure = make_figure(kind, find_runs([tmp_path]), metric="accuracy")
    figure.panels[0].draw(axes := Figure().add_subplot(), styles_of(["gru"]))
    low, high = axes.get_xlim() if kind == "final" else axes.get_ylim()
    assert low < best * 100 < high
    past = high - 100 if ends else -low
    assert 0 < past < 0.05 * (high - low)


def test_a_score_without_an_end_has_an_axis_without_one():
    assert Unit("accuracy", "test", True).bounds == (0, 100) and Unit("auroc", "test", True).bounds == (0, 1)
    assert Unit("wer", "test", False).bounds is None and Unit("mse", "test", False).bounds is None


def with_last_weights(**options):
    record = make_record(**options)
    for entry in record["seeds"]:
        entry["last_scores"] = {"test": {"accuracy": entry["scores"]["test"]["accuracy"] - 0.3}}
    return record


def test_final_scores_and_costs_follow_the_rule_of_selection(tmp_path):
    write_run(tmp_path, with_last_weights(scores=[0.8, 0.84]))
    where, _ = placed(find_runs([tmp_path]), "arch", "data")
    for rule, mean, interval in (("best_val", 0.82, True), ("last", 0.52, True), ("max_over_seeds", 0.84, False)):
        _, (standing,), _ = standings_of(where["sst2"], None, "test", "sst2", Selection(rule))
        _, (point,), _ = points_of(where["sst2"], None, "test", "parameters", Selection(rule))
        assert standing.mean == point.mean == pytest.approx(mean)
        assert (standing.half_width is not None) == (point.half_width is not None) == interval


def test_captions_name_the_rule_of_selection(tmp_path):
    write_run(tmp_path, with_probes() | {"seeds": with_last_weights(scores=[0.8, 0.84])["seeds"]})
    write_run(tmp_path, with_last_weights(arch="lstm"))
    runs = find_runs([tmp_path])
    for kind, options in {"final": {}, "pareto": {}, "profile": {"aggregate": "0:gru"}}.items():
        assert "(select: best_val)" in make_figure(kind, runs, **options).caption
        assert "(select: last)" in make_figure(kind, runs, select="last", **options).caption
    for kind in ("final", "pareto"):
        caption = make_figure(kind, runs, select="max_over_seeds").caption
        assert "best of 2 or 3 seeds" in caption and "95 %" not in caption
    assert "(select: best_val)" in make_figure("length", runs).caption


def test_methods_without_training_are_named_above_the_scores_and_only_where_there_are_any(tmp_path):
    from matplotlib.figure import Figure

    write_run(tmp_path / "ett", make_record(data="ett", scores=[0.4, 0.5]))
    write_run(tmp_path / "sst2", make_record(scores=[0.8, 0.9]))
    figure = make_figure("final", find_runs([tmp_path / "ett"]))
    figure.panels[0].draw(axes := Figure().add_subplot(), styles_of(["gru"]))
    names = {text.get_text().strip(): text.get_position() for text in axes.texts}
    assert names.keys() == {"seasonal_naive", "last_value 1.29 →"}  # 0.52 is near the scores
    (line,) = (line for line in axes.lines if line.get_linestyle() == ":")
    assert set(line.get_xdata()) == {0.52} == {names["seasonal_naive"][0]}
    heights = [y for _, y in names.values()]
    assert max(heights) < min(MEAN, FIRST_SEED) - 0.3  # upwards is down to smaller numbers
    assert abs(heights[0] - heights[1]) > 0.2
    assert axes.get_ylim()[1] < min(heights) and axes.get_xlim()[1] < 1.29
    assert "without training" in figure.caption
    assert "without training" not in make_figure("final", find_runs([tmp_path / "sst2"])).caption


def test_of_a_seed_that_two_runs_have_the_newest_is_drawn(tmp_path):
    for group, factor, day in (("a", 1.0, 22), ("b", 2.0, 21)):
        record = with_probes(experiment=group, created=f"2026-11-{day}T10:00:00Z")
        for entry in record["seeds"]:
            entry["scores"]["test"]["accuracy"] = entry["scores"]["validation"]["accuracy"] = 0.4 * factor
        record["gradient_by_lag"] = LAG | {"norms": [[1.0 * factor], [4.0 * factor]]}
        record["score_by_length"]["scores"] = [{"accuracy": [0.3 * factor, 0.4 * factor]}] * 2
        record["seconds"] = {"train": 10 * factor}
        write_run(tmp_path, record, metrics=True)
    where, _ = placed(runs := find_runs([tmp_path]), "arch", "data")
    _, (standing,), _ = standings_of(where["sst2"], None, "test", "sst2")
    _, (point,), _ = points_of(where["sst2"], None, "test", "seconds")
    assert standing.scores == {0: 0.4, 1: 0.4} and (point.mean, point.cost) == (pytest.approx(0.4), 5.0)
    assert norms_of(where["sst2"]["gru"]) == {0: [1.0, 4.0]}
    assert [part.n for part in scores_by_bin(where["sst2"]["gru"], "accuracy")[1]] == [2, 2]
    _, (curve,) = curves_of(runs, "accuracy")[0]["sst2"]
    assert max(curve.mean) < 0.5


def test_a_seed_that_cannot_be_drawn_is_named(tmp_path):
    run = read_run(write_run(tmp_path, make_record(scores=[0.8, float("inf"), 0.9], run_id="g")))
    for _, (made,), left_out in (
        standings_of({"gru": [run]}, None, "test", "sst2"),
        points_of({"gru": [run]}, None, "test", "parameters"),
    ):
        assert made.mean == pytest.approx(0.85)
        assert left_out == ["g: test accuracy of seed 1 is not finite"]


@pytest.mark.filterwarnings("error")
def test_a_profile_leaves_out_what_is_not_finite_and_counts_its_data_sets(tmp_path):
    write_run(tmp_path, make_record(arch="gru", scores=[0.8, float("inf"), 0.9]))
    write_run(tmp_path, make_record(arch="lstm"))
    figure = make_figure("profile", find_runs([tmp_path]), aggregate="0:lstm")
    assert figure.panels[0].names == ("lstm",)
    (sentence,) = figure.left_out
    assert sentence.startswith("gru") and sentence.endswith("not finite")
    assert "the value below, 1 data set. " in figure.caption


def test_a_rule_that_no_record_can_serve_is_answered_with_the_way_out(tmp_path):
    write_run(tmp_path, make_record())
    runs = find_runs([tmp_path])
    for kind in ("final", "pareto"):
        with pytest.raises(UsageError, match=r"--select last: .*test_weights=last"):
            make_figure(kind, runs, select="last")
    with pytest.raises(UsageError, match="max_over_seeds keeps one"):
        make_figure("profile", runs, select="max_over_seeds", aggregate="0:gru")
    with pytest.raises(UsageError, match="--last 0 must be at least 1"):
        make_figure("final", runs, select="mean_last_k", last=0)
    with pytest.raises(UsageError, match="--kind length takes no --select"):
        make_figure("length", runs, select="last")


def test_norms_of_all_finite_seeds(tmp_path):
    run = read_run(write_run(tmp_path, with_probes()))
    assert norms_of([run]) == {0: [1.0, 4.0], 1: [0.5, 2.0], 2: [1.0]}
    diverged = read_run(write_run(tmp_path, with_probes(run_id="d", diverged=(1,))))
    assert norms_of([diverged]) == {0: [1.0], 1: [0.5]}


def test_scores_by_bin_are_means_over_seeds(tmp_path):
    run = read_run(write_run(tmp_path, with_probes()))
    bins, (short, long) = scores_by_bin([run], "accuracy")
    assert bins == ((1, 4, 10), (5, 9, 12))
    assert (short.mean, long.mean) == (pytest.approx(0.6), pytest.approx(0.95))
    assert scores_by_bin([run], "bleu") == (bins, [])


def test_old_records_are_left_out_by_name(tmp_path):
    write_run(tmp_path, with_probes(arch="gru"))
    write_run(tmp_path, make_record(arch="lstm", run_id="old"))
    runs = find_runs([tmp_path])
    for kind, key in {"lag": "gradient_by_lag", "length": "score_by_length"}.items():
        figure = make_figure(kind, runs)
        assert [panel.names for panel in figure.panels] == [("gru",)]
        (sentence,) = figure.left_out
        assert sentence.startswith(f"old: no {key}")


def test_lag_draws_no_logarithm_of_zero(tmp_path):
    from grux.results.figure import save

    record = with_probes()
    record["gradient_by_lag"] = LAG | {"norms": [[1.0, 1e-30, 0.0], [1.0, 1e-20, 0.0]]}
    write_run(tmp_path, record)
    png, _ = save(make_figure("lag", find_runs([tmp_path])), tmp_path / "plots")
    assert png.stat().st_size > 5000
