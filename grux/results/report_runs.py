"""The runs of a report: a table of all, what they have in common, and a fold for each with all that is known of it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from grux.results.departures import common_settings, departures, varying
from grux.results.listing import NUMBERS, score_of
from grux.results.markup import Markup, element, joined
from grux.results.overview import reason_of, record_facts, score_text, seed_grid
from grux.results.record import Run
from grux.results.select import value_of
from grux.results.selection import BEST_VAL, Selection
from grux.results.units import short_count, short_seconds

MOST_KEYS = 6  # columns of settings beside rows and columns of the table

Cell = tuple[str, float | str | None]
"""What a cell shows, and what it sorts by (None: nothing)."""
Commands = Mapping[Path, tuple[str, str]]
"""Path of a run -> the command that makes it again, and a remark."""


def sorted_table(heads: Sequence[tuple[str, str]], bodies: Sequence[Sequence[Sequence[Cell]]], name: str) -> Markup:
    """A table whose heads are (text, "text" or "number"); the first column names the line. `name` is its id."""
    top = [element("th", text, scope="col", data_sort_by=kind, class_=_side(kind)) for text, kind in heads]
    parts = []
    for body in bodies:
        lines = []
        for line in body:
            cells = [
                element(
                    "th" if number == 0 else "td",
                    shown,
                    scope="row" if number == 0 else None,
                    class_=_side(kind),
                    data_sort="" if value is None else value if isinstance(value, str) else repr(value),
                )
                for number, ((shown, value), (_, kind)) in enumerate(zip(line, heads, strict=True))
            ]
            lines.append(element("tr", *cells))
        parts.append(element("tbody", *lines))
    drawn = element("table", element("thead", element("tr", *top)), *parts, id=name)
    return element("div", drawn, class_="scroll")


def runs_table(runs: Sequence[Run], rows: str, columns: str, selection: Selection) -> Markup:
    """A line for each run, linked to its fold: what tells it from the others, state, score by this rule, cost, age."""
    different = varying([own | {"state": ""} for own in departures(runs)])
    keys = list(dict.fromkeys([rows, columns, *different]))[: MOST_KEYS + 2]
    keys = [key for key in keys if key != "state" and any(value_of(run, key) for run in runs)]
    score_head = "score" if selection == BEST_VAL else f"score ({selection.rule})"
    heads = [("run", "text"), *((key, "text") for key in keys), ("state", "text"), (score_head, "number")]
    heads += [("parameters", "number"), ("seconds", "number"), ("created", "text")]
    lines: list[list[Cell]] = []
    for number, run in enumerate(runs):
        parameters, seconds = (NUMBERS[name](run) for name in ("parameters", "seconds"))
        found = score_of(run, selection)
        values = [value_of(run, key) or "" for key in keys]
        lines.append(
            [
                (element("a", run.run_id, href=f"#run-{number + 1}"), run.run_id),
                *((value, value) for value in values),
                (_state(run), run.state),
                (score_text(run, selection) if found else "", found.mean if found else None),
                ("" if parameters is None else short_count(int(parameters)), parameters),
                ("" if seconds is None else short_seconds(seconds), seconds),
                (run.created[:10], run.created),
            ]
        )
    return sorted_table(heads, [lines], "runs")


def failures(runs: Sequence[Run]) -> list[Markup]:
    """A line for each run that is not done and each seed that diverged, with the reason."""
    found = []
    for number, run in enumerate(runs):
        link = element("a", run.run_id, href=f"#run-{number + 1}")
        if not run.record:
            found.append(joined(link, ": ", _state(run), f". {reason_of(run)}" if run.problem else ""))
            continue
        for entry in run.record["seeds"]:
            if entry["status"] != "done":
                steps = f" after {entry['steps']} steps" if entry.get("steps") else ""
                found.append(joined(link, f": seed {entry['seed']} {entry['status']}{steps}"))
    return found


def folds(runs: Sequence[Run], commands: Commands, selection: Selection) -> list[Markup]:
    """Everything about each run, folded away below its score by this rule."""
    common = common_settings(runs)
    pairs = zip(runs, departures(runs), strict=True)
    scores = [score_text(run, selection) if run.record else "" for run in runs]
    return [_fold(number + 1, run, scores[number], own, common, commands) for number, (run, own) in enumerate(pairs)]


def listed(pairs: Sequence[tuple[str, str]]) -> Markup:
    """Names and what belongs to them."""
    return element("dl", *(element(tag, text) for pair in pairs for tag, text in zip(("dt", "dd"), pair, strict=True)))


def _fold(
    number: int, run: Run, score: str, own: Mapping[str, str], common: Mapping[str, str], commands: Commands
) -> Markup:
    parts = [element("summary", run.run_id, " ", _state(run), f" {score}" if score else "")]
    if run.problem:
        parts.append(element("p", reason_of(run), class_="problem"))
    lines: list[list[Cell]] = [[_plain(key), _plain(value), _plain(common.get(key, "–"))] for key, value in own.items()]
    parts.append(element("h3", "Where it departs from the common config"))
    heads = [("key", "text"), ("this run", "text"), ("most runs", "text")]
    parts.append(sorted_table(heads, [lines], f"departures-{number}") if lines else element("p", "Nowhere."))
    command, remark = commands.get(run.path, ("", ""))
    parts.append(element("h3", "Command"))
    if command:
        parts.append(element("pre", element("code", command)))
    if remark or not command:
        parts.append(element("p", remark or "Its config is not known.", class_="small quiet"))
    if run.record:
        parts += [element("h3", "Scores"), _scores(run, number), element("h3", "Provenance")]
        facts = [(name, str(value)) for name, value in record_facts(run.record) if value not in (None, "", {})]
        parts.append(listed([("folder", str(run.path)), *facts]))
    else:
        parts.append(listed([("folder", str(run.path))]))
    return element("details", *parts, id=f"run-{number}")


def _scores(run: Run, number: int) -> Markup:
    assert run.record is not None
    heads, parts = seed_grid(run.record)
    kinds = [(head, "text" if place in (0, 3) else "number") for place, head in enumerate(heads)]
    bodies = [[[(text, _sort_value(text)) for text in line] for line in part] for part in parts]
    return sorted_table(kinds, bodies, f"seeds-{number}")


def _plain(text: str) -> Cell:
    return text, text


def _sort_value(text: str) -> float | str | None:
    first = text.split(" ", 1)[0]
    try:
        return float(first)
    except ValueError:
        return text if text != "–" else None


def _state(run: Run) -> Markup:
    return element("span", run.state, class_=run.state)


def _side(kind: str) -> str | None:
    return "label" if kind == "text" else None
