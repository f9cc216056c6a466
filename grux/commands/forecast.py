"""`grux forecast`: the next rows of a series in its own units, by a finished run, with intervals."""

import csv
import io
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from grux.commands.pictures import kind_of, write_picture
from grux.commands.reading import reading_of
from grux.commands.use import parser, trained, within
from grux.errors import UsageError

EXAMPLES = """\
  grux forecast gru-csv_series-1a2b3c4d --input sales.csv            the rows after the last one, as CSV
  grux forecast RUN --input sales.csv --output next.csv --picture next.png --level 0.9
  grux forecast RUN --input sales.csv data.time=day data.decimal=comma       how the file is read, as in training

The file has the columns of the run and a column of times; its last rows are what the run sees. A run of quantiles
gives these (load is the median, load_0.1 a quantile). Any other one gives load_low and load_high from its own errors on
earlier rows of the file (split conformal prediction): give it more of the past than it sees, and best rows that it was
not trained on. What the run knows ahead (data.known) stands in further rows, whose columns to forecast are empty.
"""
WINDOWS = 500
"""How many of the latest windows of a file say how far off forecasts are; earlier ones say less about tomorrow."""
BATCH = 64
LEVEL = 0.8


def run(arguments: Sequence[str]) -> int:
    made = parser("forecast", "The next rows of a series, in its own units, by a trained forecaster.", EXAMPLES)
    made.add_argument("reading", nargs="*", metavar="data.KEY=VALUE", help="how the file is read, as in training")
    made.add_argument("--input", required=True, metavar="FILE", help="a CSV file with a header")
    made.add_argument("--output", metavar="FILE", help="a CSV file (default: standard output)")
    made.add_argument("--picture", metavar="FILE", help="history, forecast and interval of each channel: .png or .svg")
    made.add_argument(
        "--level",
        type=within(float, 0, 1, above=True),
        metavar="P",
        help=f"probability of the interval (default: {LEVEL}, of quantiles the widest)",
    )
    given = made.parse_intermixed_args(arguments)
    if given.picture:
        kind_of(given.picture)

    model = trained(given, "forecasting")

    from grux.data.calendar import FEATURES
    from grux.data.own_history import read_history
    from grux.results.record import write_output

    info = model.info
    if info.channels is None or info.means is None or info.window is None or info.horizon is None:
        raise UsageError(f"{model.title} was trained by a grux that kept no units; train it again with force=true.")
    level = _level(model, given.level)
    reading, usual = reading_of(model, given.reading)
    ahead = list(zip(info.covariates or (), info.covariate_means or (), strict=True))
    known = [name for name, _ in ahead if name not in FEATURES]
    history = read_history(
        given.input,
        columns=info.channels,
        known=known,
        least=info.window,
        coming=info.horizon if known else 0,
        reading=reading,
        usual=usual,
        means=[*info.means, *(mean for name, mean in ahead if name not in FEATURES)],
    )
    times = [history.after(info.lead + step) for step in range(info.horizon)]
    forecast = Forecast(model, history.rows.values[:, : len(info.channels)], _covariates(info, history, times), level)
    text = _table(history, times, forecast.columns(info.channels))
    if given.output:
        write_output(given.output, text)
    else:
        print(text, end="")
    print(f"grux: {forecast.note}", file=sys.stderr)
    if given.picture:
        write_picture(_figure(model, history, times, forecast), given.picture)
    return 0


