"""Numbers as a reader sees them: none that is not zero prints as zero."""

import pytest
from fake_runs import write_run

from grux.results.compare import compare_runs, show_difference
from grux.results.record import find_runs
from grux.results.render import render
from grux.results.table import make_table
from grux.results.units import Unit, decimals_for, direction, with_unit


def unit_of(metric, means, widths=()):
    return Unit(metric, "test", None, decimals_for(metric, means, widths))


@pytest.mark.parametrize(
    ("metric", "means", "widths", "printed"),
    [
        ("mse", [0.4512, 1.29], [], ["0.451", "1.290"]),
        ("mse", [0.00213, 0.52], [], ["0.0021", "0.5200"]),
        ("mse", [1.1e-5, 0.0021, 0.0], [], ["1.10e-05", "2.10e-03", "0"]),
        ("mse", [0.45], [0.0001], ["0.4500"]),
        ("nll", [8.542, 11.06], [], ["8.54", "11.06"]),
        ("accuracy", [0.8123, 0.9], [0.02], ["81.2", "90.0"]),
        ("accuracy", [0.0002], [], ["0.02"]),
        ("accuracy", [0.0, 0.5], [0.0], ["0.0", "50.0"]),
    ],
)
def test_scores(metric, means, widths, printed):
    unit = unit_of(metric, means, widths)
    assert [unit.number(mean) for mean in means] == printed


def test_one_score_has_its_unit():
    shown = [with_unit(*pair) for pair in (("accuracy", 0.8123), ("wer", 1.5), ("mse", 0.0451), ("perplexity", 86.14))]
    assert shown == ["81.2 %", "150.0 %", "0.0451", "86.1"]


def test_likelihoods_are_better_lower():
    for metric, name in (("nll", "NLL ↓"), ("nll_after_first", "NLL after the first step ↓")):
        assert Unit(metric, "test", direction(metric, [])).label == name


@pytest.mark.parametrize(
    ("decimals", "difference", "half_width", "printed"),
    [
        (1, 0.02, 0.003, ("+2.0", " ± 0.3")),
        (1, 0.05, 0.0001, ("+5.00", " ± 0.01")),
        (1, -0.0001, 0.01, ("0.0", " ± 1.0")),
        (1, 0.0001, 0.01, ("0.0", " ± 1.0")),
        (1, -0.016, 0.0, ("-1.6", " ± 0.0")),
        (1, 0.0, 0.0, ("0.0", " ± 0.0")),
        (1, 1e-17, 0.0, ("0.0000", " ± 0.0000")),
        (1, -0.0003, None, ("-0.03", "")),
        (1, 2e-6, 1e-7, ("+2.00e-04", " ± 1.00e-05")),
    ],
)
def test_differences(decimals, difference, half_width, printed):
    assert Unit("accuracy", "test", True, decimals).difference(difference, half_width) == printed


def test_small_errors_are_told_apart_in_a_table(tmp_path):
    for arch, scores in {"gru": [1e-5, 1.2e-5, 1.1e-5], "lstm": [3e-5, 3.3e-5, 3.2e-5]}.items():
        write_run(tmp_path, arch=arch, data="ett", scores=scores)
    text = render(make_table(find_runs([tmp_path]), reference="gru"))
    assert "1.10e-05 ± 2.48e-06" in text and "3.17e-05" in text and "+2.07e-05" in text
    assert " 0.000" not in text


def test_two_runs_whose_scores_hardly_differ(tmp_path):
    write_run(tmp_path, arch="gru", scores=[0.8, 0.82, 0.81])
    write_run(tmp_path, arch="lstm", scores=[0.82, 0.8, 0.8099])
    text = show_difference(compare_runs(*find_runs([tmp_path])))
    assert "0.0 ± 5.0" in text and "-0.0 ±" not in text and "+0.0 ±" not in text
