"""What a layer is: (x, mask, carry) -> (y, carry). One step with T = 1 is how decoding goes on.

Recurrent layers carry a state, `windowed` ones (attention, dilated convolution) the last steps; neither models nor
decoding ask which one they hold.
"""

import abc
from typing import Any

from flax import nnx

from grux.shapes import Array, Bool, Float, Key


class Layer(nnx.Module):
    """A map of sequences. `out_features` is the width of y."""

    in_features: int
    out_features: int

    @abc.abstractmethod
    def __call__(
        self,
        x: Float[Array, "B T D"],
        *,
        mask: Bool[Array, "B T"] | None = None,
        carry: Any = None,
        key: Key | None = None,
    ) -> tuple[Float[Array, "B T H"], Any]:
        """y and the carry after the last real step; zeros on padding. `key` draws dropout, None means evaluation."""
        raise NotImplementedError

    @abc.abstractmethod
    def initial_carry(self, batch_size: int) -> Any:
        """The carry before the first step: a tree of arrays [B, ...], [B, H] where it is a state."""
        raise NotImplementedError
