"""`grux classify`: the classes of texts by a trained classifier, with their probabilities.

A text is read as in training: where the run cut its texts to a number of tokens, this cuts, too, and says so; and it
says which tokens the vocabulary of the run does not know.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from grux.commands.use import parser, trained
from grux.errors import DataError, UsageError

if TYPE_CHECKING:
    from grux.data.texts import Kept
    from grux.data.tokenise import Tokenizer
    from grux.trained import Trained

EXAMPLES = """\
  grux classify gru-sst2-1a2b3c4d "A film that moves." "Two lost hours."
  grux classify RUN --file reviews.txt            one text on each line
  grux classify RUN --file reviews.csv --text review      the column of a CSV file
  grux classify RUN --json < reviews.txt          an array with the probability of every class
"""
ROWS = 64
MULTIPLE = 16
"""Shapes are few, as each is compiled anew."""
TABLES = (".csv", ".tsv")
NAMED = 5
"""Unknown tokens, or columns, that are named."""


def run(arguments: Sequence[str]) -> int:
    made = parser("classify", "The class of each text, with its probability.", EXAMPLES)
    made.add_argument("texts", nargs="*", metavar="TEXT", help="without any: lines of --file, or of standard input")
    made.add_argument("--file", metavar="FILE", help="a text on each line, UTF-8")
    made.add_argument("--text", metavar="COLUMN", help="--file is a table with a header, and this column has the texts")
    made.add_argument("--json", action="store_true", help="an array of objects: text, class, probabilities")
    given = made.parse_intermixed_args(arguments)
    if given.texts and given.file:
        raise UsageError("texts stand on the command line and in --file; give one of the two.")
    if given.text and not given.file:
        raise UsageError(f"--text {given.text} names a column, and no file is there; name it by --file FILE.")
    if given.file and not given.text:
        _refuse_table(given.file)

    model = trained(given, "classification")

    import json

    if "" not in model.tokenizers:
        raise UsageError(f"{model.title} classifies other things than text; name a run on texts.")
    texts = given.texts or (_column(given.file, given.text) if given.text else _lines(given.file))
    coded, notes = read(model, texts)
    for note in notes:
        print(f"grux: {note}", file=sys.stderr)
    shares = probabilities(model, coded)
    classes = model.info.classes or ()
    rows = [
        {
            "text": text,
            "class": classes[int(row.argmax())],
            "probabilities": dict(zip(classes, row.tolist(), strict=True)),
        }
        for text, row in zip(texts, shares, strict=True)
    ]
    if given.json:
        print(json.dumps(rows, ensure_ascii=False, indent=1))
    else:
        print("\n".join(f"{row['class']}\t{max(row['probabilities'].values()):.4f}\t{row['text']}" for row in rows))
    return 0


def read(model: "Trained", texts: Sequence[str]) -> tuple[list[list[int]], list[str]]:
    """Token ids of each text, cut as the run cut its own, and what is to be said about that.

    Raises DataError for a text without a token.
    """
    from grux.data.texts import cut

    tokenizer, (most, keep) = model.tokenizers[""], limit_of(model)
    coded = [tokenizer.encode(text) for text in texts]
    for number, ids in enumerate(coded):
        if not ids:
            raise DataError(
                f"text {number + 1} ({texts[number][:40]!r}) has no token; leave it out or write some text."
            )
    notes = []
    if most is not None and (long := sum(len(ids) > most for ids in coded)):
        end = "first" if keep == "start" else "last"
        notes.append(
            f"{long} of {len(coded)} texts {'have' if long > 1 else 'has'} more than {most} tokens; the {end} {most} "
            "are read, as in training."
        )
        coded = [cut(ids, most, keep) for ids in coded]
    return coded, notes + unknown_of(tokenizer, texts)


def unknown_of(tokenizer: "Tokenizer", texts: Sequence[str]) -> list[str]:
    """A sentence that names what of the texts the vocabulary does not know; none where it knows all."""
    unknown = list(dict.fromkeys(token for text in texts for token in tokenizer.unknown(text)))
    if not unknown:
        return []
    names = ", ".join(map(repr, unknown[:NAMED])) + (f" and {len(unknown) - NAMED} more" * (len(unknown) > NAMED))
    return [f"the vocabulary of the run does not know {names}."]


def limit_of(model: "Trained") -> tuple[int | None, "Kept"]:
    """(tokens that the run read of a text at most, or None; which end of it).

    Data whose yaml says which end to keep have a limit in every split; others cut nothing but in training.
    """
    data = model.run.config["data"]
    return (data["max_length"], data["keep"]) if "keep" in data else (None, "start")


def probabilities(model: "Trained", coded: Sequence[Sequence[int]]):
    """float32 [N, C] for the token ids of N texts, each with one at least."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    from grux.batch import Batch
    from grux.data.texts import pad

    classify = jax.jit(lambda batch: jax.nn.softmax(model.model(batch, key=None)))
    found = []
    # In the order of their lengths, few at a time: padding costs little and memory stays small.
    order = sorted(range(len(coded)), key=lambda number: len(coded[number]))
    for first in range(0, len(order), ROWS):
        part = order[first : first + ROWS]
        longest = len(coded[part[-1]])
        tokens, lengths = pad([coded[number] for number in part], -(-longest // MULTIPLE) * MULTIPLE)
        mask = np.arange(tokens.shape[1])[None, :] < lengths[:, None]
        nothing = np.zeros(len(part), np.int32)
        batch = Batch(*map(jnp.asarray, (tokens, mask, nothing, nothing >= 0)))
        found += list(zip(part, np.asarray(classify(batch)), strict=True))
    return np.stack([row for _, row in sorted(found, key=lambda each: each[0])])


def _refuse_table(file: str) -> None:
    """Raises UsageError for a file whose name says that its lines have columns."""
    from grux.data.own import header_of, own_path
    from grux.results.grid import printable

    if Path(file).suffix.lower() in TABLES:
        columns = header_of(own_path(file, "--file"), "utf-8")
        names = ", ".join(printable(name) for name in columns[:NAMED]) + ", ..." * (len(columns) > NAMED)
        raise UsageError(
            f"--file {file} is a table by its name, and no --text says which column has the texts; add --text with one "
            f"of {names}, or rename the file if each of its lines is a text."
        )


def _column(file: str, column: str) -> list[str]:
    from grux.data.own import own_path, read_own

    table = read_own(own_path(file, "--file"), encoding="utf-8", separator=None, empty="skip")
    place = table.column(column, "--text")
    if lacking := [line for line, row in table.rows if not row[place]]:
        raise DataError(
            f"{file}, line {lacking[0]}: column {column!r} is empty; write a text there, or remove the row."
        )
    return [row[place] for _, row in table.rows]


def _lines(file: str | None) -> list[str]:
    from grux.data.texts import read_lines

    try:
        lines = read_lines(Path(file)) if file else sys.stdin.read().splitlines()
    except OSError as error:
        raise DataError(f"--file {file} cannot be read ({error.strerror}); name a text file.") from error
    if not (texts := [line for line in lines if line.strip()]):
        raise DataError(f"{file or 'standard input'} has no text to classify.")
    return texts
