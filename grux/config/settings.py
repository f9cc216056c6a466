"""The top level of a config: the names, types and ranges of what `configs/train.yaml` declares."""

from typing import Annotated, Literal, TypedDict, get_type_hints

from grux.arguments import NonNegativeInt, PositiveFloat, PositiveInt, Range

GROUPS = ("arch", "data", "task", "model", "optimizer", "schedule")
"""Nodes that are chosen by name (`arch=gru`) and hold a `_target_`."""

# JAX folds a seed into 32 bits: a larger one would silently be another seed.
Seed = Annotated[int, Range(0, 2**31 - 1)]


class Launcher(TypedDict):
    """The node `launcher`: how the jobs of a sweep are started. Nothing in it changes a result."""

    jobs: PositiveInt | Literal["auto"]
    retries: NonNegativeInt
    max_jobs: PositiveInt
    memory: PositiveFloat | None
    time_limit: PositiveFloat | None


class Mesh(TypedDict):
    """The node `mesh`: the devices that share each batch. Nothing in it changes a result but for rounding."""

    data: PositiveInt
    hosts: PositiveInt
    coordinator: str | None
    host: NonNegativeInt | None


class Settings(TypedDict):
    """Every top-level key that is no group."""

    group: str
    seeds: PositiveInt
    first_seed: Seed
    match: Literal["parameters", "state", "flops", "step_time"] | None
    budget: PositiveFloat | None
    match_rule: Literal["all", "chung", "tai", "bai", "melis", "carried", "training", "forward", "step"] | None
    match_tolerance: PositiveFloat
    batch_size: PositiveInt
    epochs: PositiveInt
    steps: PositiveInt | None
    flops: PositiveFloat | None
    seconds: PositiveFloat | None
    eval_every: PositiveInt | None
    patience: PositiveInt | None
    test_weights: Literal["best", "last", "every"]
    learning_rate: PositiveFloat
    clip: PositiveFloat | None
    initial_scale: PositiveFloat
    accumulate: PositiveInt
    steps_per_dispatch: PositiveInt
    seed_strategy: Literal["auto", "vmap", "map", "shard"]
    role: Literal["result", "search"]
    together: list[str]
    checkpoint_every: PositiveInt
    max_to_keep: PositiveInt
    runs: str
    run_dir: str | None
    force: bool
    tensorboard: bool
    progress: Literal["auto", "rich", "plain", "none"]
    plugins: list[str]


SETTINGS = get_type_hints(Settings, include_extras=True)
"""Name -> annotation."""

MATCH_RULES = {
    "parameters": ("all", "chung", "tai", "bai", "melis"),
    "state": ("carried",),
    "flops": ("training", "forward", "step"),
    "step_time": (),
}
"""What `match` can ask for -> the rules by which it is counted (`grux.counting.match`)."""

LENGTHS = ("steps", "flops", "seconds")
"""The settings that end a training in place of `epochs`; one of them at most."""

NODES = {name: get_type_hints(node, include_extras=True) for name, node in (("launcher", Launcher), ("mesh", Mesh))}
"""Mappings of plain settings: name -> name -> annotation."""

GIVEN = {
    "arch": frozenset({"in_features", "features", "rngs"}),
    "model": frozenset({"info", "layer", "rngs", "in_features"}),
    "task": frozenset({"info"}),
    "data": frozenset(),
    "optimizer": frozenset({"learning_rate", "mask"}),
    "schedule": frozenset({"learning_rate", "total_steps"}),
}
"""Arguments that grux fills in itself when it builds the node: a config must not set them."""
