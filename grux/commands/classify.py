"""`grux classify`: the classes of texts by a trained classifier, with their probabilities."""

import sys
from collections.abc import Sequence
from pathlib import Path

from grux.commands.use import parser, trained
from grux.errors import DataError, UsageError

EXAMPLES = """\
  grux classify gru-sst2-1a2b3c4d "A film that moves." "Two lost hours."
  grux classify RUN --file reviews.txt            one text on each line
  grux classify RUN --json < reviews.txt          an array with the probability of every class
"""


def run(arguments: Sequence[str]) -> int:
    made = parser("classify", "The class of each text, with its probability.", EXAMPLES)
    made.add_argument("texts", nargs="*", metavar="TEXT", help="without any: lines of --file, or of standard input")
    made.add_argument("--file", metavar="FILE", help="a text on each line, UTF-8")
    made.add_argument("--json", action="store_true", help="an array of objects: text, class, probabilities")
    given = made.parse_intermixed_args(arguments)
    if given.texts and given.file:
        raise UsageError("texts stand on the command line and in --file; give one of the two.")

    model = trained(given, "classification")

    import json

    if "" not in model.tokenizers:
        raise UsageError(f"{model.title} classifies other things than text; name a run on texts.")
    texts = given.texts or _lines(given.file)
    shares = probabilities(model, texts)
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


def probabilities(model, texts: Sequence[str]):
    """float32 [N, C]. Raises DataError for a text without a token."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    from grux.batch import Batch
    from grux.data.texts import pad

    coded = [model.tokenizers[""].encode(text) for text in texts]
    for number, ids in enumerate(coded):
        if not ids:
            raise DataError(
                f"text {number + 1} ({texts[number][:40]!r}) has no token; leave it out or write some text."
            )
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


ROWS = 64
MULTIPLE = 16
"""Shapes are few, as each is compiled anew."""


def _lines(file: str | None) -> list[str]:
    from grux.data.texts import read_lines

    try:
        lines = read_lines(Path(file)) if file else sys.stdin.read().splitlines()
    except OSError as error:
        raise DataError(f"--file {file} cannot be read ({error.strerror}); name a text file.") from error
    if not (texts := [line for line in lines if line.strip()]):
        raise DataError(f"{file or 'standard input'} has no text to classify.")
    return texts
