"""Join an optax optimiser with its schedule, clipping and weight-decay mask."""

import inspect
from collections.abc import Callable
from typing import Any

import jax
import optax

from grux.shapes import Array
from grux.training.schedules import Plateau, Schedule

NOT_DECAYED = ("bias", "embedding", "table", "initial", "nu", "theta", "gamma")
"""Parameters by these names keep their size, as do those whose name starts with "b_" or "scale": decay is for weight
matrices.

A `table` is an embedding, `initial` a learned state; nu, theta and gamma are logarithms in an LRU, and decay would pull
its memory towards one length.
"""


def make_optimizer(
    optimizer: Callable[..., optax.GradientTransformation],
    schedule: Schedule,
    *,
    clip: float | Array | None = None,
) -> optax.GradientTransformationExtraArgs:
    """Clip to a global norm of `clip`, then `optimizer(learning_rate=schedule)`, then the scale of a `Plateau`.

    `optimizer` is an optax function with its hyper-parameters bound, as built from `configs/optimizer/`. The result
    takes `update(gradients, state, params, value=loss)`; only a plateau reads the value. Pure functions: the state
    can be stacked over seeds under `vmap`.
    """
    # optax spells it in two ways; without one, weight decay would shrink biases and embeddings too.
    known = inspect.signature(optimizer).parameters
    options: dict[str, Any] = {name: decay_mask for name in ("mask", "weight_decay_mask") if name in known}
    parts = [optax.clip_by_global_norm(clip)] if clip is not None else []
    parts.append(optimizer(learning_rate=schedule, **options))
    if isinstance(schedule, Plateau):
        parts.append(schedule.transformation())
    return optax.with_extra_args_support(optax.chain(*parts))


def decay_mask(params: Any) -> Any:
    """True for weight matrices, false for biases, scales of norms and embeddings; a tree like `params`."""
    return jax.tree_util.tree_map_with_path(lambda path, _: _decays(path), params)


def _decays(path: tuple[Any, ...]) -> bool:
    # The last entry with a name is the parameter: below it NNX may put `.value`, and a list of gates a number.
    names = [str(name) for entry in path if isinstance(name := _name(entry), str) and name != "value"]
    return not names or not (names[-1] in NOT_DECAYED or names[-1].startswith(("b_", "scale")))


def _name(entry: Any) -> Any:
    return getattr(entry, "key", getattr(entry, "name", getattr(entry, "idx", None)))