class Forecast:
    """What a run says about the rows after a history, in the units of the history, and how sure it is."""

    def __init__(self, model: Any, values: np.ndarray, covariates: np.ndarray, level: float | None):
        """`values` float64 [N, D] up to now; `covariates` [N + S, C], as the model reads them; `level` of `_level`."""
        info = model.info
        self.levels = _levels(model)
        self._means, self._deviations = np.asarray(info.means), np.asarray(info.deviations)
        self._model, self._info, self._covariates = model.model, info, covariates.astype(np.float32)
        scaled = ((values - self._means) / self._deviations).astype(np.float32)
        found = self._raw(self._of(scaled, [len(scaled) - info.window]))[0]
        self.quantiles = None if self.levels is None else np.sort(found, axis=-1)
        self.band: tuple[np.ndarray, np.ndarray] | None = None
        if self.levels is not None and self.quantiles is not None:
            self.values = self.quantiles[..., _place(self.levels, 0.5)]
            self.note = "no interval: the quantiles of the run are not the same on both sides."
            if level is not None:
                low, high = (_place(self.levels, q) for q in ((1 - level) / 2, (1 + level) / 2))
                self.band = (self.quantiles[..., low], self.quantiles[..., high])
                self.note = (
                    f"the interval is that between the quantiles {self.levels[low]:g} and {self.levels[high]:g}."
                )
        else:
            self.values = found
            self.band, self.note = self._conformal(values, scaled, LEVEL if level is None else level)

    def columns(self, channels: Sequence[str]) -> list[tuple[str, np.ndarray]]:
        """(name, [S]) of every column of the table."""
        found: list[tuple[str, np.ndarray]] = []
        for place, name in enumerate(channels):
            found.append((name, self.values[:, place]))
            if self.levels is not None and self.quantiles is not None:
                others = [(k, q) for k, q in enumerate(self.levels) if q != 0.5]
                found += [(f"{name}_{q:g}", self.quantiles[:, place, k]) for k, q in others]
            elif self.band is not None:
                low, high = (bound[:, place] for bound in self.band)
                found += [(f"{name}_low", low), (f"{name}_high", high)]
        return found

    def _conformal(
        self, values: np.ndarray, scaled: np.ndarray, level: float
    ) -> tuple[tuple[np.ndarray, np.ndarray] | None, str]:
        from grux.results.conformal import half_widths, least

        info = self._info
        ahead = info.window + info.lead - 1
        starts = np.arange(max(len(values) - ahead - info.horizon + 1, 0))[-max(WINDOWS, least(level) or 0) :]
        widths = None
        if len(starts):
            truth = values[(starts + ahead)[:, None] + np.arange(info.horizon)[None, :]]
            widths = half_widths(self._raw(self._of(scaled, starts.tolist())) - truth, level)
        if widths is None:
            needed = least(level)
            rows = "no number of rows is" if needed is None else f"{needed + ahead + info.horizon - 1} rows are"
            return None, (
                f"no intervals: a level of {level:g} is read from earlier forecasts in the file, for which {rows} "
                f"enough, and it has {len(values)}."
            )
        return (self.values - widths, self.values + widths), (
            f"the {level:.0%} interval is how far off the run was on {len(starts)} earlier windows of the file (split "
            "conformal); where it was trained on these rows, it is too narrow."
        )

    def _of(self, scaled: np.ndarray, starts: Sequence[int]) -> np.ndarray:
        """Forecasts [n, S, D] or [n, S, D, Q] from the windows that start at these rows."""
        import jax
        import jax.numpy as jnp

        from grux.batch import Batch

        window, horizon, channels = self._info.window, self._info.horizon, scaled.shape[1]
        predict = jax.jit(lambda batch: self._model(batch, key=None))
        size = min(BATCH, len(starts))
        found = []
        for first in range(0, len(starts), size):
            part = np.resize(np.asarray(starts[first : first + size]), size)  # one shape, compiled once
            seen = part[:, None] + np.arange(window)[None, :]
            rows = np.concatenate([scaled[seen], self._covariates[seen]], axis=-1)
            masks = np.ones((size, window), bool), np.ones((size, horizon), bool)
            coming = self._covariates[part[:, None] + window + np.arange(horizon)[None, :]]
            nothing = np.zeros((size, horizon, channels), np.float32)
            batch = Batch(rows, masks[0], nothing, masks[1], coming if self._info.covariates else None)
            found.append(np.asarray(predict(jax.tree.map(jnp.asarray, batch)))[: len(starts) - first])
        return np.concatenate(found)

    def _raw(self, forecasts: np.ndarray) -> np.ndarray:
        shape = (1, 1, -1, *[1] * (forecasts.ndim - 3))
        return forecasts * self._deviations.reshape(shape) + self._means.reshape(shape)


def _covariates(info: Any, history: Any, times: Sequence[Any]) -> np.ndarray:
    """[N + S, C]: what the model knows of the rows of the history and of those to come."""
    from grux.data.calendar import FEATURES, places

    ahead = history.ahead[: info.horizon]
    columns = np.concatenate([history.rows.values[:, len(info.channels) :], ahead]) if len(ahead) else np.zeros((0, 0))
    clock = [*history.rows.times, *times]
    given = iter(columns.T)
    found = [places(clock, name) if name in FEATURES else next(given) for name in info.covariates or ()]
    if not found:
        return np.zeros((len(clock), 0))
    return (np.stack(found, axis=1) - info.covariate_means) / info.covariate_deviations


def _levels(model: Any) -> tuple[float, ...] | None:
    levels = model.run.config["task"].get("quantiles")
    return None if levels is None else tuple(levels)


def _place(levels: Sequence[float], level: float) -> int:
    """Where a level stands among those of the run, of which it is one."""
    return int(np.abs(np.asarray(levels) - level).argmin())


def _level(model: Any, asked: float | None) -> float | None:
    """The probability of the interval; None where the quantiles of a run make none and none was asked for.

    Raises UsageError for one that the quantiles do not give.
    """
    levels = _levels(model)
    if levels is None:
        return LEVEL if asked is None else asked
    possible = [1 - 2 * q for q in levels if q < 0.5 and any(abs(own - (1 - q)) < 1e-6 for own in levels)]
    if asked is None:
        return possible[0] if possible else None
    for level in possible:
        if abs(level - asked) < 1e-6:
            return level
    known = ", ".join(f"{level:g}" for level in possible) or "none"
    raise UsageError(
        f"--level {asked:g} lies between no two quantiles of {model.title}, which has "
        f"{', '.join(f'{q:g}' for q in levels)}; possible: {known}."
    )


def _table(history: Any, times: Sequence[Any], columns: Sequence[tuple[str, np.ndarray]]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([history.time, *(name for name, _ in columns)])
    for step, time in enumerate(times):
        writer.writerow([history.stamp(time), *(f"{values[step]:.7g}" for _, values in columns)])
    return stream.getvalue()


def _figure(model: Any, history: Any, times: Sequence[Any], forecast: Forecast) -> Any:
    from grux.results.forecast_figure import forecast_figure

    shown = slice(-max(model.info.window, 2 * model.info.horizon), None)
    past = history.rows.times[shown], history.rows.values[shown]
    caption = f"By {model.title}: {forecast.note}"
    return forecast_figure("Forecast", model.info.channels, past, (times, forecast.values), forecast.band, caption)
