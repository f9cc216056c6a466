"""`grux detect`: what is unusual in a file, by a model of usual data."""

import csv
import dataclasses
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grux.commands.reading import reading_of
from grux.commands.use import parser, trained, within
from grux.errors import DataError, UsageError

if TYPE_CHECKING:
    import numpy as np

    from grux.data.stretches import Stretches
    from grux.trained import Trained

EXAMPLES = """\
  grux detect gru-nab-1a2b3c4d --input taxis.csv                     time, score and flag of each row
  grux detect RUN --input my.csv --output flags.csv --picture flags.png
  grux detect RUN --input my.csv --threshold 3.5 data.impute=previous data.time=stamp
  grux detect RUN --input beats.csv                                  a run on ecg5000: 140 values on each line
"""
BATCH = 64


def run(arguments: Sequence[str]) -> int:
    made = parser("detect", "A score and a flag for each row of a file: how unlike the training data it is.", EXAMPLES)
    made.add_argument("settings", nargs="*", metavar="data.KEY=VALUE", help="how the file is read, as in training")
    made.add_argument("--input", required=True, metavar="FILE", help="a CSV file with the columns of the training")
    made.add_argument("--threshold", type=within(float, 0), metavar="X", help="default: that of validation")
    made.add_argument("--output", metavar="FILE", help="CSV: time (or row), score, flag (default: standard output)")
    made.add_argument("--picture", metavar="FILE", help="series, scores, threshold and what is flagged; .png or .svg")
    given = made.parse_intermixed_args(arguments)
    if given.picture:
        from grux.commands.pictures import kind_of

        kind_of(given.picture)
    model = trained(given, "anomaly")

    import numpy as np

    from grux.results.record import write_output

    decision = _decision(model)
    threshold, rule = (
        (decision["threshold"], decision["rule"]) if given.threshold is None else (given.threshold, "as given")
    )
    names, values, bucket, items = _read(model, given.input, given.settings)
    judged = scores_of(model, bucket, items, np.array(decision["scale"], np.float64))
    scores = np.concatenate([np.full(len(names) - len(judged), np.nan), judged])
    flags = scores > threshold  # a row without a score has no flag
    text = _table("row" if model.info.stride is None else "time", names, scores, flags)
    if given.output:
        write_output(given.output, text)
    else:
        sys.stdout.write(text)
    if given.picture:
        from grux.commands.detect_picture import picture
        from grux.commands.pictures import write_picture

        write_picture(picture(model, names, values, scores, flags, threshold, rule), given.picture)
    what = "sequences" if model.info.stride is None else "rows"
    unjudged = len(names) - len(judged)
    past = f"; the first {unjudged} {what} have no score, they are the past of the others" if unjudged else ""
    print(
        f"{flags.sum()} of {len(judged)} {what} flagged, threshold {threshold:.4g} ({rule}), by {model.title}{past}",
        file=sys.stderr,
    )
    return 0


def scores_of(model: "Trained", bucket: "Stretches", items: "np.ndarray", scale: "np.ndarray") -> "np.ndarray":
    """float64 [N]: the score of each item, 1 being as usual as validation was."""
    import jax
    import numpy as np

    from grux.config import build
    from grux.data.base import in_batches
    from grux.tasks.anomaly import item_scores

    task = build(model.run.config["task"])(info=model.info)  # whose own errors made the threshold
    errors = jax.jit(lambda batch: task.collect(model.model(batch, key=None), batch))
    found = [np.asarray(errors(batch))[real] for batch, real in in_batches(bucket, BATCH)]
    return item_scores(np.concatenate(found), items, scale)


def _decision(model: "Trained") -> dict[str, Any]:
    rows = (model.run.record or {})["seeds"]
    found = next(row.get("decision") for row in rows if row["seed"] == model.seed)
    if not found:
        raise UsageError(
            f"{model.title} was trained by a grux that kept no threshold, or in another form; train it again with "
            "force=true."
        )
    return found


def _read(
    model: "Trained", file: str, settings: Sequence[str]
) -> tuple[list[str], "np.ndarray", "Stretches", "np.ndarray"]:
    """(name of each row, raw values [N, D] or [n, T], what the model reads, its items)."""
    import numpy as np

    from grux.data.anomaly import judged_rows, judged_sequences, read_sequences
    from grux.data.own import own_path

    info = model.info
    path = own_path(file, "--input")
    assert info.window and info.means and info.deviations and info.channels  # of every data set for this task
    if info.stride is None:
        if settings:
            raise UsageError(f"{settings[0]} is for a series, and {model.title} reads sequences; leave it out.")
        values = read_sequences(path, info.window)
        scaled = (values - info.means[0]) / info.deviations[0]
        return list(map(str, range(1, len(values) + 1))), values, *judged_sequences(scaled, np.ones(len(values), bool))
    times, values = _series(model, path, settings)
    if len(values) < info.window:
        raise DataError(
            f"{path} has {len(values)} rows, and {model.title} reads {info.window} at once; give it that many or more."
        )
    scaled = ((values - np.array(info.means)) / np.array(info.deviations)).astype(np.float32)
    normal = np.ones(len(values), bool)
    return times, values, *judged_rows(scaled, normal, info.window - info.stride, info.window, info.stride)


def _series(model: "Trained", path: Path, settings: Sequence[str]) -> tuple[list[str], "np.ndarray"]:
    """The time of each row as the file writes it, and the channels of the training, raw, float64 [N, D]."""
    from grux.data.own_rows import read_rows
    from grux.data.own_series import imputed

    # Data that are not the user's own (NAB) count rows, not time.
    reading, usual = reading_of(model, settings, irregular="keep")
    reading = dataclasses.replace(reading, time=reading.time or usual)
    found = read_rows({"input": path}, list(model.info.channels or ()), reading)
    values = imputed(found.rows, [len(found.rows)], reading.impute, model.info.means).values
    return found.stamps, values


def _table(first: str, names: Sequence[str], scores: "np.ndarray", flags: "np.ndarray") -> str:
    text = io.StringIO()
    out = csv.writer(text, lineterminator="\n")
    out.writerow([first, "score", "flag"])
    out.writerows(
        [name, "" if score != score else f"{score:.6g}", int(flag)]
        for name, score, flag in zip(names, scores, flags, strict=True)
    )
    return text.getvalue()
