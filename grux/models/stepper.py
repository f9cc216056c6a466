"""One step of a causal model as one compiled call, its carry in the caller's hands: sequences as they come in.

    step = Stepper(model, batch_size=1)
    carry = step.initial_carry
    for x in arriving:                      # [B] token ids, or [B, D] features
        outputs, carry = step(x, carry)     # what the model says after x and all before it

T steps give what one call on the T steps gives. A carry may be kept and gone on from more than once.
"""

from collections.abc import Callable
from typing import Any

import jax
from flax import nnx

from grux.arguments import PositiveInt
from grux.errors import UsageError
from grux.shapes import Array, Float, Int


class Stepper:
    """`initial_carry`: what the model knows before the first step of `batch_size` sequences side by side."""

    initial_carry: Any

    def __init__(self, model: Any, batch_size: PositiveInt):
        """Raises UsageError for a model that reads a whole input before it says anything, or reads it backwards."""
        if getattr(model, "bidirectional", False):
            raise UsageError(
                "A bidirectional model reads a sequence from its end too, so it has no single step; train one with "
                "model.bidirectional=false."
            )
        if not (hasattr(model, "step") or hasattr(model, "run")):
            raise UsageError(
                f"{type(model).__name__} reads a whole input before it says anything, so it has no single step; use a "
                "model that goes step by step, in one direction."
            )
        self.initial_carry = model.initial_carry(batch_size)
        graph, params = nnx.split(model)
        # As a plain list: a tree of named parameters would be taken apart in Python at every step.
        self._weights, structure = jax.tree.flatten(params)

        def step(weights, inputs, carry):
            model = nnx.merge(graph, jax.tree.unflatten(structure, weights))
            if hasattr(model, "step"):
                return model.step(inputs, carry)
            outputs, carry = model.run(inputs[:, None], mask=None, carry=carry, key=None)
            return outputs[:, 0], carry

        self._step: Callable = jax.jit(step)

    def __call__(self, inputs: Int[Array, "B"] | Float[Array, "B D"], carry: Any) -> tuple[Any, Any]:
        """(outputs, carry) after one more step of each sequence."""
        return self._step(self._weights, inputs, carry)
