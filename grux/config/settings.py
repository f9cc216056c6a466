"""The top level of a config: the names, types and ranges of what `configs/train.yaml` declares."""

from typing import Annotated, Any, Literal, TypedDict, get_type_hints

from grux.arguments import NonNegativeInt, PositiveFloat, PositiveInt, Range

GROUPS = ("arch", "data", "task", "model", "optimizer", "schedule")
"""Nodes that are chosen by name (`arch=gru`) and hold a `_target_`."""

# JAX folds a seed into 32 bits: a larger one would silently be another seed.
Seed = Annotated[int, Range(0, 2**31 - 1)]


class Settings(TypedDict):
    """Every top-level key that is no group."""

    group: str
    seeds: PositiveInt
    first_seed: Seed
    batch_size: PositiveInt
    epochs: PositiveInt
    steps: PositiveInt | None
    eval_every: PositiveInt | None
    patience: PositiveInt | None
    learning_rate: PositiveFloat
    clip: PositiveFloat | None
    initial_scale: PositiveFloat
    accumulate: PositiveInt
    steps_per_dispatch: PositiveInt
    seed_strategy: Literal["auto", "vmap", "map", "shard"]
    together: list[str]
    mesh: dict[str, Any]
    checkpoint_every: PositiveInt
    max_to_keep: PositiveInt
    runs: str
    run_dir: str | None
    force: bool
    tensorboard: bool
    progress: Literal["auto", "rich", "plain", "none"]
    plugins: list[str]


class Mesh(TypedDict):
    """The keys of `mesh`."""

    data: PositiveInt
    hosts: PositiveInt
    coordinator: str | None
    host: NonNegativeInt | None


MESH = get_type_hints(Mesh, include_extras=True)
SETTINGS = get_type_hints(Settings, include_extras=True)
"""Name -> annotation."""

GIVEN = {
    "arch": frozenset({"in_features", "features", "rngs"}),
    "model": frozenset({"info", "layer", "rngs", "in_features"}),
    "task": frozenset({"info"}),
    "data": frozenset(),
    "optimizer": frozenset({"learning_rate", "mask"}),
    "schedule": frozenset({"learning_rate", "total_steps"}),
}
"""Arguments that grux fills in itself when it builds the node: a config must not set them."""
