"""How a call is being differentiated, where that can be seen: a custom backward pass serves reverse mode alone."""

from typing import Any

from jax.core import Tracer
from jax.interpreters.ad import JVPTracer

from grux.errors import UsageError


def refuse_forward_mode(strategy: str, values: list[Any]) -> None:
    """UsageError where values are being differentiated in a way that the strategy's backward pass does not serve.

    Seen are `jvp`, `jacfwd` and derivatives of derivatives around the call itself. A function that was jitted first and
    differentiated afterwards carries no mark when it is traced; JAX refuses that one in its own words.
    """
    for ways in map(_differentiations, values):
        if ways and ways[0] is JVPTracer:
            raise UsageError(
                f"this layer runs by strategy={strategy}, whose own backward pass forward-mode differentiation (jvp, "
                "jacfwd) cannot use; choose strategy=sequential for the layer."
            )
        if strategy == "native" and len(ways) > 1:
            raise UsageError(
                "strategy=native gives first derivatives only; choose strategy=gated or strategy=sequential for the "
                "derivative of a derivative."
            )


def order(values: list[Any]) -> int:
    """The highest derivative that is being taken of any value, as far as can be seen."""
    return max(len(_differentiations(value)) for value in values)


def _differentiations(value: Any) -> list[type]:
    """The kinds of differentiation around a value, innermost first; batching in between does not count."""
    found = []
    while isinstance(value, Tracer):
        if hasattr(value, "primal"):
            found.append(type(value))
        value = getattr(value, "primal", getattr(value, "val", None))
    return found
