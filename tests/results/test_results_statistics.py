"""Student's interval, against scipy and against the data of Student's own paper."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grux.results.statistics import student_t, summarise

# Hours of sleep gained by one soporific over another: Student 1908, "The probable error of a mean", section IX.
SLEEP = [1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4]


def test_students_own_example():
    found = summarise(SLEEP)
    # R's t.test(extra ~ group, data = sleep, paired = TRUE) prints the interval 0.7001142 to 2.4598858 around 1.58.
    assert found.n == 10
    assert found.mean == pytest.approx(1.58, abs=1e-12)
    assert found.half_width is not None
    assert found.mean - found.half_width == pytest.approx(0.7001142, abs=5e-8)
    assert found.mean + found.half_width == pytest.approx(2.4598858, abs=5e-8)


@given(st.lists(st.integers(-1000, 1000), min_size=2, max_size=12, unique=True))
def test_agrees_with_scipy(scores):
    from scipy import stats

    found = summarise(scores)
    n = len(scores)
    error = stats.tstd(scores) / math.sqrt(n)
    assert found.std == pytest.approx(stats.tstd(scores), rel=1e-9, abs=1e-9)
    assert found.half_width == pytest.approx(stats.t.ppf(0.975, n - 1) * error, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(("degrees", "quantile"), [(1, 12.706), (2, 4.303), (4, 2.776), (9, 2.262), (29, 2.045)])
def test_printed_tables_of_t(degrees, quantile):
    assert student_t(0.975, degrees) == pytest.approx(quantile, abs=5e-4)


def test_one_seed_has_no_interval():
    found = summarise([0.8])
    assert (found.n, found.mean, found.std, found.half_width) == (1, 0.8, None, None)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_non_finite_scores_show(bad):
    found = summarise([0.8, bad])
    assert not math.isfinite(found.mean)
    assert found.half_width is None
