"""The search for a width: always right where the cost grows, with few counts, and silent about nothing."""

import math
from collections.abc import Callable

import pytest

from grux.counting.search import WIDEST, Found, find_width
from grux.errors import UsageError


class Cost:
    """Counts how often it is asked, and refuses what is no multiple of `of`."""

    def __init__(self, function: Callable[[int], float], of: int = 1):
        self.function, self.of, self.asked = function, of, []

    def __call__(self, width: int) -> float:
        if width % self.of:
            raise UsageError(f"features={width} must be a multiple of {self.of}.")
        self.asked.append(width)
        return self.function(width)


COSTS = {
    "linear": lambda h: 7.0 * h,
    "lstm": lambda h: 4.0 * h * (h + 100) + 8 * h,
    "beside an embedding": lambda h: 2e6 + 3.0 * h * h + 130 * h,
    "cubic": lambda h: 0.5 * h**3 + h,
    "root": lambda h: math.sqrt(h),
    "steps": lambda h: 1000.0 * (h // 17) + h,
    "sudden": lambda h: h if h < 5000 else 1e9 * h,
}


@pytest.mark.parametrize("of", [1, 2, 12])
@pytest.mark.parametrize("name", COSTS)
def test_it_finds_what_trying_every_width_finds(name: str, of: int):
    widths = range(of, 6100, of)
    for target in (1, 2, 37, 128, 1000, 2999, 5999):
        for budget in (COSTS[name](target), COSTS[name](target) + 0.4):
            cost = Cost(COSTS[name], of)
            found = find_width(cost, budget, start=128)
            below = max((w for w in widths if COSTS[name](w) <= budget), default=None)
            above = min((w for w in widths if COSTS[name](w) > budget), default=None)
            assert found == Found(*((w, COSTS[name](w)) if w else None for w in (below, above)))
            assert len(cost.asked) == len(set(cost.asked)) <= 40


@pytest.mark.parametrize("name", ["linear", "lstm", "beside an embedding"])
def test_a_polynomial_of_a_network_needs_few_counts(name: str):
    """A count may take a second."""
    for target in (3, 57, 300, 1111):
        cost = Cost(COSTS[name])
        find_width(cost, COSTS[name](target) + 1, start=128)
        assert len(cost.asked) <= 8, cost.asked


def test_the_nearest_of_two_and_the_narrower_of_equals():
    found = find_width(Cost(lambda h: 10.0 * h), 24, start=8)
    assert found.sides == [(2, 20.0), (3, 30.0)] and found.nearest(24) == (2, 20.0)
    assert found.nearest(26) == (3, 30.0) and found.nearest(25) == (2, 20.0)


def test_budgets_outside_what_is_possible():
    assert find_width(Cost(lambda h: 100.0 + h), 5, start=8) == Found(None, (1, 101.0))
    low = find_width(Cost(float), 1e9, start=8).below
    assert low is not None and WIDEST / 4 < low[0] <= WIDEST and find_width(Cost(float), 1e9, start=8).above is None


def test_the_only_width_there_is():
    """An output matrix that is an embedding gives a network one width."""

    def tied(width: int) -> float:
        if width != 256:
            raise UsageError("features must be 256.")
        return 5.0

    assert find_width(tied, 7, start=256) == Found((256, 5.0), None)
    assert find_width(tied, 3, start=256) == Found(None, (256, 5.0))
    with pytest.raises(UsageError, match="must be 256"):
        find_width(tied, 7, start=128)
