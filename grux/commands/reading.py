"""How a finished run reads a file: as the one that it was trained on, and as the command line says."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from grux.errors import UsageError

if TYPE_CHECKING:
    from grux.data.own_rows import Reading
    from grux.trained import Trained


def reading_of(model: "Trained", words: Sequence[str], **usual: Any) -> tuple["Reading", str | None]:
    """(the settings, the column of times of the training file); `words` are data.KEY=VALUE, as for `grux train`.

    What neither the words nor the training data say is as in data=csv_series, but for what is `usual` here. The column
    of times is among the settings only where the words name it: another file may call it otherwise.
    """
    from grux.config.check import signature
    from grux.config.compose import compose
    from grux.config.values import check_value
    from grux.data.csv_series import csv_series
    from grux.data.own_rows import Reading

    known = [field.name for field in dataclasses.fields(Reading)]
    keys = [word.partition("=")[0].removeprefix("data.") for word in words]
    for word, key in zip(words, keys, strict=True):
        if not word.startswith("data.") or "=" not in word or key not in known:
            raise UsageError(f"{word!r} does not say how a file is read; there are data.{', data.'.join(known)}.")
    settings = compose(["data=csv_series", *words]).config["data"]
    annotations = signature(csv_series)
    for key in keys:
        check_value(settings[key], annotations[key].annotation, f"data.{key}")
    trained_on = model.run.config["data"]
    same = {**usual, **{key: trained_on[key] for key in known if key in trained_on}}
    found = {key: settings[key] if key in keys else same.get(key, settings[key]) for key in known}
    return Reading(**{**found, "time": settings["time"]}), same.get("time")
