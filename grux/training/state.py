"""Everything that a training step changes, for one member or, with a leading axis, for several.

A member is one seed of one setting. What a setting is made of, numbers that may differ between the members of one
program, is an input of the program and no state: no step changes it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from grux.shapes import Array, Key
from grux.training.optimizers import decay_mask

# Names of the random streams of a seed. Each is folded into the seed's key, so that asking one stream more or less
# does not move the others: dropout on or off, the weights start the same.
WEIGHTS, DROPOUT = 0, 1


Values = dict[str, Array]
"""Key of the config to float32 []: the numbers of one member that others of its program have otherwise."""


class Learner(NamedTuple):
    """What one member trains, and how."""

    build_model: Callable[[nnx.Rngs], nnx.Module]
    optimizer: optax.GradientTransformationExtraArgs
    initial_scale: float | Array = 1.0
    """Factor of every weight matrix at the start; see `scaled_weights`."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class TrainState:
    """One member's training. All of it goes into a checkpoint; keys are made from `seed` and `step`."""

    seed: Array
    """uint32 []."""
    step: Array
    """int32 []: optimiser steps taken."""
    params: Any
    opt_state: Any
    active: Array
    """bool []: false once the seed has stopped early or diverged; then nothing changes any more."""
    diverged: Array
    """bool []: a loss or gradient that was not finite; the parameters are those of the step before."""
    best_params: Any
    best_value: Array
    """float32 []: the selection metric at `best_step`, +inf or -inf before the first evaluation."""
    best_step: Array
    """int32 []; -1 before the first evaluation."""
    waited: Array
    """int32 []: evaluations since the best one."""
    carry: Any = ()
    """Where the model stands in its data, for data whose batches go on from one another."""


def seed_key(seed: Array, stream: int) -> Key:
    """The key of one random stream of a seed. The generator is named: its default may change between versions."""
    return jax.random.fold_in(jax.random.key(seed, impl="threefry2x32"), stream)


def initial_state(
    seed: Array,
    params: Any,
    optimizer: optax.GradientTransformationExtraArgs,
    higher_is_better: bool,
    carry: Any = (),
) -> TrainState:
    """The state before the first step."""
    return TrainState(
        seed=seed,
        step=jnp.zeros((), jnp.int32),
        params=params,
        opt_state=optimizer.init(params),
        active=jnp.ones((), bool),
        diverged=jnp.zeros((), bool),
        best_params=params,
        best_value=jnp.asarray(-jnp.inf if higher_is_better else jnp.inf, jnp.float32),
        best_step=jnp.full((), -1, jnp.int32),
        waited=jnp.zeros((), jnp.int32),
        carry=carry,
    )


def scaled_weights(params: Any, scale: float | Array) -> Any:
    """The parameters with every weight matrix times `scale`: those on which weight decay falls.

    Biases, scales of norms, logarithms and learned states have a meaning of their own where they start, and an
    embedding is an input of the network, which a task on float features has not.
    """
    if isinstance(scale, float) and scale == 1.0:
        return params
    return jax.tree.map(lambda x, is_weight: x * scale if is_weight else x, params, decay_mask(params))
