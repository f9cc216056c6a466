"""Comparisons over common seeds: published examples, scipy, plain definitions, coverage, and degenerate input."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtr
from scipy.stats import mannwhitneyu

from grux.results.paired import (
    compare,
    differs,
    hedges,
    holm,
    holm_corrected,
    improvement,
    newcombe,
    sign_flip,
)

# Hours of sleep gained by two soporifics on ten patients: Student 1908, section IX.
FIRST = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
SECOND = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
# Darwin's maize, differences of height in eighths of an inch: Fisher 1935, The Design of Experiments, sections 16, 21.
MAIZE = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]


def seeds(scores, first=0):
    return dict(enumerate(scores, start=first))


def test_students_sleep_data():
    found = compare(seeds(SECOND), seeds(FIRST), higher_is_better=True)
    # R's t.test(paired = TRUE): t = 4.0621, df = 9, p-value = 0.002833, mean 1.58, interval 0.7001142 to 2.4598858.
    assert (found.n, found.difference) == (10, pytest.approx(1.58))
    assert found.p == pytest.approx(0.002833, abs=5e-7)
    assert found.half_width == pytest.approx((2.4598858 - 0.7001142) / 2, abs=1e-7)
    # d is t / sqrt(n).
    assert found.effect == pytest.approx(4.0621 / math.sqrt(10) * hedges(9), abs=1e-4)


def test_darwins_maize():
    # Fisher: t = 2.148; of all 32,768 ways to set the signs 1,726 give a sum of 314 or more either way.
    assert sign_flip(MAIZE) == 1726 / 32768
    found = compare(seeds(MAIZE), seeds([0] * 15), higher_is_better=True)
    assert found.p == pytest.approx(0.0497, abs=5e-5)
    assert found.p_sign_flip == 1726 / 32768


@settings(deadline=None)
@given(st.lists(st.integers(-9, 9), min_size=1, max_size=7))
def test_sign_flips_are_all_counted(differences):
    sums = [sum(s * d for s, d in zip(signs, differences, strict=True))
            for signs in itertools.product((1, -1), repeat=len(differences))]  # fmt: skip
    plain = np.mean([abs(value) >= abs(sum(differences)) for value in sums])
    assert sign_flip(differences) == pytest.approx(plain)


def test_hedges_factor():
    # The approximation that Hedges gives beside the exact one is 1 - 3 / (4 m - 1).
    for degrees in range(2, 50):
        assert hedges(degrees) == pytest.approx(1 - 3 / (4 * degrees - 1), abs=0.008)
    assert hedges(1) == 0.0


def test_holm_on_benjamini_and_hochbergs_data():
    # Benjamini and Hochberg 1995, section 4.1: of 15 comparisons, familywise error rate 5 %, three are left.
    p = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528]
    p += [0.7590, 1.0000]
    assert [value <= 0.05 for value in holm(p)] == [True] * 3 + [False] * 12
    # R: p.adjust(c(0.01, 0.02, 0.03, 0.04, 0.05), "holm")
    assert holm([0.01, 0.02, 0.03, 0.04, 0.05]) == pytest.approx([0.05, 0.08, 0.09, 0.09, 0.09])


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=6), st.floats(0.001, 0.5))
def test_holm_rejects_what_the_sequential_procedure_rejects(p_values, level):
    # Holm 1979, section 2: from the smallest p on, as long as p <= level / (number left).
    rejected, left = set(), sorted(range(len(p_values)), key=lambda i: p_values[i])
    while left and p_values[left[0]] * len(left) <= level:
        rejected.add(left.pop(0))
    assert {i for i, p in enumerate(holm(p_values)) if p <= level} == rejected


@settings(deadline=None)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=6), st.lists(st.integers(0, 6), min_size=1, max_size=6))
def test_improvement_is_mann_whitneys_u(ours, theirs):
    u = mannwhitneyu(ours, theirs).statistic
    assert improvement(ours, theirs) == pytest.approx(u / (len(ours) * len(theirs)))
    assert improvement(ours, theirs, higher_is_better=False) == pytest.approx(1 - improvement(ours, theirs))


def test_newcombes_interval_solves_its_equation():
    for estimate, n, m in ((0.7, 5, 5), (0.5, 3, 8), (0.95, 20, 10)):
        extra = (n + m) / 2 - 1
        for theta in newcombe(estimate, n, m):
            bracket = 1 + extra * (1 - theta) / (2 - theta) + extra * theta / (1 + theta)
            assert abs(theta - estimate) == pytest.approx(1.959964 * math.sqrt(theta * (1 - theta) * bracket / (n * m)))
    low, high = newcombe(1.0, 3, 3)  # three seeds that all beat three others
    assert 0.4 < low < 0.6 and high == 1.0


@pytest.mark.parametrize("n", [3, 5, 10])
def test_intervals_of_differences_cover_what_they_say(n):
    rng = np.random.default_rng(n)
    shared = rng.normal(0, 0.05, size=(3000, n))  # what pairing takes out
    ours, theirs = (shared + rng.normal(mean, 0.02, size=(3000, n)) for mean in (0.81, 0.80))
    found = [
        compare(seeds(x), seeds(y), higher_is_better=None) for x, y in zip(ours.tolist(), theirs.tolist(), strict=True)
    ]
    assert 0.93 < np.mean([abs((c.difference or 0) - 0.01) <= (c.half_width or 0) for c in found]) < 0.97


@pytest.mark.parametrize(("n", "shift"), [(5, 0.0), (5, 1.0), (10, 0.5), (10, 2.0)])
def test_intervals_of_p_better_cover_what_they_say(n, shift):
    rng = np.random.default_rng(n)
    ours, theirs = rng.normal(shift, 1, size=(2000, n, 1)), rng.normal(0, 1, size=(2000, 1, n))
    values, counts = np.unique((ours > theirs).mean(axis=(1, 2)), return_counts=True)
    inside = [low <= ndtr(shift / math.sqrt(2)) <= high for low, high in (newcombe(v, n, n) for v in values)]
    assert 0.93 < np.average(inside, weights=counts) < 0.98


def test_holm_keeps_the_error_of_a_line_below_five_percent():
    rng = np.random.default_rng(0)
    wrong = 0
    for scores in rng.normal(0, 1, size=(1000, 4, 5)).tolist():
        found = holm_corrected(
            {str(i): compare(seeds(row), seeds(scores[0]), higher_is_better=None) for i, row in enumerate(scores[1:])}
        )
        wrong += any(differs(c) for c in found.values())
    assert wrong < 65  # 50 are expected at most, and 6.9 is their standard deviation


def test_only_common_seeds_count():
    found = compare({0: 1.0, 1: 2.0, 2: 9.0}, {1: 1.0, 2: 1.5, 3: 100.0}, higher_is_better=True)
    assert (found.n, found.difference) == (2, pytest.approx(4.25))
    assert found.probability == 1.0


def test_degenerate_input_is_answered():
    apart = compare(seeds([1, 2]), seeds([1, 2], first=7), higher_is_better=True)
    assert (apart.n, apart.difference, apart.p, differs(apart)) == (0, None, None, None)
    one = compare({0: 2.0}, {0: 1.5}, higher_is_better=True)
    assert (one.n, one.difference, one.half_width, one.p) == (1, 0.5, None, None)
    endless = compare(seeds([1, math.inf, 2]), seeds([1, 2, 3]), higher_is_better=True)
    assert (endless.difference, endless.p) == (None, None)
    same = compare(seeds([0.5, 0.5]), seeds([0.5, 0.5]), higher_is_better=True)
    assert (same.difference, same.p, same.probability, same.effect) == (0.0, 1.0, 0.5, None)
    # Equal differences have no t; the sign-flip test stands in, and rounding is no spread.
    steady = compare(seeds([0.81, 0.71, 0.61]), seeds([0.80, 0.70, 0.60]), higher_is_better=True)
    assert (steady.p, steady.half_width, steady.effect) == (0.25, 0.0, None)
    assert compare(seeds([1, 2.0]), seeds([0, 2.5]), higher_is_better=True).effect is None


def test_those_without_a_test_are_no_part_of_the_family():
    made = holm_corrected(
        {
            "a": compare(seeds(SECOND), seeds(FIRST), higher_is_better=True),
            "b": compare({0: 1.0}, {0: 2.0}, higher_is_better=True),
        }
    )
    assert made["a"].p_holm == made["a"].p
    assert made["b"].p_holm is None
