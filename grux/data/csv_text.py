"""Texts of one's own with a class each: a CSV file with a column of texts and a column of labels.

One file is divided by a hash of each text (80, 10, 10 %), so that equal texts stand in one split; or a file for each
split. What is odd in a file is refused with its line, and the sentence names the setting that answers it.
"""

from collections import Counter
from collections.abc import Sequence

from grux.arguments import PositiveInt
from grux.data.base import Dataset
from grux.data.card import Card
from grux.data.own import KEPT_OUT, Empty, Separator, Table, own_hashes, own_paths, read_own
from grux.data.own_texts import Example, Leaks, divided
from grux.data.texts import classification_dataset, plain
from grux.data.tokenise import Kind
from grux.data.wording import several
from grux.errors import DataError, UsageError

CARD = Card(
    name="csv_text",
    task="classification",
    summary="Your own CSV file of texts with a class: data.path=FILE data.text=COLUMN data.label=COLUMN.",
    sizes={},
    licence="your own",
)
UNBALANCED = 3.0
"""Times as many examples as another class has, from which on a class is said to be large."""


def csv_text(
    *,
    path: str | None,
    validation: str | None,
    test: str | None,
    text: str | None,
    label: str | None,
    leaks: Leaks,
    empty: Empty,
    separator: Separator | None,
    encoding: str,
    tokens: Kind,
    vocabulary_size: PositiveInt | None,
    min_count: PositiveInt,
    lower: bool,
    max_length: PositiveInt | None,
    buckets: PositiveInt,
) -> Dataset:
    """Texts with the classes that the label column names, in the order of their names or numbers."""
    paths = own_paths(path, validation, test, CARD.name)
    tables = {part: read_own(file, encoding=encoding, separator=separator, empty=empty) for part, file in paths.items()}
    notes = [note for table in tables.values() for note in table.skip_notes()]
    files = {}
    for part, table in tables.items():
        files[part], lost = read_texts(table, text, label, empty)
        notes += [f"Left out: {several(lost, 'row', 'rows')} of {table.path.name} without a text."] if lost else []
    classes = class_names([row.value for row in files["train"]])
    if len(classes) == 1:
        raise DataError(
            f"{paths['train']}, column {label!r}: every row is of the class {classes[0]!r}; two are needed at least."
        )
    if len(classes) == len(files["train"]):
        raise DataError(
            f"{paths['train']}, column {label!r}: each of its {len(classes)} rows is a class of its own; name a column "
            "of classes by data.label."
        )
    parts, found = divided(files, leaks, "text")
    _check_classes(parts["train"], [*parts["validation"], *parts["test"]], str(label))
    classes = class_names([row.value for row in parts["train"]])
    number = {name: i for i, name in enumerate(classes)}
    every = [row for rows in parts.values() for row in rows]
    notes += [*found, *_contradictions(every), *balance(Counter(row.value for row in parts["train"]))]
    return classification_dataset(
        name=CARD.name,
        splits={part: [(row.key, number[row.value]) for row in rows] for part, rows in parts.items()},
        classes=tuple(classes),
        files=own_hashes(list(paths.values())),
        tokens=tokens,
        vocabulary_size=vocabulary_size,
        min_count=min_count,
        lower=lower,
        max_length=max_length,
        buckets=buckets,
        notes=tuple(notes),
    )


def read_texts(table: Table, text: str | None, label: str | None, empty: Empty) -> tuple[list[Example[str]], int]:
    """Each text with its class, and how many rows without a text were left out."""
    for key, name in (("text", text), ("label", label)):
        if name is None:
            raise UsageError(
                f"data=csv_text needs the column of the {key}s: data.{key}=COLUMN, one of {', '.join(table.header)} "
                f"in {table.path}."
            )
    at, of = table.column(str(text), "data.text"), table.column(str(label), "data.label")
    if at == of:
        raise UsageError(f"data.text and data.label are both {text!r}; name two columns.")
    found, lost = [], 0
    for line, row in table.rows:
        if not row[at]:
            if empty == "refuse":
                raise DataError(f"{table.path}, line {line}, column {text!r}: the text is empty; {KEPT_OUT}.")
            lost += 1
            continue
        if not row[of]:
            raise DataError(f"{table.path}, line {line}, column {label!r}: the class is missing; give the text one.")
        found.append(Example(row[at], row[of], table.path, line))
    if not found:
        raise DataError(f"{table.path}, column {text!r}: no row has a text; name the column of texts by data.text.")
    return found, lost


def class_names(labels: Sequence[str]) -> list[str]:
    """Each class once: in the order of numbers where all are whole numbers, else of the alphabet."""
    names = sorted(set(labels))
    return sorted(names, key=int) if all(name.lstrip("-").isdecimal() for name in names) else names


def _check_classes(train: Sequence[Example[str]], others: Sequence[Example[str]], label: str) -> None:
    known = {row.value for row in train}
    for row in others:
        if row.value not in known:
            raise DataError(
                f"{row.where}, column {label!r}: no training row is of the class {row.value!r}; add some, or remove "
                "the rows of a class that is too small to learn."
            )


def _contradictions(rows: Sequence[Example[str]]) -> list[str]:
    labels: dict[str, set[str]] = {}
    for row in rows:
        labels.setdefault(plain(row.key), set()).add(row.value)
    count = sum(len(found) > 1 for found in labels.values())
    return (
        [f"{several(count, 'text stands', 'texts stand')} with different classes in different rows."] if count else []
    )


def balance(counts: Counter[str], rows: str = "training rows") -> list[str]:
    """A sentence where a class is much larger than another, with what guessing it always would score.

    `rows` are those that were counted.
    """
    (most, large), (least, small) = counts.most_common(1)[0], counts.most_common()[-1]
    if large < UNBALANCED * small:
        return []
    share = 100 * large / counts.total()
    return [
        f"The classes are unbalanced: {large} {rows} of {most!r} and {small} of {least!r}; to say {most!r} "
        f"always is right for {share:.3g} % of them, and task.selection=macro_f1 weighs all classes alike."
    ]
