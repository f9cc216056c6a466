"""Who is best and who is not told from it, differences to a reference, all data sets in one number."""

import csv
import io

import pytest
from fake_runs import cell, make_config, make_record, table_of, write_run
from scipy import stats

from grux.errors import UsageError
from grux.results.answer import answers
from grux.results.palette import styles_of
from grux.results.plots import make_figure
from grux.results.record import find_runs
from grux.results.render import FORMATS, render

BEST = [0.80, 0.82, 0.84, 0.81, 0.83]


def marked(table):
    return {row.name for row in table.rows for found in row.cells if found.best}


def csv_of(table):
    return {row["row"]: row for row in csv.DictReader(io.StringIO(render(table, "csv")))}


def shifted(by, noise=(0.001, -0.001, 0.002, 0.0, -0.002)):
    return [score + by + extra for score, extra in zip(BEST, noise, strict=True)]


def test_what_is_not_told_from_the_best_is_marked_with_it(tmp_path):
    write_run(tmp_path, arch="gru", scores=BEST)
    write_run(tmp_path, arch="lstm", scores=shifted(-0.0005))
    write_run(tmp_path, arch="elman", scores=shifted(-0.02))
    table = table_of(tmp_path)
    # The intervals of all three overlap; seed by seed elman is always behind.
    assert marked(table) == {"gru", "lstm"}
    assert table.lines[0].best == "gru"
    assert [csv_of(table)[name]["best"] for name in ("gru", "lstm", "elman")] == ["yes", "tied", ""]
    text = render(table)
    assert "*82.0" in text and "*82.0" in text and "*80.0" not in text
    assert "paired t test over common seeds, Holm" in " ".join(text.split())


def test_the_correction_is_over_the_line(tmp_path):
    # Alone against the best this one differs (p = 0.03); among four comparisons it does not (p = 0.12).
    behind = [score - gap for score, gap in zip(BEST, (0.002, 0.006, 0.001, 0.004, 0.0035), strict=True)]
    assert 0.0125 < stats.ttest_rel(BEST, behind).pvalue < 0.05
    write_run(tmp_path, arch="gru", scores=BEST)
    write_run(tmp_path, arch="lstm", scores=behind)
    assert marked(table_of(tmp_path)) == {"gru"}
    for number, name in enumerate(("mgu", "atr", "lru")):
        write_run(tmp_path, arch=name, scores=shifted(-0.0005 - number * 1e-4))
    assert marked(table_of(tmp_path)) == {"gru", "lstm", "mgu", "atr", "lru"}


def test_one_seed_is_never_best(tmp_path):
    write_run(tmp_path, arch="gru", scores=[0.9])
    write_run(tmp_path, arch="lstm", scores=[0.8])
    table = table_of(tmp_path)
    assert marked(table) == set() and table.lines[0].best is None
    assert "best mean" not in render(table)
    write_run(tmp_path, arch="mgu", scores=[0.7, 0.71])
    write_run(tmp_path, arch="atr", scores=[0.5, 0.505])
    assert "gru" not in marked(table_of(tmp_path))  # though its single score is the highest


def test_missing_seeds_are_said_and_comparisons_take_common_ones(tmp_path):
    write_run(tmp_path, arch="gru", scores=BEST)
    write_run(tmp_path, arch="lstm", scores=shifted(-0.02)[:3])
    table = table_of(tmp_path, reference="gru")
    text = " ".join(render(table).split())
    assert "lstm on sst2: no seeds 3, 4, which others have; comparisons use common seeds only" in text
    found = cell(table, "lstm").versus
    assert found.n == 3
    assert found.p == pytest.approx(stats.ttest_rel(shifted(-0.02)[:3], BEST[:3]).pvalue)
    assert csv_of(table)["lstm"]["common_seeds"] == "3"


def test_no_common_seeds_is_no_comparison(tmp_path):
    write_run(tmp_path, arch="gru", scores=BEST)
    record = make_record(arch="lstm", scores=shifted(-0.001))
    for entry in record["seeds"]:
        entry["seed"] += 100
    record["config"]["first_seed"] = 100
    write_run(tmp_path, record)
    table = table_of(tmp_path, reference="gru")
    assert marked(table) == set()
    assert "sst2: no row has every seed that others have, so none is marked" in " ".join(render(table).split())
    assert "no arch has every seed that others have, so none is named" in " ".join(answers(table))
    assert cell(table, "lstm").versus.n == 0
    for format in FORMATS:
        assert render(table, format)


