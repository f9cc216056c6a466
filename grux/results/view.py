"""How runs are laid out as a table: the options of `grux table`, and the same in an experiment's `table.yaml`.

    # experiments/cells_on_text/table.yaml
    rows: arch
    columns: data
    reference: gru
    show: [parameters, flops, seconds]
    baselines: best
    names: {sst2: film reviews, imdb: long film reviews}

`names` call lines by other names than their values, in that order; names of lines that are not there are no mistake.
Beside it may lie `reported.csv`: the scores of papers, see `grux.results.reported`.
"""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grux.errors import DataError, UsageError
from grux.nearest import nearest_keys
from grux.results.facts import DEFAULT
from grux.results.selection import RULES
from grux.results.statistics import INTERVALS

EXPERIMENTS = Path("experiments")
BASELINES = ("all", "best", "none")
"""A row for each method that was not trained, one with the best of them on each line, or none."""


@dataclass(frozen=True)
class View:
    """Every option of a table; what each means stands in `grux table --help`."""

    rows: str = "arch"
    columns: str = "data"
    split: str = "test"
    metric: str | None = None
    select: str = "best_val"
    last: int = 5
    interval: str = "t"
    reference: str | None = None
    aggregate: str | None = None
    show: tuple[str, ...] = DEFAULT
    baselines: str = "all"
    names: Mapping[str, str] = field(default_factory=dict)
    """What a line is called in the table, by its value of the key, and in which order they stand; only in a file."""
    reported: str | None = None
    places: Mapping[str, str] = field(default_factory=dict, compare=False)
    """Option -> the file that says it; the others stand on the command line, or nowhere."""

    def __post_init__(self) -> None:
        known_values = {"select": RULES, "interval": INTERVALS, "baselines": BASELINES}
        for name, known in known_values.items():
            if (value := getattr(self, name)) not in known:
                raise UsageError(f"--{name} {value} is not known; choose one of {', '.join(known)}.")
        if self.last < 1:
            raise UsageError(f"--last {self.last} must be at least 1: the number of evaluations that are averaged.")
        if self.bounds is not None and not all(self.bounds):
            raise UsageError(f"--aggregate {self.aggregate} must be ZERO:ONE, such as elman:gru or 0:gru.")
        if self.bounds is not None and self.select == "max_over_seeds":
            raise UsageError(
                "--aggregate takes every seed and --select max_over_seeds the best alone; leave out one of the two."
            )
        if self.rows == self.columns:
            raise UsageError(
                f"--rows and --columns are both {self.rows}; give two different keys, such as arch and data."
            )

    def changed(self, **changes: Any) -> "View":
        """The same with other options, which then are those of the command line."""
        places = {name: place for name, place in self.places.items() if name not in changes}
        return dataclasses.replace(self, **changes, places=places)

    def said(self, option: str) -> str:
        """The option as it was written: `--rows arch`, or the line of the file."""
        value = getattr(self, option)
        if option == "names":  # which only a file has
            return f"names in '{self.places[option]}'" if option in self.places else option
        text = ",".join(value) if isinstance(value, tuple) else value
        return f"{option}: {text} in '{self.places[option]}'" if option in self.places else f"--{option} {text}"

    @property
    def bounds(self) -> tuple[str, str] | None:
        """What the scores of all data sets are normalised by: (zero, one)."""
        if self.aggregate is None:
            return None
        zero, _, one = self.aggregate.partition(":")
        return zero.strip(), one.strip()


def show_of(text: str) -> tuple[str, ...]:
    """The names of `--show a,b`; `none` for no column."""
    return () if text == "none" else tuple(name.strip() for name in text.split(",") if name.strip())


def experiment_view(name: str, root: Path = EXPERIMENTS) -> View:
    """How the experiment of this name wants its table: its `table.yaml` and `reported.csv`, where it has them."""
    folder = root / name
    found = read_view(folder / "table.yaml") if (folder / "table.yaml").is_file() else View()
    if found.reported is None and (folder / "reported.csv").is_file():
        return dataclasses.replace(found, reported=str(folder / "reported.csv"))
    return found


def read_view(path: Path) -> View:
    """The file's options; a relative `reported` lies beside it. Raises DataError for what cannot be meant."""
    import yaml  # only experiments with a file of their own need it

    try:
        content = yaml.load(path.read_bytes(), yaml.SafeLoader)
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise DataError(f"'{path}' cannot be read ({' '.join(str(error).split())}); repair the file.") from error
    if content is None:
        return View()
    if not isinstance(content, dict):
        raise DataError(f"'{path}' must hold lines like `rows: arch`; repair the file.")
    options: dict[str, Any] = {}
    for key, value in content.items():
        if key == "question":  # for the report, see grux.results.question
            continue
        if key not in READERS:
            near = nearest_keys(str(key), READERS)
            hint = f"did you mean {near[0]}?" if near else f"there is {', '.join(READERS)}."
            raise DataError(f"'{path}': unknown key {key}: {hint}")
        options[key] = READERS[key](value, f"'{path}': {key}")
    if options.get("reported"):
        options["reported"] = str(path.parent / options["reported"])
    try:
        return View(**options, places=dict.fromkeys(options, str(path)))
    except UsageError as error:
        raise DataError(f"'{path}': {error}") from error


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value:
        raise DataError(f"{where} must be a text, but is {value!r}; quote it.")
    return value


def _whole(value: Any, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise DataError(f"{where} must be a whole number, but is {value!r}.")
    return value


def _names(value: Any, where: str) -> tuple[str, ...]:
    if isinstance(value, str):
        return show_of(value)
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise DataError(f"{where} must be a list of names, such as [parameters, seconds].")
    return tuple(value)


def _names_of_lines(value: Any, where: str) -> dict[str, str]:
    if not isinstance(value, dict) or not all(
        isinstance(each, str) and each for pair in value.items() for each in pair
    ):
        raise DataError(f'{where} must hold lines like `"ett, h1": ETTh1`, texts all of them; quote them.')
    if len(set(value.values())) < len(value):
        raise DataError(f"{where} gives two lines one name; give each its own.")
    return dict(value)


READERS: dict[str, Callable[[Any, str], Any]] = {
    option.name: {"last": _whole, "show": _names, "names": _names_of_lines}.get(option.name, _text)
    for option in dataclasses.fields(View)
    if option.name != "places"
}
