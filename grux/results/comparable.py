"""Only like stands against like: which runs may share a cell or a line of the table, and the sentence where not."""

import dataclasses
from collections.abc import Mapping, Sequence

from grux.results.record import Run
from grux.results.select import differences, grouped, parts_of, value_of


def is_of_data(key: str) -> bool:
    """Whether the key tells data sets, or versions of one, apart."""
    return any(part.split(".")[0] in ("data", "task") for part in parts_of(key))


def by_file(runs: Sequence[Run], rows: str, columns: str) -> tuple[str, str]:
    """Rows and columns; `data` becomes `data,data.path` where one kind of data stands for several files of one's own.

    Unless a key tells the files apart already.
    """
    paths: dict[str, set[str]] = {}
    for run in runs if "data.path" not in (*parts_of(rows), *parts_of(columns)) else ():
        if (path := value_of(run, "data.path")) is not None:
            paths.setdefault(run.choices.get("data", ""), set()).add(path)
    if not any(len(found) > 1 for found in paths.values()):
        return rows, columns
    apart = {"data": "data,data.path"}
    return apart.get(rows, rows), apart.get(columns, columns)


def mixed_line(runs: Sequence[Run], rows: str, columns: str, metric: str | None = None) -> str | None:
    """Why the runs of some column cannot stand against each other, by this metric or by the one of each; or None."""
    for name, group in grouped([run for run in runs if value_of(run, rows) is not None], columns).items():
        done = [run for run in group if run.record]
        what = f"{columns}={name} would compare runs"
        metrics = sorted({run.record["metric"]["primary"] for run in done if run.record})
        if len(metrics) > 1 and metric is None:
            causes = {key: values for key, values in differences(done).items() if key in ("data", "task")}
            return refusal(what, {**causes, "metric": metrics}) if causes else _other_metrics(what, metrics, done)
        # The other keys of the config are the contestants' own affair; how the data are made is not.
        nodes = [dataclasses.replace(run, config={"data": run.config.get("data")}) for run in done]
        differing = differences(nodes) if nodes else {}
        asked_for = {*parts_of(rows), *parts_of(columns)} - {"data"}
        differing = {key: v for key, v in differing.items() if key.split(".")[0] == "data" and key not in asked_for}
        if differing:
            return refusal(what, differing)
        files: dict[str, str] = {}
        for run in done:
            for file, digest in ((run.record or {}).get("data") or {}).items():
                if files.setdefault(file, digest) != digest:
                    return (
                        f"{what} on different data: the file {file} has another content in {run.path}; "
                        "add a filter that leaves these runs out, or train them again on the same files."
                    )
        if not is_of_data(rows) and (other := next((run for run in done if _files(run) != files.keys()), None)):
            (file,) = sorted(files.keys() - _files(other))[:1]
            return (
                f"{what} on different data: {other.path} never read the file {file}, as others did; add a filter that "
                "leaves these runs out, or train them again on the same files."
            )
    return None


LENGTHS = frozenset({"epochs", "steps", "flops", "seconds", "patience"})
"""Settings that say how long is trained."""


def unequal_training(by_row: Mapping[str, Sequence[Run]], rows: str) -> str:
    """Who was trained by which rule, where the rows of a line were not trained alike; "" where they were."""
    if LENGTHS & set(parts_of(rows)):
        return ""
    named: dict[str, list[str]] = {}
    for row, runs in by_row.items():
        for rule in dict.fromkeys(((run.record or {}).get("budget") or {}).get("rule", "") for run in runs):
            named.setdefault(rule, []).append(row)
    if len(named.keys() - {""}) < 2:
        return ""
    return "trained for unequal budgets: " + "; ".join(
        f"{', '.join(who)}: {rule}" for rule, who in named.items() if rule
    )


def _files(run: Run) -> set[str]:
    return set((run.record or {}).get("data") or {})


def _other_metrics(what: str, metrics: Sequence[str], runs: Sequence[Run]) -> str:
    """The same data judged by different metrics: what all of them have, they can be compared by."""
    held = [
        {name for entry in (run.record or {})["seeds"] for found in entry["scores"].values() for name in found}
        for run in runs
    ]
    common = sorted(set.intersection(*held))
    way_out = f"compare them by one that all have: --metric {' or '.join(common)}." if common else "leave some out."
    return f"{what} that differ in metric ({', '.join(metrics)}) on the same data; {way_out}"


def refusal(what: str, differing: dict[str, list[str]]) -> str:
    """The sentence that refuses to mix, with the keys that differ and the way out."""
    shown = [f"{key} ({', '.join(value[:40] for value in values[:4])})" for key, values in list(differing.items())[:4]]
    more = f" and {len(differing) - 4} more keys" if len(differing) > 4 else ""
    key = next((key for key in differing if key != "metric"), "data")
    value = differing[key][0][:40] if key in differing else "NAME"
    return (
        f"{what} that differ in {', '.join(shown)}{more}; add a filter such as {key}={value}, "
        f"or give the key a place of its own: --columns {key}, or beside the arch: --rows arch,{key}."
    )
