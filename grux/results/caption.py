"""What a reader must know to trust the numbers: metric, seeds, interval, selection, what the extra columns count."""

from collections.abc import Sequence

from grux.results.contents import Extra, Line, Row
from grux.results.facts import meanings
from grux.results.matched import matched_sentence
from grux.results.paired import TEST
from grux.results.record import Run
from grux.results.selection import Selection
from grux.results.statistics import RESAMPLES

FEW = 10  # seeds; below, a bootstrap is known to be too narrow


def caption_of(
    lines: Sequence[Line],
    rows: Sequence[Row],
    runs: Sequence[Run],
    *,
    selection: Selection,
    interval: str,
    columns: Sequence[Extra],
    rows_key: str,
    transposed: bool = False,
) -> str:
    """The caption without the word on how the best is marked: that depends on the format."""
    records = [run.record for run in runs if run.record]
    counts = [cell.summary.n for row in rows if not row.baseline for cell in row.cells if cell.summary]
    parts = [_measured(lines, beside=transposed)]
    if selection.rule != "max_over_seeds":
        parts.append(_seeds(sorted(set(counts)), interval))
    parts += [
        selection.caption(records, counts),
        matched_sentence(runs, rows_key),
        *meanings(columns, records, transposed),
    ]
    shown = {line.unit.metric for line in lines}
    signatures = {
        f"{name} {text}"
        for record in records
        for name, text in (record.get("signatures") or {}).items()
        if name in shown and text
    }
    if signatures:
        parts.append(f"Signature: {'; '.join(sorted(signatures))}.")
    statuses = sorted({cell.reported.status for row in rows for cell in row.cells if cell.reported})
    if statuses:
        parts.append(f"Reported: the papers' own numbers, not measured here ({', '.join(statuses)}).")
    return " ".join(part for part in parts if part)


def versus_caption(reference: str) -> str:
    """What stands in the table of differences to the reference."""
    return (
        f"Differences to {reference} over common seeds: mean ± half-width of the 95 % interval of the paired "
        f"differences (Student t), above zero where the score is higher; p of the {TEST}, or of the exact sign-flip "
        "test where all differences are equal; p corrected by Holm over the comparisons of a line; P(better) over all "
        "pairs of seeds, ties one half, with Newcombe's 95 % interval; effect: Cohen's d of the differences, corrected "
        "by Hedges."
    )


def aggregates_caption(zero: str, one: str, reference: str | None) -> str:
    """What stands in the table over all data sets."""
    against = f" P(better): than {reference}, mean over data sets." if reference else ""
    return (
        f"All data sets together, scores normalised on each so that 0 is {zero} and 1 is {one}. IQM: mean of the "
        "middle half of all runs. Above: share of runs above this score."
        f"{against} In brackets: 95 % interval of a bootstrap over seeds, stratified by data set; with few seeds it "
        "is too narrow, and where a data set has one seed there is none."
    )


def _measured(lines: Sequence[Line], beside: bool) -> str:
    """What is measured where; where each line has its metric `beside` it, that much is said there."""
    measures: dict[tuple[str, str], list[str]] = {}
    for line in lines:
        measures.setdefault((line.unit.split, line.unit.name), []).append(line.name)
    if len(measures) == 1:
        ((split, name),) = measures
        return f"{split.capitalize()} {name}."
    if beside:
        return f"{lines[0].unit.split.capitalize()} scores."
    parts = ", ".join(f"{name} on {' and '.join(names)}" for (_, name), names in measures.items())
    return f"{lines[0].unit.split.capitalize()} scores: {parts}."


def _seeds(counts: Sequence[int], interval: str) -> str:
    if not counts:
        return ""
    if counts == [1]:
        return "One seed each: no interval."
    seeds = f"n = {counts[-1]} seeds" + (" where not given otherwise" if len(counts) > 1 else "")
    single = " One seed has no interval." if counts[0] == 1 else ""
    if interval == "bca":
        narrow = f", too narrow with fewer than {FEW} seeds" if counts[0] < FEW else ""
        return f"Mean and 95 % interval (BCa bootstrap, {RESAMPLES:,} resamples, {seeds}{narrow}).{single}"
    return f"Mean ± half-width of the 95 % interval (Student t, {seeds}).{single}"
