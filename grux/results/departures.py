"""What most runs of a group have in common, and where each of them departs from it."""

from collections import Counter
from collections.abc import Mapping, Sequence

from grux.results.record import Run
from grux.results.select import NEUTRAL, flatten, titled

Settings = dict[str, str]


def settings_of(run: Run) -> Settings:
    """The choices and every config key that may change a score, values as text."""
    config = {key: value for key, value in flatten(run.config).items() if key.split(".")[0] not in NEUTRAL}
    choices = {key: value for key, value in run.choices.items() if key not in NEUTRAL}
    return {**choices, **{key: value for key, value in config.items() if not key.endswith("_partial_")}}


def common_settings(runs: Sequence[Run]) -> Settings:
    """The keys on whose value more than half of the runs agree."""
    return _agreed([settings_of(run) for run in runs if run.config])


def departures(runs: Sequence[Run]) -> list[Settings]:
    """For each run the settings that are not the common ones.

    What lies below a choice follows from it: such a key is named only where the run departs from those of its choice.
    """
    all_settings = [settings_of(run) for run in runs]
    common = common_settings(runs)
    groups = sorted({group for run in runs for group in run.choices} - NEUTRAL)
    by_choice = {
        (group, choice): _agreed(
            [own for own, run in zip(all_settings, runs, strict=True) if run.choices.get(group) == choice]
        )
        for group in groups
        for choice in {run.choices.get(group) for run in runs}
    }
    found = []
    for run, own in zip(runs, all_settings, strict=True):
        departing = {}
        for key, value in own.items():
            group, _, below = key.partition(".")
            follows = below and group in groups and run.choices.get(group) != common.get(group)
            expected = by_choice[group, run.choices.get(group)] if follows else common
            if expected.get(key) != value:
                departing[key] = value
        found.append(departing)
    return found


def told_apart(runs: Sequence[Run], shown: Sequence[str] = ()) -> list[str]:
    """For each run the settings by which it differs from others of its group, arch and data: "features=64 clip=0.5".

    What stands in a column of its own (`shown`), or follows from a choice that does, is left out.
    """
    alike: dict[tuple[str, str, str], list[Settings]] = {}
    each = []
    for run in runs:
        own = {key: v for key, v in settings_of(run).items() if key.split(".")[0] not in shown and key not in shown}
        each.append(((run.experiment, run.choices.get("arch", ""), run.choices.get("data", "")), own))
        if run.config:
            alike.setdefault(each[-1][0], []).append(own)
    keys = {kind: [key for key in varying(all_of) if "_target_" not in key] for kind, all_of in alike.items()}
    return [
        " ".join(titled(key, own[key]) for key in keys.get(kind, []) if key in own and run.config)
        for run, (kind, own) in zip(runs, each, strict=True)
    ]


def varying(mappings: Sequence[Mapping[str, str]]) -> dict[str, list[str]]:
    """Key -> its values where not all mappings give the same, in order of appearance."""
    keys = list(dict.fromkeys(key for mapping in mappings for key in mapping))
    values = {key: list(dict.fromkeys(mapping.get(key, "none") for mapping in mappings)) for key in keys}
    return {key: found for key, found in values.items() if len(found) > 1}


def _agreed(all_settings: Sequence[Settings]) -> Settings:
    agreed = {}
    for key in dict.fromkeys(key for own in all_settings for key in own):
        counted = Counter(own.get(key) for own in all_settings)
        value, count = counted.most_common(1)[0]
        if value is not None and 2 * count > len(all_settings):
            agreed[key] = value
    return agreed
