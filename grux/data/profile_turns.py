"""The profile of dialogues: their turns, who speaks, and what stands where no dialogue can have it."""

import itertools
from collections import Counter

from grux.data.findings import Findings, first_lines, quantiles
from grux.data.own_texts import Example
from grux.data.profile_texts import repeats
from grux.data.sniff import Sheet
from grux.data.turns import SEPARATOR, joined
from grux.data.wording import several

SHOWN = 6  # speakers that are named


def turns_profile(sheet: Sheet, found: Findings) -> None:
    """Fills in what is to be said; the settings are those with which `tsv_turns` takes the file."""
    if lost := [line for line, row in sheet.rows if not all(row)]:
        count = several(len(lost), "line lacks", "lines lack")
        found.odd.append(f"{count} a dialogue, a speaker or a text ({first_lines(lost)}): data.empty=skip.")
        found.settings["data.empty"] = "skip"
    if lost := [line for line, row in sheet.rows if SEPARATOR in row[2]]:
        count = several(len(lost), "text has", "texts have")
        found.odd.append(f"{count} {SEPARATOR} ({first_lines(lost)}), which stands between turns: take it out.")
        found.trainable = False
    turns = [(line, row[0], row[1], row[2]) for line, row in sheet.rows if all(row)]
    dialogues = [list(group) for _, group in itertools.groupby(turns, key=lambda turn: turn[1])]
    _in_pieces(dialogues, found)
    if lost := [said[0][0] for said in dialogues if len(said) == 1]:
        count = several(len(lost), "dialogue has", "dialogues have")
        found.odd.append(f"{count} one turn, which nothing answers ({first_lines(lost)}): data.empty=skip.")
        found.settings["data.empty"] = "skip"
    speakers = Counter(turn[2] for turn in turns).most_common()
    shown = ", ".join(f"{name} {count}" for name, count in speakers[:SHOWN])
    more = f" and {len(speakers) - SHOWN} more" if len(speakers) > SHOWN else ""
    found.facts += [
        f"{several(len(dialogues), 'dialogue', 'dialogues')}; turns of one: {quantiles([*map(len, dialogues)])}.",
        f"Turns of each speaker: {shown}{more}; data.speaker=NAME learns those of one.",
        f"Words of a turn: {quantiles([len(text.split()) for *_, text in turns])}.",
    ]
    whole = [([text for *_, text in said], said[0][0]) for said in dialogues if len(said) > 1]
    found.examples = [Example(joined(texts, len(texts)), "", sheet.path, line) for texts, line in whole]
    repeats(found, "dialogue")


def _in_pieces(dialogues: list[list[tuple[int, str, str, str]]], found: Findings) -> None:
    """Dialogues that go on after another one has begun."""
    seen: set[str] = set()
    again = []
    for said in dialogues:
        line, name, *_ = said[0]
        again += [line] if name in seen else []
        seen.add(name)
    if again:
        count = several(len(again), "dialogue goes", "dialogues go")
        found.odd.append(f"{count} on after another has begun ({first_lines(again)}): put the lines of each together.")
        found.trainable = False
