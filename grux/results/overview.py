"""Lists of runs and the story of one run, for `grux ls` and `grux show`."""

import datetime
import itertools
from collections.abc import Sequence
from typing import Any

from grux.results.confusion import confusion_grid, most_confused
from grux.results.departures import told_apart
from grux.results.grid import printable
from grux.results.listing import NUMBERS, summary_of
from grux.results.record import Run
from grux.results.schema import as_number
from grux.results.select import flatten, value_of
from grux.results.selection import BEST_VAL, Selection
from grux.results.statistics import summarise
from grux.results.terminal import Page, ruled_table
from grux.results.trials import is_search
from grux.results.units import Unit, decimals_for, direction, short_seconds

COLOURS = {"done": "green", "running": "cyan", "failed": "red", "damaged": "red", "interrupted": "yellow"}


def list_runs(runs: Sequence[Run], shown: Sequence[str] = ()) -> str:
    """A line for each run in the order given: id, group, choices that differ, state, score, seconds, age.

    `shown`: further keys with a column of their own, and columns that stay where the page is too narrow for all.
    """
    if not runs:
        return "There are no runs here."
    page = Page()
    columns = _columns(runs, shown)
    settings = told_apart(runs, columns)
    if any(settings):
        columns.insert(columns.index("state"), "settings")
    gone = []
    for name in ("age", "experiment", "seconds", "settings"):
        if name not in columns:
            continue
        if page.fits(_list(runs, columns, settings, page.styled)):
            break
        if name not in shown:
            gone.append(name)
            columns.remove(name)
    page.add(_list(runs, columns, settings, page.styled))
    if gone:
        page.write(f"No room for {', '.join(gone)}: a wider window shows it, as does --json.")
    for run in runs:
        if run.problem:
            page.write(f"{printable(run.run_id, 60)}: {printable(reason_of(run), 500)}", indent="    ")
    if any(run.state == "interrupted" for run in runs):
        page.write(
            "Interrupted runs go on where they stopped by the command that started them; `grux show RUN` says it."
        )
    return page.text()


def _columns(runs: Sequence[Run], shown: Sequence[str]) -> list[str]:
    # The id names arch and data; of the other choices only what tells the runs apart is worth the room.
    named = sorted({key for run in runs for key in run.choices} - {"arch", "data", "task", "experiment"})
    # A data set brings its model, and an experiment its schedule: only what differs on the same data is news.
    same_data = [list(group) for _, group in itertools.groupby(sorted(runs, key=_data_of), _data_of)]
    telling = [key for key in named if any(len({r.choices.get(key) for r in g} - {None}) > 1 for g in same_data)]
    fixed = ("run", "experiment", "state", "score", "seconds", "age")
    telling += [key for key in shown if key not in (*telling, *fixed, "group", "run_id", "parameters")]
    numbers = ["parameters"] * ("parameters" in shown)
    return ["run", "experiment", *telling, "state", "score", *numbers, "seconds", "age"]


def _data_of(run: Run) -> str:
    return run.choices.get("data", "")


def _list(runs: Sequence[Run], columns: Sequence[str], settings: Sequence[str], styled: bool) -> Any:
    from rich.text import Text

    now = datetime.datetime.now(datetime.UTC)

    def text(run: Run, own: str, column: str) -> Text:
        if column in ("seconds", "parameters"):
            number = NUMBERS[column](run)
            shown = "" if number is None else short_seconds(number) if column == "seconds" else f"{number:,.0f}"
            return Text(shown)
        if column == "state":
            return Text(run.state, style=COLOURS.get(run.state, "") if styled else "")
        if column == "run":
            return Text(printable(run.run_id, 60))
        texts = {"experiment": run.experiment, "settings": own, "score": score_text(run), "age": _age(run.created, now)}
        return Text(printable(texts[column] if column in texts else value_of(run, column) or ""))

    heads = [printable(column) for column in columns]
    table = ruled_table(heads, labels=columns.index("state") + 1, styled=styled, whole=1)
    table.columns[columns.index("score")].no_wrap = False  # where even that is too wide, it goes on in a second line
    for run, own in zip(runs, settings, strict=True):
        table.add_row(*(text(run, own, column) for column in columns))
    return table


def reason_of(run: Run) -> str:
    """Why the run is not done, and for an interrupted one from where it goes on."""
    status = run.status or {}
    at = f" (it goes on from step {status['step']} of {status['steps']})" if status.get("step") else ""
    return (run.problem or "") + (at if run.state == "interrupted" else "")