def test_nobody_is_best_where_a_row_with_fewer_seeds_is_better_over_common_ones(tmp_path):
    write_run(tmp_path, arch="gru", scores=[0.70, 0.701, 0.702, 0.90, 0.91])  # best mean, by seeds that lstm lacks
    write_run(tmp_path, arch="lstm", scores=[0.75, 0.751, 0.7521])
    write_run(tmp_path, arch="elman", scores=[0.60, 0.61, 0.60, 0.61, 0.62])
    table = table_of(tmp_path)
    assert marked(table) == set() and table.lines[0].best is None
    assert "lstm on sst2: better than gru over common seeds, so none is marked" in " ".join(render(table).split())
    (sentence,) = answers(table)
    assert "over common seeds it is behind lstm (a difference of -5.0" in sentence and "none is named" in sentence


def test_a_row_that_lacks_seeds_is_never_bold(tmp_path):
    write_run(tmp_path, arch="gru", scores=BEST)
    write_run(tmp_path, arch="lstm", scores=shifted(0.0005)[:3])
    write_run(tmp_path, arch="elman", scores=shifted(-0.0005))
    table = table_of(tmp_path)
    assert marked(table) == {"gru", "elman"}
    (sentence,) = answers(table)
    assert "gru has the best test accuracy of those with all 5 seeds" in sentence
    assert "do not tell it from" in sentence and "lstm" in sentence


def test_few_seeds_of_one_row_do_not_choose_for_the_others(tmp_path):
    write_run(tmp_path, arch="gru", scores=BEST)
    write_run(tmp_path, arch="lstm", scores=[0.83, 0.85, 0.74, 0.71, 0.73])  # ahead on the first two alone
    write_run(tmp_path, arch="elman", scores=[0.5, 0.51])
    assert table_of(tmp_path).lines[0].best == "gru"


def test_differences_to_a_reference(tmp_path):
    lstm, elman = shifted(-0.0005), shifted(-0.02)
    for arch, scores in {"gru": BEST, "lstm": lstm, "elman": elman}.items():
        write_run(tmp_path, arch=arch, scores=scores)
        write_run(tmp_path, arch=arch, data="ett", scores=[1 - score for score in scores])
    table = table_of(tmp_path, reference="gru")
    found = cell(table, "elman").versus
    truth = stats.ttest_rel(elman, BEST)
    interval = truth.confidence_interval(0.95)
    assert found.difference == pytest.approx(-0.02)
    assert found.half_width == pytest.approx((interval.high - interval.low) / 2)
    assert found.p == pytest.approx(truth.pvalue)
    smaller, larger = sorted([found.p, cell(table, "lstm").versus.p])
    assert found.p_holm == pytest.approx(min(2 * smaller, 1) if found.p == smaller else max(2 * smaller, larger))
    wins = [(a > b) + 0.5 * (a == b) for a in elman for b in BEST]
    assert found.probability == pytest.approx(sum(wins) / 25)
    # On the other line lower is better: the same order, so the same chance to be better, and the other sign.
    assert cell(table, "elman", "ett").versus.probability == pytest.approx(found.probability)
    assert cell(table, "elman", "ett").versus.difference == pytest.approx(0.02)
    assert cell(table, "gru").versus is None
    text = render(table)
    assert "-2.0 ± 0.2" in text and "+0.020 ± 0.002" in text and "− gru" in text
    assert float(csv_of(table_of(tmp_path, reference="gru"))["elman"]["p"]) == pytest.approx(found.p)
    for format in FORMATS:
        assert "Hedges" in render(table, format) or format == "csv"


def test_differences_without_spread_name_their_own_test(tmp_path):
    write_run(tmp_path, arch="gru", scores=[0.80, 0.82, 0.84])
    write_run(tmp_path, arch="lstm", scores=[0.79, 0.81, 0.83])
    table = table_of(tmp_path, reference="gru")
    assert cell(table, "lstm").versus.p == 0.25
    assert "of the exact sign-flip test where all differences are equal" in " ".join(render(table).split())


def test_a_baseline_may_be_the_reference(tmp_path):
    write_run(tmp_path, arch="gru", data="ett", scores=[0.4, 0.41, 0.39])
    found = cell(table_of(tmp_path, reference="seasonal_naive"), "gru", "ett").versus
    assert found.p == pytest.approx(stats.ttest_1samp([0.4, 0.41, 0.39], 0.52).pvalue)
    assert found.probability is None
    with pytest.raises(UsageError, match="did you mean seasonal_naive"):
        table_of(tmp_path, reference="seasonal_nave")


