"""How a sweep is launched: the node `launcher` of a config as one object."""

from dataclasses import dataclass, replace
from typing import Any, Literal

from grux.errors import UsageError


@dataclass(frozen=True)
class Settings:
    """What `launcher.*` says; its names, types and ranges are checked by `grux.config`."""

    jobs: int | Literal["auto"] = "auto"
    """Runs at a time."""
    retries: int = 0
    """How often a run that failed is started again."""
    max_jobs: int = 200
    """The largest sweep that is started without being asked for by this very key."""
    memory: float | None = None
    """GiB that one run may take before it is stopped."""
    time_limit: float | None = None
    """Minutes that one start of a run may take before it is asked to save and stop."""


def settings_of(configs: list[dict[str, Any]]) -> Settings:
    """The settings that the jobs of a sweep share. Raises `UsageError` where they differ."""
    nodes = [config["launcher"] for config in configs]
    for node in nodes:
        for key, value in node.items():
            if value != nodes[0][key]:
                raise UsageError(
                    f"launcher.{key} is {nodes[0][key]} in one job and {value} in another; it belongs to the sweep: "
                    "give it one value."
                )
    return Settings(**nodes[0])


def settings_here(configs: list[dict[str, Any]]) -> Settings:
    """The settings of jobs that share this machine; those matched by time have it to themselves, as when measured.

    Raises `UsageError` where they are to run side by side.
    """
    settings = settings_of(configs)
    if not any(config["match"] == "step_time" for config in configs):
        return settings
    if settings.jobs != "auto" and min(settings.jobs, len(configs)) > 1:
        raise UsageError(
            f"launcher.jobs={settings.jobs} shares the machine out, and match=step_time goes by times of a run that "
            "has all of it; give launcher.jobs=1, or leave it out."
        )
    return replace(settings, jobs=1)
