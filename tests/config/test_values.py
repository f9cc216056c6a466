"""Values against annotations."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, Optional

import jax
import pytest

from grux.arguments import PositiveInt, Probability, Range
from grux.config.values import check_value, describe, takes_object
from grux.errors import UsageError

GOOD = [
    (3, int),
    (3, float),
    (3.5, float),
    (True, bool),
    ("a", str),
    (None, int | None),
    (None, Optional[str]),  # noqa: UP045
    (1, PositiveInt),
    (0, Probability),
    ("a", Literal["a", "b"]),
    ([1, 2], list[int]),
    ([1, 2], tuple[int, int]),
    ([1, 2, 3], tuple[int, ...]),
    ([0.5], Sequence[Probability]),
    ({"a": 1}, dict[str, int]),
    ("x", Any),
    (1.0, jax.typing.ArrayLike),
    (None, PositiveInt | None),
    ([], list[int]),
    ([[1]], list[list[int]]),
    (3, Annotated[float, Range(0)] | str),
]
BAD = [
    (True, int),
    (True, float),
    (1, bool),
    (3.0, int),
    ("3", int),
    (3, str),
    (None, int),
    (0, PositiveInt),
    (1, Probability),
    (float("nan"), float),
    (float("inf"), Any),
    ("c", Literal["a", "b"]),
    (1, Literal[True]),
    (True, Literal[1]),
    ([1, "a"], list[int]),
    ([1], tuple[int, int]),
    ("ab", Sequence[str]),
    ({"a": "b"}, dict[str, int]),
    (3, list[int]),
    ("x", jax.typing.ArrayLike),
    (True, jax.typing.ArrayLike),
    (3, Callable[..., Any]),
    ("f", Callable | None),
    (True, int | str | None),
]


@pytest.mark.parametrize(("value", "annotation"), GOOD)
def test_fits(value: Any, annotation: Any):
    check_value(value, annotation, "name")


@pytest.mark.parametrize(("value", "annotation"), BAD)
def test_does_not_fit(value: Any, annotation: Any):
    with pytest.raises(UsageError, match=r"^name=.* must be "):
        check_value(value, annotation, "name")


def test_words():
    assert describe(PositiveInt | None) == "a whole number >= 1 or null"
    assert describe(Literal["a", "b"]) == "one of a, b"
    assert describe(Sequence[Probability]) == "a list, each a number >= 0 and < 1"


def test_objects_stand_only_where_no_scalar_is_needed():
    assert takes_object(Callable[..., Any]) and takes_object(Any) and takes_object(Callable | None)
    assert not takes_object(PositiveInt) and not takes_object(int | None) and not takes_object(Literal["a"])
