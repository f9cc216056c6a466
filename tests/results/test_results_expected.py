"""Expected best of n trials: against every subset by hand, and where curves cross."""

import itertools
import math
import statistics

import numpy as np
import pytest

from grux.results.expected import Crossing, Curve, best_of, best_so_far, crossings, expected_best

SCORES = {
    "plain": [0.3, 0.9, 0.1, 0.5, 0.7],
    "ties": [2.0, 1.0, 2.0, 2.0, 0.0, 1.0],
    "one": [0.4],
    "negative": [-3.0, 5.5, -1.25, 0.0],
    "equal": [1.5] * 4,
}


@pytest.mark.parametrize("higher", [True, False])
@pytest.mark.parametrize("name", SCORES)
def test_it_is_the_mean_over_every_subset(name: str, higher: bool):
    scores, best = SCORES[name], max if higher else min
    curve = expected_best(scores, higher_is_better=higher)
    for n in range(1, len(scores) + 1):
        found = sorted(best(subset) for subset in itertools.combinations(scores, n))
        assert curve.expected[n - 1] == pytest.approx(statistics.fmean(found))
        assert curve.deviation[n - 1] == pytest.approx(statistics.pstdev(found), abs=1e-7)
        # The band: the smallest value that 5 % (95 %) of the subsets do not pass, from the worse side.
        in_order = found if higher else found[::-1]
        places = [in_order[math.ceil(share * len(found) - 1e-9) - 1] for share in (0.05, 0.95)]
        assert [curve.low[n - 1], curve.high[n - 1]] == sorted(places)


@pytest.mark.parametrize("count", [1, 2, 7, 30, 400])
def test_chances_are_those_of_combinatorics(count: int):
    for n in {1, 2, count // 2, count - 1, count} & set(range(1, count + 1)):
        exact = [math.comb(i - 1, n - 1) / math.comb(count, n) for i in range(1, count + 1)]
        np.testing.assert_allclose(best_of(n, count), exact, rtol=1e-12, atol=1e-300)
        assert best_of(n, count).sum() == pytest.approx(1.0)


def test_ends_are_the_mean_and_the_best():
    curve = expected_best([3.0, 1.0, 2.0], higher_is_better=False)
    assert curve.expected[0] == pytest.approx(2.0) and curve.expected[-1] == 1.0
    assert curve.low[-1] == curve.high[-1] == 1.0 and curve.deviation[-1] == 0.0


def test_it_is_unbiased_where_the_form_with_replacement_is_not():
    """The best of 4 of 5 draws, against 4 fresh ones: the mean of a maximum of 4 uniform numbers is 4/5."""
    generator = np.random.default_rng(1)
    draws = generator.random((4000, 5))
    without = np.mean([expected_best(row, higher_is_better=True).expected[3] for row in draws])
    ordered = np.sort(draws, axis=1)
    with_replacement = np.mean(ordered @ (np.diff((np.arange(6) / 5) ** 4)))
    assert without == pytest.approx(0.8, abs=0.005) and with_replacement < 0.77


def test_in_the_order_tried():
    assert best_so_far([1.0, 3.0, 2.0], higher_is_better=True).expected == (1.0, 3.0, 3.0)
    found = best_so_far([2.0, 3.0, 1.0], higher_is_better=False)
    assert found.expected == found.low == found.high == (2.0, 2.0, 1.0) and found.deviation == (0.0,) * 3


def curve(*expected: float) -> Curve:
    return Curve(expected, expected, expected, expected)


def test_where_one_passes_another():
    curves = {"a": curve(1, 2, 3, 4), "b": curve(2, 2, 2, 2), "c": curve(0, 3, 2.5, 5, 6)}
    assert crossings(curves, higher_is_better=True) == [
        Crossing("c", "a", 2),
        Crossing("c", "b", 2),
        Crossing("a", "b", 3),
        Crossing("a", "c", 3),
        Crossing("c", "a", 4),
    ]
    assert crossings({"a": curve(3, 1), "b": curve(2, 2)}, higher_is_better=False) == [Crossing("a", "b", 2)]
    # To draw level is not to pass.
    assert not crossings({"a": curve(1, 2, 2), "b": curve(2, 2, 3)}, higher_is_better=True)
