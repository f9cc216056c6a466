"""The profile of texts with classes, of pairs, and of plain text: lengths, repeats, balance of the classes."""

from collections import Counter
from collections.abc import Sequence

from grux.data.csv_text import balance, class_names
from grux.data.findings import Findings, first_lines, quantiles
from grux.data.own_texts import Example
from grux.data.sniff import WORDS, Sheet, label_of, words_of
from grux.data.texts import plain
from grux.data.wording import several


def texts_profile(sheet: Sheet, found: Findings) -> None:
    """Fills in what is to be said; the settings are those with which `csv_text` takes the file."""
    texts = [column for column in sheet.of("text") if words_of(column, sheet.rows) >= WORDS] or sheet.of("text")
    text = max(texts, key=lambda column: words_of(column, sheet.rows))
    label = label_of(sheet.columns, len(sheet.rows)) or sheet.of("class")[-1]
    found.settings |= {"data.text": text.name, "data.label": label.name}
    cells = [(line, row[text.place], row[label.place]) for line, row in sheet.rows]
    if lost := [line for line, content, _ in cells if not content]:
        found.odd.append(f"{several(len(lost), 'text is', 'texts are')} empty ({first_lines(lost)}): data.empty=skip.")
        found.settings["data.empty"] = "skip"
    if lost := [line for line, content, name in cells if content and not name]:
        count = several(len(lost), "text has", "texts have")
        found.odd.append(f"{count} no class ({first_lines(lost)}): give one, or remove the row.")
        found.trainable = False
    found.examples = [Example(content, name, sheet.path, line) for line, content, name in cells if content and name]
    if _nothing(found, "a text and a class"):
        return
    counts = Counter(row.value for row in found.examples)
    shown = ", ".join(f"{name} {counts[name]}" for name in class_names(list(counts)))
    found.facts.append(f"Classes ({label.name}): {shown}.")
    found.facts.append(f"Words of a text ({text.name}): {quantiles([len(row.key.split()) for row in found.examples])}.")
    if len(counts) == 1:
        found.odd.append(f"Every row is of class {next(iter(counts))!r}: a classifier needs two or more.")
        found.trainable = False
    found.odd += balance(counts, "rows")
    repeats(found, "text")
    labels: dict[str, set[str]] = {}
    for row in found.examples:
        labels.setdefault(plain(row.key), set()).add(row.value)
    if count := sum(len(names) > 1 for names in labels.values()):
        found.odd.append(f"{several(count, 'text stands', 'texts stand')} with different classes in different rows.")


def pairs_profile(sheet: Sheet, found: Findings) -> None:
    """Fills in what is to be said; the settings are those with which `tsv_pairs` takes the file."""
    lost = [line for line, row in sheet.rows if not (row[0] and row[1])]
    if lost:
        count = several(len(lost), "line lacks", "lines lack")
        found.odd.append(f"{count} a source or a target ({first_lines(lost)}): data.empty=skip.")
        found.settings["data.empty"] = "skip"
    found.examples = [Example(row[0], row[1], sheet.path, line) for line, row in sheet.rows if row[0] and row[1]]
    if _nothing(found, "a source and a target"):
        return
    for what, texts in (
        ("source", [row.key for row in found.examples]),
        ("target", [row.value for row in found.examples]),
    ):
        found.facts.append(f"Words of a {what}: {quantiles([len(text.split()) for text in texts])}.")
    same = [row.line for row in found.examples if plain(row.key) == plain(row.value)]
    if same:
        found.odd.append(f"{several(len(same), 'target is', 'targets are')} equal to the source ({first_lines(same)}).")
    repeats(found, "source")


def plain_profile(sheet: Sheet, found: Findings) -> None:
    """Lines, words and characters of a text without columns."""
    lines = [(number, line.rstrip("\r")) for number, line in enumerate(sheet.text.split("\n"), start=1)]
    full = [(number, line) for number, line in lines if line.strip()]
    words = [word for _, line in full for word in line.split()]
    found.facts.append(
        f"{len(sheet.text)} characters ({len(set(sheet.text))} different ones), {len(words)} words ({len(set(words))} "
        f"different ones), {len(full)} lines that are not empty."
    )
    found.facts.append(f"Characters of a line: {quantiles([len(line) for _, line in full])}.")
    found.examples = [Example(line, "", sheet.path, number) for number, line in full if len(line.split()) >= WORDS]
    repeats(found, "line")


def _nothing(found: Findings, what: str) -> bool:
    """Whether there is no example; says so."""
    if not found.examples:
        found.odd.append(f"No row has {what}.")
        found.trainable = False
    return not found.examples


def repeats(found: Findings, what: str) -> None:
    keys: Sequence[str] = [plain(row.key) for row in found.examples]
    if count := len(keys) - len(set(keys)):
        stand = "" if what == "line" else "; they would stand in one split"
        found.odd.append(
            f"Of {len(keys)} {what}s {several(count, 'repeats', 'repeat')} another one, case and blanks apart{stand}."
        )
