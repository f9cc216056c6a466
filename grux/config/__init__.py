"""From a command line to a checked config: compose, check, build, identify.

    composed = compose(["arch=lstm", "data=sst2", "seeds=3"])   # Hydra; no JAX
    check_settings(composed.config)                              # keys, types, ranges, target names; no JAX
    check_nodes(composed.config)                                 # every node against its constructor
    check_pair(composed.config)                                  # a task that the data are made for
    layer = build(composed.config["arch"])

Everything that is wrong with a config is a `UsageError` of one sentence, raised before data are fetched or anything is
trained.
"""

from grux.config.build import build
from grux.config.check import check_nodes, check_pair, check_settings, check_words
from grux.config.compose import Composed, compose, configs_folder, expand, plugins_of
from grux.config.identity import run_id

__all__ = [
    "Composed",
    "build",
    "check_nodes",
    "check_pair",
    "check_settings",
    "check_words",
    "compose",
    "configs_folder",
    "expand",
    "plugins_of",
    "run_id",
]