def show_run(run: Run, command: str = "") -> str:
    """All that the files of a run say: state, scores of each seed, selection, sizes, times, versions, data, config.

    `command` makes it again, or goes on with it.
    """
    page = Page()
    page.write(f"{printable(run.run_id, 80)} ({printable(run.experiment)}): {run.state}")
    facts: list[tuple[str, Any]] = [("reason", reason_of(run)), ("folder", run.path)]
    facts.append(("choices", " ".join(f"{key}={value}" for key, value in sorted(run.choices.items()))))
    status = run.status or {}
    if not run.record:
        facts.append(("steps", f"{status['step']} of {status['steps']}" if status.get("steps") else None))
        facts += [(key, status.get(key)) for key in ("started", "updated", "host")]
    facts.append(("goes on by" if run.state == "interrupted" else "command", command))
    _write_facts(page, facts)
    if run.record:
        page.write("")
        page.add(_seed_table(run.record, page.styled))
        if table := _confusion_table(run, page.styled):
            page.add(table)
        _write_facts(page, [("confused", most_confused(run))])
        _write_facts(page, record_facts(run.record))
    files = sorted(path.name + "/" * path.is_dir() for path in run.path.iterdir()) if run.path.is_dir() else []
    _write_facts(page, [("files", " ".join(files))])
    if run.config:
        page.write("")
        page.write("config")
        for key, value in flatten(run.config).items():
            page.write(f"  {printable(key, 80)} = {printable(value, 200)}", indent="      ")
    return page.text()


def _write_facts(page: Page, facts: Sequence[tuple[str, Any]]) -> None:
    for key, value in facts:
        if value not in (None, "", {}):
            page.write(f"  {key:<12}{printable(str(value), 600)}", indent=" " * 14)


def record_facts(record: dict[str, Any]) -> list[tuple[str, Any]]:
    """What a finished run cost and where it comes from, each under a short name; None or "" where nothing is known."""
    parameters, recurrence = record.get("parameters") or {}, record.get("recurrence") or {}
    speed = as_number(record.get("examples_per_second"))
    seconds = {key: as_number(value) for key, value in (record.get("seconds") or {}).items()}
    counts = {key: value for key, value in parameters.items() if isinstance(value, int)}
    data = (record.get("data") or {}).items()
    return [
        ("selection", (record.get("selection") or {}).get("rule")),
        ("parameters", _with_rule(", ".join(f"{key} {value:,}" for key, value in counts.items()), parameters)),
        ("by rule", ", ".join(f"{name} {value:,}" for name, value in (parameters.get("by_rule") or {}).items())),
        ("state", _state(recurrence)),
        ("FLOPs", _flops(record.get("flops") or {}, recurrence)),
        ("seconds", ", ".join(f"{key} {value:.1f}" for key, value in seconds.items() if value is not None)),
        ("speed", None if speed is None else f"{speed:,.0f} examples per second"),
        ("device", ", ".join(f"{key} {value}" for key, value in (record.get("device") or {}).items())),
        ("versions", ", ".join(f"{key} {value}" for key, value in (record.get("versions") or {}).items())),
        ("commit", (record.get("commit") or "") + (" with uncommitted changes" if record.get("diff") else "")),
        ("created", record.get("created")),
        *(("signature", f"{name}: {text}") for name, text in (record.get("signatures") or {}).items()),
        *(("data", f"{name} sha256 {digest}") for name, digest in data),
        *(("artifact", f"{name} sha256 {digest}") for name, digest in (record.get("artifacts") or {}).items()),
    ]


def _state(recurrence: dict[str, Any]) -> str:
    if not recurrence:
        return ""
    layers = ", ".join(f"{layer['name']} {layer['state']:,}" for layer in recurrence["layers"])
    return f"{recurrence['state']:,} numbers of a sequence from step to step" + f" ({layers})" * bool(layers)


def _flops(flops: dict[str, Any], recurrence: dict[str, Any]) -> str:
    forward, training = (as_number(flops.get(f"{name}_per_example")) for name in ("forward", "training"))
    if forward is None:
        return ""
    per_example = f"{forward:.3g} forward" + (f" and {training:.3g} training" if training is not None else "")
    step = f", {recurrence['step_flops']:.3g} a recurrent step" if recurrence else ""
    return _with_rule(f"{per_example} per example{step}", flops)


