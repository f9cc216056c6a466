"""Check one yaml value against one annotation: the constructors' signatures are the schema of every config."""

import collections.abc
import inspect
import math
import types
import typing
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from grux.arguments import Range
from grux.config.complaints import nearest
from grux.errors import UsageError

SCALARS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", type(None): "null"}


def check_value(value: Any, annotation: Any, name: str) -> None:
    """Raise `UsageError` unless `value` (null, bool, number, text, list or mapping) fits `annotation`.

    A whole number fits a float; a bool is never a number; no number is nan or infinite.
    """
    if isinstance(value, float) and not math.isfinite(value):
        raise UsageError(f"{name}={value} must be a finite number.")
    if not _fits(value, annotation):
        raise UsageError(f"{name}={_shown(value)} must be {describe(annotation)}{_hint(value, annotation)}.")


def _fits(value: Any, annotation: Any) -> bool:
    origin, args = get_origin(annotation), get_args(annotation)
    if annotation in (Any, inspect.Parameter.empty) or isinstance(annotation, (typing.TypeVar, str)):
        return True
    if origin is Annotated:
        bounds = [extra for extra in args[1:] if isinstance(extra, Range)]
        return _fits(value, args[0]) and all(value in bound for bound in bounds)
    if origin in (Union, types.UnionType):
        # Unions such as jax.typing.ArrayLike hold bool beside float; `true` is no learning rate all the same.
        number = isinstance(value, bool) and any(_plain(a) in (int, float) for a in args)
        return not number and any(_fits(value, a) for a in args)
    if origin is Literal:
        return any(value == a and type(value) is type(a) for a in args)
    if annotation is None or annotation is type(None):
        return value is None
    if annotation in (bool, str):
        return type(value) is annotation
    if annotation is int:
        return type(value) is int
    if annotation is float:
        return type(value) in (int, float)
    kind = origin or annotation
    if kind is tuple and args and args[-1] is not Ellipsis:
        return isinstance(value, list) and len(value) == len(args) and all(map(_fits, value, args))
    if kind in (list, tuple, collections.abc.Sequence, collections.abc.Iterable):
        return isinstance(value, list) and all(_fits(v, args[0]) for v in value if args)
    if kind in (dict, collections.abc.Mapping):
        return isinstance(value, dict) and all(_fits(v, args[1]) for v in value.values() if args)
    return False  # a class or a function: only a node with `_target_` makes one


def takes_object(annotation: Any) -> bool:
    """Whether something other than scalars and containers of scalars fits: a node with `_target_` may stand there."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return takes_object(args[0])
    if origin in (Union, types.UnionType):
        return any(takes_object(a) for a in args)
    if origin is Literal:
        return False
    return annotation not in (*SCALARS, None) and not takes_array(annotation)


def takes_array(annotation: Any) -> bool:
    """Whether an array fits, or a variable that holds one: what a program has in place of a number, and no yaml has."""
    if get_origin(annotation) in (Union, types.UnionType):
        return any(takes_array(a) for a in get_args(annotation))
    if not inspect.isclass(annotation):
        return False
    return annotation.__module__ == "grux.rates" or annotation.__module__.split(".")[0] in ("jax", "jaxlib", "numpy")


def describe(annotation: Any) -> str:
    """The annotation in words: "a whole number >= 1 or null"."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return " ".join([describe(args[0]), *(str(a) for a in args[1:] if isinstance(a, Range))])
    if origin in (Union, types.UnionType):
        args = [a for a in args if not takes_array(a)] or args
        words = list(dict.fromkeys(describe(a) for a in args))
        if "a number" in words:  # ArrayLike and its kin: a yaml value can only be the number of them
            words = [w for w in words if w in ("a number", "a text", "null")]
        return " or ".join(words)
    if origin is Literal:
        return f"one of {', '.join(str(a) for a in args)}"
    if annotation is None:
        return "null"
    if annotation in SCALARS:
        return SCALARS[annotation]
    kind = origin or annotation
    if kind in (list, tuple, collections.abc.Sequence, collections.abc.Iterable):
        inner = [a for a in args if a is not Ellipsis]
        return f"a list, each {describe(inner[0])}" if inner else "a list"
    if kind in (dict, collections.abc.Mapping):
        return "a mapping"
    return f"a {getattr(annotation, '__name__', annotation)} (a mapping with _target_)"


def _hint(value: Any, annotation: Any) -> str:
    if isinstance(value, bool) and _has(annotation, str):
        return '; yaml reads on, off, yes and no as true or false: quote the text, like "no"'
    if isinstance(value, str):
        texts = [a for a in _literals(annotation) if isinstance(a, str)]
        if texts and (near := nearest(value, texts)).startswith("did"):
            return f"; {near.rstrip('?')}"
        if value.lower() in ("nan", "inf", "+inf", "-inf", ".nan", ".inf", "-.inf"):
            return "; it must be finite"
    return ""


def _literals(annotation: Any) -> list[Any]:
    if get_origin(annotation) is Literal:
        return list(get_args(annotation))
    return [a for inner in get_args(annotation) for a in _literals(inner)]


def _has(annotation: Any, kind: type) -> bool:
    return (
        _plain(annotation) is kind
        or any(_has(a, kind) for a in get_args(annotation))
        or bool(get_origin(annotation) is Literal and any(isinstance(a, kind) for a in get_args(annotation)))
    )


def _plain(annotation: Any) -> Any:
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def _shown(value: Any) -> str:
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else f"{value!r}"
