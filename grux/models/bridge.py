"""From the final carry of an encoder to the first carry of a decoder, for any layer and any depth.

    d_lk = tanh(W_lk [forward_lk; backward_lk] + b_lk)     layer l, carry array k; no backward in a one-way encoder

Bahdanau et al. 2015 (arXiv 1409.0473, appendix A.2.2) take the backward state alone; both directions together lose
nothing and are as wide as a one-way state.

What is mapped are states, arrays [B, H]. A window of last steps (attention, convolution) is none: the decoder's starts
empty, and the source is known to it by attention alone.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from grux.layers.linear import Linear
from grux.layers.stack import Stack
from grux.shapes import Array, Float


class Bridge(nnx.Module):
    """One `Linear` for each state of each decoder layer. Works for carries that are trees of arrays [B, ...]."""

    def __init__(self, *, encoder: Stack, decoder: Stack, rngs: nnx.Rngs):
        starts = [jax.tree.leaves(carry) for carry in decoder.initial_carry(1)]
        finals = [_joined(carry, len(start)) for carry, start in zip(encoder.initial_carry(1), starts, strict=True)]
        self.maps = nnx.List(
            nnx.List(
                Linear(in_features=final.shape[1], features=start.shape[1], rngs=rngs) if start.ndim == 2 else None
                for final, start in zip(*layer, strict=True)
            )
            for layer in zip(finals, starts, strict=True)
        )
        self.whole = all(start.ndim == 2 for layer in starts for start in layer)
        """Whether all of the decoder's carry comes from the encoder."""

    def __call__(self, carry: Any, start: Any) -> Any:
        """The decoder's first carry, in the type of the encoder's last; what is no state stays as in `start`."""
        layers = []
        for maps, final, own in zip(self.maps, carry, start, strict=True):
            leaves, structure = jax.tree.flatten(own)
            finals = _joined(final, len(leaves))
            arrays = [leaf if m is None else jnp.tanh(m(x)) for m, x, leaf in zip(maps, finals, leaves, strict=True)]
            layers.append(jax.tree.unflatten(structure, arrays))
        return tuple(layers)

    def summary(self, carry: Any) -> Float[Array, "B M"]:
        """The final state of the top encoder layer: what its cells show, both directions side by side."""
        return _joined(carry[-1], len(self.maps[-1]))[0]


def _joined(carry: Any, arrays: int) -> list[Array]:
    """The carry of one layer as `arrays` arrays; those of two directions are joined."""
    leaves = jax.tree.leaves(carry)
    return [jnp.concatenate(leaves[k::arrays], axis=-1) for k in range(arrays)]
