"""A causal Transformer layer (Vaswani et al. 2017, arXiv 1706.03762), norms first (Xiong et al. 2020, 2002.04745).

    h = u + attention(LN(u))                 `self_attention`, over the last C steps, with rotary positions
    y = h + W_2 gelu(W_1 LN(h) + b_1) + b_2

W_1 widens `expansion` times (4 in the paper), and gelu stands for its ReLU. The layer is what is repeated, so there is
no norm behind the last one. With F = expansion * H; attention as in its own file:

Parameters: attention + 2*H + H*F + F + F*H + H
"""

import jax
from flax import nnx

from grux.arguments import PositiveInt
from grux.layers.dropout import dropout as drop
from grux.layers.dropout import fold
from grux.layers.linear import Linear
from grux.layers.normalisation import LayerNorm
from grux.layers.self_attention import Cache, SelfAttention
from grux.layers.windowed import Windowed
from grux.rates import AnyRate
from grux.shapes import Array, Float, Int, Key


class Transformer(Windowed):
    """Self-attention and a feed-forward network. The carry is that of the attention; `dropout` falls on both parts."""

    def __init__(
        self,
        *,
        in_features: PositiveInt,
        features: PositiveInt,
        heads: PositiveInt,
        context: PositiveInt,
        expansion: PositiveInt,
        dropout: AnyRate = 0.0,
        reverse: bool = False,
        rngs: nnx.Rngs,
    ):
        self.in_features = in_features
        self.out_features = features
        self.reverse = reverse
        self.dropout = dropout
        self.attention = SelfAttention(
            in_features=in_features, features=features, heads=heads, context=context, dropout=dropout, rngs=rngs
        )
        self.norm = LayerNorm(features=features)
        self.up = Linear(in_features=features, features=expansion * features, rngs=rngs)
        self.down = Linear(in_features=expansion * features, features=features, rngs=rngs)

    def initial_carry(self, batch_size: int) -> Cache:
        return self.attention.initial_carry(batch_size)

    def read(
        self, x: Float[Array, "B T D"], lengths: Int[Array, "B"] | None, carry: Cache | None, key: Key | None
    ) -> tuple[Float[Array, "B T H"], Cache]:
        h, carry = self.attention.read(x, lengths, carry, fold(key, 0))
        y = self.down(jax.nn.gelu(self.up(self.norm(h))))
        return h + drop(y, self.dropout, fold(key, 1)), carry

    def step_flops(self) -> tuple[int, int]:
        inputs, past = self.attention.step_flops()
        return inputs, past + 2 * 2 * self.up.in_features * self.up.features