def test_all_data_sets_in_one_number(tmp_path):
    scores = {"gru": BEST, "lstm": shifted(-0.01), "elman": shifted(-0.04)}
    for arch, values in scores.items():
        write_run(tmp_path, arch=arch, scores=values)
        write_run(tmp_path, arch=arch, data="ett", scores=[1 - value for value in values])
    write_run(tmp_path, arch="mgu", scores=BEST)
    table = table_of(tmp_path, aggregate="elman:gru", reference="gru")
    assert list(table.aggregates) == ["elman", "gru", "lstm"]
    # Both data sets hold the same scores, mirrored: normalised they are the same.
    span = (sum(BEST) - sum(scores["elman"])) / 5
    normalised = [(value - sum(scores["elman"]) / 5) / span for value in scores["lstm"]]
    assert table.aggregates["lstm"].iqm[0] == pytest.approx(stats.trim_mean(normalised * 2, 0.25))
    assert table.aggregates["gru"].mean[0] == pytest.approx(1.0)
    assert table.aggregates["elman"].mean[0] == pytest.approx(0.0)
    assert table.aggregates["gru"].probability is None
    text = " ".join(render(table).split())
    assert "0 is elman and 1 is gru" in text
    assert "mgu is not in the table over all data sets: it has no score on ett" in text
    for format in FORMATS:
        assert "IQM" in render(table, format) or format == "csv"


def test_the_performance_profile_is_the_share_of_runs_above_each_score(tmp_path):
    from matplotlib.figure import Figure

    scores = {"elman": shifted(-0.04), "gru": BEST}
    for arch, values in scores.items():
        write_run(tmp_path, arch=arch, scores=values)
        write_run(tmp_path, arch=arch, data="ett", scores=[1 - value for value in values])
    write_run(tmp_path, arch="mgu", scores=BEST)
    runs = find_runs([tmp_path])
    figure = make_figure("profile", runs, aggregate="elman:gru")
    (panel,) = figure.panels
    assert panel.names == ("elman", "gru") and figure.left_out[0].startswith("mgu is not in the table")
    axes = Figure().add_subplot()
    panel.draw(axes, styles_of(panel.names))
    low = sum(scores["elman"]) / 5
    span = sum(BEST) / 5 - low
    for line, values in zip(axes.get_lines(), scores.values(), strict=True):
        for above, share in zip(line.get_xdata(), line.get_ydata(), strict=True):
            assert share == pytest.approx(sum((value - low) / span > above for value in values) / 5)
    with pytest.raises(UsageError, match="like --aggregate elman:gru"):
        make_figure("profile", runs)
    with pytest.raises(UsageError, match="--kind final takes no --aggregate"):
        make_figure("final", runs, aggregate="elman:gru")


@pytest.mark.parametrize(
    ("bounds", "words"),
    [
        ("gru:elman", r"on sst2, elman \(78\.0\) is not better than gru \(82\.0\)"),
        ("elman:nobody", "nobody is no row of the table and no number"),
        ("elman", "must be ZERO:ONE"),
        (":gru", "must be ZERO:ONE"),
        ("elman:mgu", "the mean of mgu on sst2 is not finite"),
    ],
)
def test_wrong_bounds_are_answered(tmp_path, bounds, words):
    write_run(tmp_path, arch="gru", scores=BEST)
    write_run(tmp_path, arch="elman", scores=[score - 0.04 for score in BEST])
    write_run(tmp_path, arch="mgu", scores=[0.8, float("inf")])
    with pytest.raises(UsageError, match=words):
        table_of(tmp_path, aggregate=bounds)


def test_what_has_no_place_on_the_scale_is_left_out(tmp_path):
    write_run(tmp_path, arch="gru", scores=BEST)
    write_run(tmp_path, arch="elman", scores=[0.6])
    write_run(tmp_path, arch="mgu", scores=[0.8, float("inf")])
    table = table_of(tmp_path, aggregate="50:100", reference="gru")
    assert list(table.aggregates) == ["elman", "gru"]
    text = " ".join(render(table).split())
    assert "mgu is not in the table over all data sets: a score on sst2 is not finite" in text
    # One seed has no interval, not one of width zero.
    line = next(line for line in render(table).splitlines() if "elman" in line and "0.20" in line)
    assert line.split() == ["elman", "1", "0.20", "0.20", "0.00", "0.00", "0.00"]
    with pytest.raises(UsageError, match="leave out one of the two"):
        table_of(tmp_path, aggregate="50:100", select="max_over_seeds")