def _with_rule(text: str, facts: dict[str, Any]) -> str:
    return f"{text} ({facts['rule']})" if text and facts.get("rule") else text


def seed_grid(record: dict[str, Any]) -> tuple[list[str], list[list[list[str]]]]:
    """Heads, and for each split a list of lines: split, seed, best step, status, one text for each metric.

    Validation comes first and the primary metric foremost; the last line of a split is the mean where it has several.
    """
    seeds = record["seeds"]
    splits = sorted({split for entry in seeds for split in entry["scores"]}, key=lambda n: (n != "validation", n))
    primary = record["metric"]["primary"]
    metrics = sorted(
        {metric for entry in seeds for scores in entry["scores"].values() for metric in scores},
        key=lambda name: (name != primary, name),
    )
    values = {m: [as_number(s.get(m)) for entry in seeds for s in entry["scores"].values()] for m in metrics}
    units = [
        Unit(m, "", direction(m, [record]), decimals_for(m, [v for v in values[m] if v is not None], ()))
        for m in metrics
    ]
    parts = []
    for split in splits:
        lines = []
        for entry in seeds:
            scores = [as_number(entry["scores"].get(split, {}).get(metric)) for metric in metrics]
            texts = ["–" if score is None else unit.number(score) for score, unit in zip(scores, units, strict=True)]
            steps = f"{entry.get('best_step', '')} of {entry.get('steps', '')}"
            lines.append([split, str(entry["seed"]), steps, entry["status"], *texts])
        if len(seeds) > 1:
            lines.append([split, "mean", "", "", *(_mean(seeds, split, unit) for unit in units)])
        parts.append(lines)
    return ["split", "seed", "best step", "status", *(unit.label for unit in units)], parts


def _seed_table(record: dict[str, Any], styled: bool) -> Any:
    from rich.text import Text

    heads, parts = seed_grid(record)
    table = ruled_table([Text(printable(head)) for head in heads], labels=1, styled=styled)
    for lines in parts:
        for line in lines:
            table.add_row(*(Text(printable(text)) for text in line))
        table.add_section()
    return table


def _confusion_table(run: Run, styled: bool) -> Any:
    """Test examples by true and predicted class, the mean over seeds; None where there is none, or too many classes."""
    from rich.text import Text

    heads, lines = confusion_grid(run)
    if not heads:
        return None
    table = ruled_table([Text(printable(head)) for head in heads], labels=1, styled=styled)
    for line in lines:
        table.add_row(*(Text(printable(text)) for text in line))
    return table


def _mean(seeds: Sequence[dict[str, Any]], split: str, unit: Unit) -> str:
    scores = [
        as_number(entry["scores"].get(split, {}).get(unit.metric)) for entry in seeds if entry["status"] == "done"
    ]
    scores = [score for score in scores if score is not None]
    if not scores:
        return "–"
    summary = summarise(scores)
    interval = "" if summary.half_width is None else f" ± {unit.number(summary.half_width)}"
    return unit.number(summary.mean) + interval


def score_text(run: Run, selection: Selection = BEST_VAL) -> str:
    """The primary test score (a trial of a search has one of validation alone), or how far the run got."""
    if not run.record:
        status = run.status or {}
        return f"step {status['step']} of {status['steps']}" if status.get("step") and status.get("steps") else ""
    if is_search(run):
        split, metric = "validation", (run.record.get("selection") or {}).get("metric", "")
    else:
        split, metric = "test", run.record["metric"]["primary"]
    if (summary := summary_of(run, split, metric, selection)) is None:
        seeds = run.record["seeds"]
        return "diverged" if seeds and all(entry["status"] != "done" for entry in seeds) else ""
    unit = Unit(metric, split, None, decimals_for(metric, [summary.mean], [summary.half_width or 0.0]))
    interval = "" if summary.half_width is None else f" ± {unit.number(summary.half_width)}"
    return f"{unit.name} {unit.number(summary.mean)}{interval}" + " (validation)" * (split == "validation")


def _age(created: str, now: datetime.datetime) -> str:
    try:
        then = datetime.datetime.fromisoformat(created)
    except ValueError:
        return ""
    seconds = (now - (then if then.tzinfo else then.replace(tzinfo=datetime.UTC))).total_seconds()
    for size, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size:.0f} {name}"
    return "now"
