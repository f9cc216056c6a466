"""From the final carry of an encoder to the first carry of a decoder, for any cell and any depth.

    d_lk = tanh(W_lk [forward_lk; backward_lk] + b_lk)     layer l, carry array k; no backward in a one-way encoder

Bahdanau et al. 2015 (arXiv 1409.0473, appendix A.2.2) take the backward state alone; both directions together lose
nothing and are as wide as a one-way state.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from grux.errors import UsageError
from grux.layers.linear import Linear
from grux.layers.stack import Stack
from grux.shapes import Array, Float


class Bridge(nnx.Module):
    """One `Linear` for each carry array of each decoder layer.

    Works for carries that are trees of arrays [B, features]. Raises UsageError for others.
    """

    def __init__(self, *, encoder: Stack, decoder: Stack, rngs: nnx.Rngs):
        before = [_joined(carry, len(jax.tree.leaves(after))) for carry, after in _pairs(encoder, decoder)]
        after = [jax.tree.leaves(carry) for carry in decoder.initial_carry(1)]
        if any(array.ndim != 2 for arrays in (*before, *after) for array in arrays):
            raise UsageError(
                "model=encoder_decoder hands the carry of its encoder to its decoder, which needs carries of shape "
                "[batch, features]; the arch that was chosen has others, so choose another arch."
            )
        self.maps = nnx.List(
            nnx.List(
                Linear(in_features=source.shape[1], features=target.shape[1], rngs=rngs)
                for source, target in zip(sources, targets, strict=True)
            )
            for sources, targets in zip(before, after, strict=True)
        )
        self.structures = tuple(jax.tree.structure(carry) for carry in decoder.initial_carry(1))

    def __call__(self, carry: Any) -> Any:
        """The decoder's first carry, in the type of the encoder's last."""
        layers = []
        for maps, structure, final in zip(self.maps, self.structures, carry, strict=True):
            arrays = [jnp.tanh(m(x)) for m, x in zip(maps, _joined(final, len(maps)), strict=True)]
            layers.append(jax.tree.unflatten(structure, arrays))
        return tuple(layers)

    def summary(self, carry: Any) -> Float[Array, "B M"]:
        """The final state of the top encoder layer: what its cells show, both directions side by side."""
        return _joined(carry[-1], len(self.maps[-1]))[0]


def _pairs(encoder: Stack, decoder: Stack):
    return zip(encoder.initial_carry(1), decoder.initial_carry(1), strict=True)


def _joined(carry: Any, arrays: int) -> list[Array]:
    """The carry of one layer as `arrays` arrays; those of two directions are joined."""
    leaves = jax.tree.leaves(carry)
    return [jnp.concatenate(leaves[k::arrays], axis=-1) for k in range(arrays)]