def test_bounds_may_be_numbers(tmp_path):
    write_run(tmp_path, arch="gru", scores=BEST)
    assert table_of(tmp_path, aggregate="50:100").aggregates["gru"].mean[0] == pytest.approx(0.64)


def test_bootstrap_intervals_are_named_and_drawn(tmp_path):
    write_run(tmp_path, arch="gru", scores=BEST)
    table = table_of(tmp_path, interval="bca")
    low, high = cell(table, "gru").summary.interval
    text = " ".join(render(table).split())
    assert f"82.0 [{100 * low:.1f}, {100 * high:.1f}]" in text
    assert "BCa bootstrap, 9,999 resamples, n = 5 seeds, too narrow with fewer than 10 seeds" in text
    row = csv_of(table)["gru"]
    assert (float(row["interval_low"]), float(row["interval_high"]), row["half_width"]) == (low, high, "")


def test_matched_rows_say_how(tmp_path):
    for arch, width, reached in (("gru", 64, 99_000), ("lstm", 55, 101_400)):
        config = make_config(arch=arch, data="sst2", model__features=width)
        matching = {"by": "parameters", "target": 100_000, "reached": reached, "rule": "all weights"}
        write_run(tmp_path, make_record(arch=arch, config=config) | {"matching": matching})
    table = table_of(tmp_path)
    assert "Matched by parameters to 100K (all weights), reached 99K–101K." in table.caption
    assert [extra.texts for extra in table.extras if extra.name == "model.features"] == [("64", "55")]
    write_run(tmp_path, arch="elman")
    assert "not matched: elman" in table_of(tmp_path).caption


def test_rows_of_different_sizes_are_told_apart(tmp_path):
    for arch, target in (("gru", 100_000), ("lstm", 200_000)):
        matching = {"by": "parameters", "target": target, "reached": target, "rule": "all"}
        write_run(tmp_path, make_record(arch=arch) | {"matching": matching})
    caption = table_of(tmp_path).caption
    assert "Matched gru by parameters to 100K (all), reached 100K; lstm by parameters to 200K" in caption
    for arch in ("gru", "lstm"):
        matching = {"by": "parameters", "target": 300_000, "reached": 300_000, "rule": "all", "meaning": "every weight"}
        write_run(tmp_path, make_record(arch=arch, data="ett") | {"matching": matching})
        write_run(tmp_path, make_record(arch=arch, data="multi30k") | {"matching": matching | {"target": 400_000}})
    caption = table_of(tmp_path).caption  # what a rule counts is said once
    assert "; all by parameters to 300K (all: every weight), reached 300K; all by parameters to 400K (all), " in caption
    write_run(tmp_path, arch="elman")
    assert "; gru, lstm by parameters to 300K" in table_of(tmp_path).caption


def test_a_match_says_its_unit_and_what_its_rule_counts(tmp_path):
    for arch, reached in (("gru", 49.24), ("lstm", 51.0)):
        matching = {"by": "step_time", "target": 50.0, "reached": reached, "rule": "measured", "unit": "ms"}
        write_run(tmp_path, make_record(arch=arch) | {"matching": matching | {"meaning": "a step of all seeds"}})
    caption = table_of(tmp_path).caption
    assert "Matched by step time to 50 ms (measured: a step of all seeds), reached 49.2–51 ms." in caption


def test_other_columns(tmp_path):
    write_run(tmp_path, arch="gru")
    write_run(tmp_path, arch="gru", data="ett")
    shown = ("flops", "training_flops", "state", "examples_per_second", "compile_seconds", "model.features")
    table = table_of(tmp_path, show=shown)
    found = {extra.name: extra.texts[0] for extra in table.extras}
    assert list(found.values()) == ["1.2M", "3.6M", "96", "12.3K", "10", "128"]
    assert "two per multiply-add" in table.caption and "Parameters" not in table.caption
    assert table_of(tmp_path, show=()).extras == ()
    with pytest.raises(UsageError, match="did you mean parameters"):
        table_of(tmp_path, show=("paramters",))


def test_costs_that_are_no_numbers_are_left_out(tmp_path):
    record = make_record() | {"examples_per_second": "NaN", "seconds": {"train": "Infinity", "evaluate": 2.0}}
    record |= {"matching": {"by": "flops", "target": "Infinity", "reached": 1.0, "rule": "none"}}
    record["flops"]["forward_per_example"] = None
    write_run(tmp_path, record)
    table = table_of(tmp_path, show=("seconds", "flops", "examples_per_second"))
    assert {extra.name: extra.texts for extra in table.extras} == {"seconds": ("2.0",)}
    for format in FORMATS:
        assert render(table, format)
