"""Causal self-attention over the last C steps, with rotary positions, as one residual layer.

    u    = x, or W x + b where x has another width
    q, k, v = three linear maps of LN(u), split into heads of K numbers
    w_ts = softmax over s of  R(t) q_t . R(s) k_s / sqrt(K)          t - C < s <= t
    y    = u + W_o [sum_s w_ts v_s, all heads] + b_o

Attention: Vaswani et al. 2017 (arXiv 1706.03762); the norm before it: Xiong et al. 2020 (arXiv 2002.04745). R(t) turns
the pairs (i, i + K/2) of a head by the angle t * 10000^(-2i/K): rotary positions, Su et al. 2021 (arXiv 2104.09864), by
which a score knows the distance t - s alone. So positions are counted inside the window: k is kept unturned, and a
stream may last for ever.

K is the least even number with heads * K >= H, so any width will do; for multiples of 2 * heads it is H / heads.
With A = heads * K, without the map of x where D = H:

Parameters: D*H + H + 2*H + 3*H*A + 3*A + A*H + H
"""

import math
from typing import NamedTuple

import jax.numpy as jnp
from flax import nnx

from grux.arguments import PositiveInt
from grux.layers.attention import masked_softmax
from grux.layers.dropout import dropout as drop
from grux.layers.linear import Linear
from grux.layers.normalisation import LayerNorm
from grux.layers.windowed import Windowed, slide
from grux.rates import AnyRate
from grux.shapes import Array, Bool, Float, Int, Key

BASE = 10_000.0  # Su et al. 2021, section 3.2.2, after Vaswani et al. 2017


class Cache(NamedTuple):
    """The carry: keys and values of the last C - 1 steps, and how many of these there were."""

    keys: Float[Array, "B W A"]
    values: Float[Array, "B W A"]
    filled: Int[Array, "B"]


class SelfAttention(Windowed):
    """`context`: the steps C that are attended to, the present one included. `dropout` falls on what is added to u."""

    def __init__(
        self,
        *,
        in_features: PositiveInt,
        features: PositiveInt,
        heads: PositiveInt,
        context: PositiveInt,
        dropout: AnyRate = 0.0,
        reverse: bool = False,
        rngs: nnx.Rngs,
    ):
        self.in_features = in_features
        self.out_features = features
        self.heads = heads
        self.head_features = 2 * math.ceil(features / (2 * heads))
        self.context = context
        self.dropout = dropout
        self.reverse = reverse
        own = in_features == features
        inner = heads * self.head_features
        self.widen = None if own else Linear(in_features=in_features, features=features, rngs=rngs)
        self.norm = LayerNorm(features=features)
        self.query, self.key, self.value = (Linear(in_features=features, features=inner, rngs=rngs) for _ in range(3))
        self.output = Linear(in_features=inner, features=features, rngs=rngs)

    def initial_carry(self, batch_size: int) -> Cache:
        kernel = self.query.kernel[...]
        shape = (batch_size, self.context - 1, kernel.shape[1])
        empty = jnp.zeros(shape, jnp.promote_types(kernel.dtype, jnp.float32))
        return Cache(empty, empty, jnp.zeros((batch_size,), jnp.int32))

    def read(
        self, x: Float[Array, "B T D"], lengths: Int[Array, "B"] | None, carry: Cache | None, key: Key | None
    ) -> tuple[Float[Array, "B T H"], Cache]:
        u = x if self.widen is None else self.widen(x)
        normed = self.norm(u)
        q, k, v = self.query(normed), self.key(normed), self.value(normed)
        before = self.initial_carry(x.shape[0]) if carry is None else carry
        past = 0 if carry is None else self.context - 1  # without a past there is no product with an empty window
        keys, values = (
            jnp.concatenate([old.astype(x.dtype), new], axis=1) if past else new
            for old, new in ((before.keys, k), (before.values, v))
        )
        there = seen(x.shape[1], past, self.context, before.filled if past else None)
        y = self.output(attend(q, keys, values, there, self.heads))
        steps = x.shape[1] if lengths is None else lengths
        after = Cache(
            slide(before.keys, k, lengths),
            slide(before.values, v, lengths),
            jnp.minimum(before.filled + steps, self.context - 1),
        )
        return u + drop(y, self.dropout, key), after

    def step_flops(self) -> tuple[int, int]:
        inner = self.heads * self.head_features
        widening = 0 if self.widen is None else 2 * self.in_features * self.out_features
        return widening, 4 * 2 * self.out_features * inner + 2 * 2 * self.context * inner


def seen(steps: int, past: int, context: int, filled: Int[Array, "B"] | None) -> Bool[Array, "N T J"]:
    """Which of `past` steps in the window and T new ones each new step attends to; N is B, or 1 for all rows alike."""
    query, key = jnp.arange(past, past + steps)[None, :, None], jnp.arange(past + steps)[None, None, :]
    near = (key <= query) & (key > query - context)
    return near if filled is None else near & (key >= past - filled[:, None, None])


def attend(
    q: Float[Array, "B T A"],
    k: Float[Array, "B J A"],
    v: Float[Array, "B J A"],
    there: Bool[Array, "N T J"],
    heads: int,
) -> Float[Array, "B T A"]:
    """What the last T of J steps read, all heads side by side. Products in the type of q, softmax in float32."""
    q, k, v = (x.reshape(*x.shape[:2], heads, -1) for x in (q, k, v))
    steps, whole = q.shape[1], k.shape[1]
    q, k = turned(q, jnp.arange(whole - steps, whole)), turned(k, jnp.arange(whole))
    wide = jnp.promote_types(q.dtype, jnp.float32)
    scores = jnp.einsum("bthk,bjhk->bhtj", q, k, preferred_element_type=wide) / math.sqrt(q.shape[-1])
    weights = masked_softmax(scores, there[:, None])
    read = jnp.einsum("bhtj,bjhk->bthk", weights.astype(v.dtype), v)
    return read.reshape(*read.shape[:2], -1)


def turned(x: Float[Array, "B T N K"], positions: Int[Array, "T"]) -> Float[Array, "B T N K"]:
    """Every pair of numbers turned by the angle of its position."""
    half = x.shape[-1] // 2
    wide = jnp.promote_types(x.dtype, jnp.float32)
    rate = BASE ** (-jnp.arange(half, dtype=wide) / half)
    angle = (positions[:, None].astype(wide) * rate[None, :])[None, :, None, :]
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    left, right = x[..., :half].astype(wide), x[..., half:].astype(wide)
    return jnp.concatenate([left * cos - right * sin, left * sin + right * cos], axis=-1).astype(x.dtype)
