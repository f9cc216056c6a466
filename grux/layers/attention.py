"""Attention of one sequence to another, and to itself for pooling.

    weights = softmax over the real steps of score(query, memory),   context = sum_t weights_t memory_t

    additive  v . tanh(W_q q + W_k m)    Bahdanau et al. 2015 (arXiv 1409.0473), appendix A.1.2; without the bias of W_q
                                         `concat` of Luong et al., whose W_a [q; m] is both products
    dot       q . m                      Luong et al. 2015 (arXiv 1508.04025), equation 8
    general   q . W m                    the same

What depends on the memory alone (W_k m, W m) is computed once, by `keys`. Scores and softmax are float32. A row without
any real step (a row that only fills a batch) gets weights and context of zero, and so do its gradients.

Both share one call, so a decoder does not ask which one it holds:

    keys = attention.keys(memory)
    context, weights = attention(query, keys, memory, mask)
"""

from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx

from grux.arguments import PositiveInt
from grux.errors import UsageError
from grux.layers.linear import Linear
from grux.shapes import Array, Bool, Float


class AdditiveAttention(nnx.Module):
    """Bahdanau et al. 2015. Scores pass through an array [B, S, T, A], so it suits few queries at a time.

    Parameters: Q*A + M*A + A (bias) + A
    """

    def __init__(
        self,
        *,
        query_features: PositiveInt,
        memory_features: PositiveInt,
        features: PositiveInt,
        bias: bool = True,
        rngs: nnx.Rngs,
    ):
        self.query = Linear(in_features=query_features, features=features, bias=bias, rngs=rngs)
        self.key = Linear(in_features=memory_features, features=features, bias=False, rngs=rngs)
        self.score = Linear(in_features=features, features=1, bias=False, rngs=rngs)

    def keys(self, memory: Float[Array, "B T M"]) -> Float[Array, "B T A"]:
        return self.key(memory)

    def __call__(
        self,
        query: Float[Array, "B S Q"],
        keys: Float[Array, "B T A"],
        memory: Float[Array, "B T M"],
        mask: Bool[Array, "B T"],
    ) -> tuple[Float[Array, "B S M"], Float[Array, "B S T"]]:
        """The context of each query, and the weights."""
        joint = jnp.tanh(self.query(query)[:, :, None, :] + keys[:, None, :, :])
        return read(self.score(joint, dtype=jnp.float32)[..., 0], memory, mask)


class MultiplicativeAttention(nnx.Module):
    """Luong et al. 2015, global attention: one product for all queries at once.

    Parameters: M*Q for general, none for dot.
    """

    def __init__(
        self,
        *,
        query_features: PositiveInt,
        memory_features: PositiveInt,
        score: Literal["dot", "general"],
        rngs: nnx.Rngs,
    ):
        if score == "dot" and query_features != memory_features:
            raise UsageError(
                f"Dot attention needs queries and memory of one width, but they have {query_features} and "
                f"{memory_features} features; use general attention or make them equal."
            )
        width = {"in_features": memory_features, "features": query_features}
        self.key = Linear(**width, bias=False, rngs=rngs) if score == "general" else None

    def keys(self, memory: Float[Array, "B T M"]) -> Float[Array, "B T Q"]:
        return memory if self.key is None else self.key(memory)

    def __call__(
        self,
        query: Float[Array, "B S Q"],
        keys: Float[Array, "B T Q"],
        memory: Float[Array, "B T M"],
        mask: Bool[Array, "B T"],
    ) -> tuple[Float[Array, "B S M"], Float[Array, "B S T"]]:
        """The context of each query, and the weights."""
        wide = jnp.promote_types(query.dtype, jnp.float32)
        return read(jnp.einsum("bsq,btq->bst", query, keys, preferred_element_type=wide), memory, mask)


class AttentionPooling(nnx.Module):
    """One vector for a sequence: additive attention with a learned query (Yang et al. 2016, HAN, equations 5 to 7).

    Parameters: H*H + H (bias) + H
    """

    def __init__(self, *, features: PositiveInt, rngs: nnx.Rngs):
        self.key = Linear(in_features=features, features=features, rngs=rngs)
        self.score = Linear(in_features=features, features=1, bias=False, rngs=rngs)

    def __call__(self, y: Float[Array, "B T H"], mask: Bool[Array, "B T"]) -> Float[Array, "B H"]:
        return read(self.scores(y)[:, None, :, 0], y, mask)[0][:, 0]

    def scores(self, y: Float[Array, "... H"]) -> Float[Array, "... 1"]:
        """float32, before the softmax over the steps."""
        return self.score(jnp.tanh(self.key(y)), dtype=jnp.float32)


def read(
    scores: Float[Array, "B S T"], memory: Float[Array, "B T M"], mask: Bool[Array, "B T"]
) -> tuple[Float[Array, "B S M"], Float[Array, "B S T"]]:
    """Contexts in the type of the memory, and the weights."""
    weights = masked_softmax(scores, mask[:, None, :])
    return jnp.einsum("bst,btm->bsm", weights.astype(memory.dtype), memory), weights


def masked_softmax(scores: Float[Array, "... T"], mask: Bool[Array, "... T"]) -> Float[Array, "... T"]:
    """Softmax over T where the mask is true and zero elsewhere; all zero, with zero gradient, where nothing is.

    The mask has as many axes as the scores.
    """
    floor = jnp.finfo(scores.dtype).min
    top = jax.lax.stop_gradient(jnp.where(mask, scores, floor).max(-1, keepdims=True))
    # The mask comes before exp: an overflow on padding would turn the gradient into NaN.
    raised = jnp.where(mask, jnp.exp(jnp.where(mask, scores - top, 0.0)), 0.0)
    total = raised.sum(-1, keepdims=True)
    return raised / jnp.where(total > 0, total, 1.0)
