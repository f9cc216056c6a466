"""A sequence to itself, through one narrow vector: what the model has not seen in training it gives back badly.

    c    = W_c h_T + b_c                   h_T: the encoder's last output, c the code
    y_t  = decoder(W_d c + b_d + p_t)      p_t: a wave for each feature, of the step alone (Vaswani et al. 2017)
    x'_t = W_x y_t + b_x

After Malhotra et al. 2016, "LSTM-based encoder-decoder for multi-sensor anomaly detection" (EncDec-AD, arXiv
1607.00148). There the decoder starts in the encoder's state, gives the sequence back in reverse and reads the value of
the step before (the true one in training, its own afterwards). Here it starts empty and reads the code at each step
(the unconditioned decoder of Srivastava et al. 2015, arXiv 1502.04681, with the code as an input), forwards: the
same for a layer that carries a state and for one that carries a window of last steps, and one call of the engine.
Without p_t attention could not tell steps apart whose inputs are all the same.
"""

from collections.abc import Callable
from typing import Literal

import jax.numpy as jnp
import numpy as np
from flax import nnx

from grux.arguments import PositiveInt
from grux.batch import Batch, Info
from grux.errors import UsageError
from grux.layers.dropout import dropout as drop
from grux.layers.linear import Linear
from grux.layers.stack import Stack
from grux.models.pooling import last_state
from grux.models.randomness import split
from grux.rates import AnyRate
from grux.shapes import Array, Bool, Float, Key

LONGEST_WAVE = 10_000.0  # Vaswani et al. 2017, section 3.5


class Autoencoder(nnx.Module):
    """Targets float32 [B, T, D] in, the same float32 [B, T, D] out, as well as the code can say them."""

    def __init__(
        self,
        *,
        info: Info,
        layer: Callable,
        features: PositiveInt,
        code: PositiveInt,
        depth: PositiveInt,
        residual: bool,
        dropout: AnyRate,
        dtype: Literal["float32", "bfloat16"],
        rngs: nnx.Rngs,
    ):
        """`code`: width of c. `dropout` falls between layers and before the head."""
        if info.task != "anomaly" or info.features is None:
            raise UsageError(
                f"model=autoencoder reads what it is to give back, and data={info.name} are for {info.task}; choose "
                "data for anomaly detection."
            )
        stack = {"layer": layer, "features": features, "depth": depth, "residual": residual, "dropout": dropout}
        self.encoder = Stack(in_features=info.features, **stack, rngs=rngs)
        self.narrow = Linear(in_features=features, features=code, rngs=rngs)
        self.wide = Linear(in_features=code, features=features, rngs=rngs)
        self.decoder = Stack(in_features=features, **stack, rngs=rngs)
        self.head = Linear(in_features=features, features=info.features, rngs=rngs)
        self.features = features
        self.dropout = dropout
        self.dtype = jnp.dtype(dtype)

    def __call__(self, batch: Batch, *, key: Key | None = None) -> Float[Array, "B T D"]:
        encoding, decoding, above = split(key, 3)
        _, x, mask = self.recurrence(batch)
        y, _ = self.encoder(x, mask=mask, key=encoding)
        code = self.wide(self.narrow(last_state(y, mask, bidirectional=False)))
        waves = jnp.asarray(step_waves(mask.shape[1], self.features), code.dtype)
        y, _ = self.decoder(code[:, None] + waves[None], mask=mask, key=decoding)
        return self.head(drop(y, self.dropout, above), dtype=jnp.float32)

    def recurrence(self, batch: Batch) -> tuple[Stack, Float[Array, "B T D"], Bool[Array, "B T"]]:
        """The encoder's recurrent layers, what they read of a batch, and its mask."""
        return self.encoder, jnp.asarray(batch.targets, dtype=self.dtype), batch.mask


def step_waves(steps: int, features: int) -> np.ndarray:
    """float32 [T, F]: sines in the first half of the features, cosines in the second, from 2 pi steps long on."""
    half = -(-features // 2)
    angles = np.arange(steps)[:, None] / LONGEST_WAVE ** (np.arange(half) / half)[None, :]
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1)[:, :features].astype(np.float32)
