"""How the weights of a cell start.

orthogonal   Q of a QR decomposition of a normal matrix (Saxe et al. 2014, arXiv 1312.6120)
glorot       U(-a, a), a = sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio 2010)
lecun        N(0, 1 / fan_in) (LeCun et al. 1998)
uniform      U(-a, a), a = 1 / sqrt(H): what PyTorch's recurrent layers do
identity     the identity, as far as it goes (Le et al. 2015, arXiv 1504.00941)

A gate that keeps a share sigmoid(b) of the state forgets it in 1 + exp(b) steps. Chrono initialisation spreads these
times evenly from 2 to the longest that the data may need: b ~ log U(1, T_max - 1), and a gate that writes starts at -b
(Tallec and Ollivier 2018, arXiv 1804.11188).
"""

from typing import Annotated, Literal

import jax
import jax.numpy as jnp
from flax import nnx

from grux.arguments import Range
from grux.shapes import Array, Float

Initializer = Literal["orthogonal", "glorot", "lecun", "uniform", "identity"]
LongestTime = Annotated[int, Range(2)]
"""T_max of chrono initialisation, in steps."""


def kernels(name: Initializer, rngs: nnx.Rngs, gates: int, rows: int, columns: int) -> Float[Array, "G R C"]:
    """One matrix per gate, each drawn on its own, so that no gate sees the fan of the others."""
    return jnp.stack([_kernel(name, rngs.params(), (rows, columns)) for _ in range(gates)])


def chrono_bias(rngs: nnx.Rngs, features: int, longest: int) -> Float[Array, "H"]:
    """The bias of a gate that keeps; minus that for one that writes."""
    return jnp.log(jax.random.uniform(rngs.params(), (features,), jnp.float32, 1.0, longest - 1.0))


def _kernel(name: Initializer, key: Array, shape: tuple[int, int]) -> Float[Array, "R C"]:
    match name:
        case "orthogonal":
            return jax.nn.initializers.orthogonal()(key, shape, jnp.float32)
        case "glorot":
            return jax.nn.initializers.glorot_uniform()(key, shape, jnp.float32)
        case "lecun":
            return jax.nn.initializers.lecun_normal()(key, shape, jnp.float32)
        case "uniform":
            bound = shape[1] ** -0.5
            return jax.random.uniform(key, shape, jnp.float32, -bound, bound)
        case "identity":
            return jnp.eye(*shape, dtype=jnp.float32)
    raise ValueError(f"initializer {name!r} is unknown; choose one of orthogonal, glorot, lecun, uniform, identity.")
