"""Floating point operations of a program, counted on its jaxpr.

Rule: two per multiply-add of every matrix product and convolution; loops count as often as they run; elementwise
work is left out, as in the papers' counts. XLA's own analysis counts the body of a loop once, which for a recurrent
network is off by the number of time steps.

A call of foreign code shows no product here and counts as nothing: trace what is made of JAX's own operations.
"""

import math
from collections.abc import Callable
from typing import Any

import jax


def count_flops(function: Callable, *args: Any) -> int:
    """Operations of one call; `args` may be shapes (jax.ShapeDtypeStruct). A `while` of unknown length counts once."""
    return _count(jax.make_jaxpr(function)(*args).jaxpr)


def _count(jaxpr: Any) -> int:
    return sum(_equation(equation) for equation in jaxpr.eqns)


def _equation(equation: Any) -> int:
    name, params = equation.primitive.name, equation.params
    if name == "dot_general":
        (contract, _), _ = params["dimension_numbers"]
        left = equation.invars[0].aval.shape
        depth = math.prod(left[axis] for axis in contract)
        return 2 * depth * math.prod(equation.outvars[0].aval.shape)
    if name == "conv_general_dilated":
        kernel = equation.invars[1].aval.shape
        out_features = kernel[params["dimension_numbers"].rhs_spec[0]]
        return 2 * math.prod(kernel) // out_features * math.prod(equation.outvars[0].aval.shape)
    if name == "scan":
        return params["length"] * _count(params["jaxpr"].jaxpr)
    if name == "cond":
        return max(_count(branch.jaxpr) for branch in params["branches"])
    return sum(_count(inner) for inner in _inner(params))


def _inner(params: dict[str, Any]) -> list[Any]:
    """The jaxprs inside an equation: of jit, custom derivatives, while, checkpoint, ..."""
    found = []
    for value in params.values():
        for item in value if isinstance(value, tuple | list) else (value,):
            if hasattr(item, "eqns"):
                found.append(item)
            elif hasattr(item, "jaxpr") and hasattr(item.jaxpr, "eqns"):
                found.append(item.jaxpr)
    return found
