"""Distributions written as text: what they draw, how they read back, and what is refused."""

import numpy as np
import pytest

from grux.errors import UsageError
from grux.results.space import Distribution, as_word, parse, parse_space, rounded

TEXTS = [
    "log(0.0001, 0.1)",
    "uniform(-1, 2.5)",
    "int(1, 4)",
    "logint(16, 512)",
    "choice(0, 0.2, null)",
    "choice(adam, sgd, true)",
]


@pytest.mark.parametrize("text", TEXTS)
def test_it_reads_back(text: str):
    one = parse(text, "search.x")
    assert str(one) == text and parse(str(one), "search.x") == one


def test_numbers_as_people_write_them():
    assert parse("log(1e-4,1e-1)", "x") == parse(" log( 0.0001 ,0.1 ) ", "x")
    assert parse("choice(1e-3,1,true,null,relu)", "x").arguments == (0.001, 1, True, None, "relu")


@pytest.mark.parametrize("text", TEXTS)
def test_draws_stay_inside_and_reach_both_ends(text: str):
    one = parse(text, "x")
    drawn = [one.at(quantile) for quantile in np.linspace(0, 1, 2001)[:-1]]
    if one.kind == "choice":
        assert set(drawn) == set(one.arguments)
        return
    low, high = one.bounds
    numbers = [float(value) for value in drawn if value is not None and not isinstance(value, str)]
    assert len(numbers) == 2000 and min(numbers) == low and numbers == sorted(numbers)
    assert max(numbers) == high if one.kind in ("int", "logint") else high > max(numbers) > low + 0.99 * (high - low)
    assert all(isinstance(value, int) for value in drawn) == (one.kind in ("int", "logint"))


def test_each_is_as_likely_as_it_says():
    quantiles = (np.arange(20000) + 0.5) / 20000
    whole = [parse("int(1,4)", "x").at(q) for q in quantiles]
    assert [whole.count(value) for value in (1, 2, 3, 4)] == [5000] * 4
    logs = np.log10([float(parse("log(1e-4,1e-1)", "x").at(q)) for q in quantiles])  # type: ignore[arg-type]
    assert np.histogram(logs, bins=3, range=(-4, -1))[0] == pytest.approx([6667] * 3, abs=20)
    doubled = [int(parse("logint(1,7)", "x").at(q)) for q in quantiles]  # type: ignore[arg-type]
    assert [doubled.count(v) for v in (1,)] == [pytest.approx(20000 / 3, abs=2)]  # [1, 2) of log [1, 8)


def test_four_digits_inside_the_bounds():
    one = Distribution("log", (0.00012344, 0.1))
    assert rounded(0.0123456789, one) == 0.01235 and rounded(0.000123441, one) == 0.00012344
    assert rounded(3, Distribution("int", (1, 4))) == 3 and rounded("a", Distribution("choice", ("a",))) == "a"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("0.1", "is no distribution; write one like"),
        (3, "search.x=3 is no distribution"),
        ("lg(1,2)", "lg is unknown; did you mean log?"),
        ("gauss(0,1)", "gauss is unknown; there is log,"),
        ("log(0.1,0.001)", "needs two numbers, the lower first, like log(1,8)"),
        ("log(0,1)", "a logarithm needs numbers above 0"),
        ("uniform(1)", "needs two numbers"),
        ("uniform(1,2,3)", "needs two numbers"),
        ("uniform(a,b)", "needs two numbers"),
        ("uniform(true,3)", "needs two numbers"),
        ("int(1,2.5)", "needs whole numbers"),
        ("log(1,inf)", "inf is no number to draw"),
        ("uniform(nan,1)", "nan is no number to draw"),
        ("choice(1,1)", "names a value twice"),
        ("choice(a b)", "'a b' is neither a number nor a plain word"),
        ("choice($x)", "neither a number nor a plain word"),
        ("choice()", "neither a number nor a plain word"),
    ],
)
def test_what_is_wrong_is_named(text, sentence: str):
    with pytest.raises(UsageError) as caught:
        parse_space({"x": text})
    assert sentence in str(caught.value) and "search.x" in str(caught.value) and "\n" not in str(caught.value)


def test_words_of_the_command_line():
    assert [as_word(value) for value in (None, True, 0.1, 3, "relu")] == ["null", "true", "0.1", "3", "relu"]
