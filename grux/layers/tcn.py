"""Temporal convolutional network: residual blocks of causal convolutions whose reach doubles (Bai et al. 2018).

    conv(x)_t = sum over j < k of W_j x_(t - j d) + b
    y         = relu(u + relu(conv(relu(conv(x)))))         u = x, or W x + b where x has another width

Bai, Kolter and Koltun 2018 (arXiv 1803.01271), section 3. Their weight norm is left out: weight decay and
`initial_scale` would then change no output. Block l of L has d = 2^l, and one layer is all L blocks, so that a layer
knows its dilations and two on top of each other are two such networks:

    receptive field = 1 + 2 (k - 1) (2^L - 1) steps

The carry is what each convolution has to remember: its last (k - 1) d inputs, zeros before the first step. Of the first
block, where D is not H, and of each of the M = L - 1 others:

Parameters: K*D*H + H + K*H*H + H + D*H + H + M*2*K*H*H + M*2*H
"""

import jax
import jax.numpy as jnp
from flax import nnx

from grux.arguments import PositiveInt
from grux.layers.dropout import dropout as drop
from grux.layers.dropout import fold
from grux.layers.linear import Linear, wide_matmul
from grux.layers.windowed import Windowed, slide
from grux.rates import AnyRate
from grux.shapes import Array, Float, Int, Key

Windows = tuple[Array, ...]
"""float32 [B, (k - 1) d, D], one for each convolution."""


class Convolution(nnx.Module):
    """A causal, dilated convolution: x [B, T, D] and the window before it to [B, T, H]."""

    def __init__(
        self,
        *,
        in_features: PositiveInt,
        features: PositiveInt,
        kernel: PositiveInt,
        dilation: PositiveInt,
        rngs: nnx.Rngs,
    ):
        self.in_features = in_features
        self.taps = kernel
        self.dilation = dilation
        # Taps and inputs in one axis, the oldest tap first: a convolution is one product.
        start = jax.nn.initializers.he_normal()(rngs.params(), (kernel * in_features, features), jnp.float32)
        self.kernel = nnx.Param(start)
        self.bias = nnx.Param(jnp.zeros((features,), jnp.float32))

    @property
    def reach(self) -> int:
        """Steps before the present one that it reads."""
        return (self.taps - 1) * self.dilation

    def __call__(self, window: Float[Array, "B W D"], x: Float[Array, "B T D"]) -> Float[Array, "B T H"]:
        joined, steps = jnp.concatenate([window.astype(x.dtype), x], axis=1), x.shape[1]
        starts = range(0, self.reach + 1, self.dilation)
        taps = jnp.concatenate([joined[:, start : start + steps] for start in starts], axis=-1)
        return (wide_matmul(taps, self.kernel[...]) + self.bias[...][None, None, :]).astype(x.dtype)

    def step_flops(self) -> int:
        rows, columns = self.kernel.shape
        return 2 * rows * columns


class Block(nnx.Module):
    """Two convolutions of one dilation and the way around them."""

    def __init__(
        self,
        *,
        in_features: PositiveInt,
        features: PositiveInt,
        kernel: PositiveInt,
        dilation: PositiveInt,
        dropout: AnyRate,
        rngs: nnx.Rngs,
    ):
        widths = (in_features, features)
        self.convolutions = nnx.List(
            Convolution(in_features=width, features=features, kernel=kernel, dilation=dilation, rngs=rngs)
            for width in widths
        )
        own = in_features == features
        self.widen = None if own else Linear(in_features=in_features, features=features, rngs=rngs)
        self.dropout = dropout

    def __call__(
        self,
        x: Float[Array, "B T D"],
        lengths: Int[Array, "B"] | None,
        windows: Windows,
        key: Key | None,
    ) -> tuple[Float[Array, "B T H"], Windows]:
        y, after = x, []
        for number, (convolution, window) in enumerate(zip(self.convolutions, windows, strict=True)):
            after.append(slide(window, y, lengths))
            y = jax.nn.relu(convolution(window, y))
            # Whole channels of a sequence: the spatial dropout of the paper.
            y = y * drop(jnp.ones((y.shape[0], 1, y.shape[2]), y.dtype), self.dropout, fold(key, number))
        return jax.nn.relu(y + (x if self.widen is None else self.widen(x))), tuple(after)

    def step_flops(self) -> tuple[int, int]:
        first, second = (convolution.step_flops() for convolution in self.convolutions)
        widening = 0 if self.widen is None else 2 * self.widen.in_features * self.widen.features
        return first + widening, second


class TCN(Windowed):
    """`levels` blocks with dilations 1, 2, 4, ...; `kernel` taps each; `dropout` zeroes whole channels."""

    def __init__(
        self,
        *,
        in_features: PositiveInt,
        features: PositiveInt,
        levels: PositiveInt,
        kernel: PositiveInt,
        dropout: AnyRate = 0.0,
        reverse: bool = False,
        rngs: nnx.Rngs,
    ):
        self.in_features = in_features
        self.out_features = features
        self.reverse = reverse
        self.blocks = nnx.List(
            Block(
                in_features=features if level else in_features,
                features=features,
                kernel=kernel,
                dilation=2**level,
                dropout=dropout,
                rngs=rngs,
            )
            for level in range(levels)
        )

    @property
    def receptive_field(self) -> int:
        """Steps that y reads, its own included."""
        return 1 + sum(convolution.reach for block in self.blocks for convolution in block.convolutions)

    def initial_carry(self, batch_size: int) -> Windows:
        convolutions = [convolution for block in self.blocks for convolution in block.convolutions]
        dtype = jnp.promote_types(convolutions[0].kernel[...].dtype, jnp.float32)
        return tuple(jnp.zeros((batch_size, c.reach, c.in_features), dtype) for c in convolutions)

    def read(
        self, x: Float[Array, "B T D"], lengths: Int[Array, "B"] | None, carry: Windows | None, key: Key | None
    ) -> tuple[Float[Array, "B T H"], Windows]:
        carry = self.initial_carry(x.shape[0]) if carry is None else carry
        windows: list[Array] = []
        for level, block in enumerate(self.blocks):
            x, after = block(x, lengths, carry[2 * level : 2 * level + 2], fold(key, level))
            windows.extend(after)
        return x, tuple(windows)

    def step_flops(self) -> tuple[int, int]:
        (inputs, past), *above = (block.step_flops() for block in self.blocks)
        return inputs, past + sum(map(sum, above))
