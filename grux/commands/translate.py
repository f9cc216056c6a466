"""`grux translate`: sentences by a trained translator, by beam search; and a picture of what it attended to."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from grux.commands.use import parser, trained, within
from grux.errors import DataError, UsageError

EXAMPLES = """\
  grux translate gru-multi30k-1a2b3c4d "Ein Mann schläft."       the likeliest word at each step
  grux translate RUN --file source.txt --beam 5 > target.txt     a line for each line, empty ones too
  grux translate RUN --beam 8 --n-best 3 < source.txt            number of the line, score, translation
  grux translate RUN --beam 5 --json "Ein Hund."                 scores, log probabilities
  grux translate RUN "Ein Hund rennt." --attention map.png       which word looked at which
"""


def run(arguments: Sequence[str]) -> int:
    made = parser("translate", "Each sentence in the other language, in the order of the input.", EXAMPLES)
    made.add_argument("sentences", nargs="*", metavar="SENTENCE", help="without any: lines of --file, or of stdin")
    made.add_argument("--file", metavar="FILE", help="a sentence on each line, UTF-8")
    made.add_argument(
        *("--beam", "-b"), type=within(int, 1, 1000), default=1, metavar="N", help="hypotheses; 1 is greedy (default)"
    )
    made.add_argument(
        *("--length-penalty",),
        type=within(float, 0, 10),
        default=0.0,
        metavar="A",
        help="rank by log P / ((5 + length) / 6)^A (Wu et al. 2016; default: 0)",
    )
    made.add_argument(
        *("--coverage-penalty",),
        type=within(float, 0, 100),
        default=0.0,
        metavar="B",
        help="B times the log of the attention that each source word lacks (the same; default: 0)",
    )
    made.add_argument("--n-best", type=within(int, 1), metavar="K", help="K translations, with scores; at most N")
    made.add_argument("--json", action="store_true", help="an array of objects: source, translations")
    made.add_argument("--attention", metavar="FILE", help="the attention of one sentence as a picture, .png or .svg")
    given = made.parse_intermixed_args(arguments)
    if given.sentences and given.file:
        raise UsageError("sentences stand on the command line and in --file; give one of the two.")
    if given.n_best and given.n_best > given.beam:
        raise UsageError(f"--n-best {given.n_best} is more than --beam {given.beam} holds; give a --beam as large.")
    for flag, value in (("--length-penalty", given.length_penalty), ("--coverage-penalty", given.coverage_penalty)):
        if value and given.beam == 1:
            raise UsageError(f"{flag} {value:g} ranks translations, and --beam 1 has one; give a larger --beam.")
    if given.attention:
        from grux.commands.pictures import kind_of

        kind_of(given.attention, "--attention")

    model = trained(given, "translation")

    from grux.commands.translations import Translator

    if given.coverage_penalty or given.attention:
        _needs_attention(model, "--attention" if given.attention else "--coverage-penalty")
    sentences = given.sentences or _lines(given.file)
    if given.attention and (count := sum(bool(line.strip()) for line in sentences)) != 1:
        raise UsageError(f"--attention draws one sentence, and there are {count}; give one.")
    translator = Translator(
        model, beam=given.beam, length_penalty=given.length_penalty, coverage_penalty=given.coverage_penalty
    )
    found = translator.translate(sentences)
    if given.json:
        rows = [
            {
                "source": sentence,
                "translations": [
                    {"text": each.text, "score": each.score, "log_probability": each.log_probability}
                    for each in translations[: given.n_best or 1]
                ],
            }
            for sentence, translations in zip(sentences, found, strict=True)
        ]
        print(json.dumps(rows, ensure_ascii=False, indent=1))
    else:
        for number, translations in enumerate(found, start=1):
            if not given.n_best:
                print(_line(translations[0].text if translations else ""))
            for each in translations[: given.n_best or 0]:
                print(f"{number}\t{each.score:.4f}\t{_line(each.text)}")
    for flag, value in (("--length-penalty", given.length_penalty), ("--coverage-penalty", given.coverage_penalty)):
        if value and given.beam == 1:
            raise UsageError(f"{flag} {value:g} ranks translations, and --beam 1 has one; give a larger --beam.")
    if given.attention:
        from grux.commands.pictures import write_picture
        from grux.results.alignment import alignment

        (place,) = (number for number, translations in enumerate(found) if translations)
        weights, source, target = translator.alignment(sentences[place], found[place][0].tokens)
        write_picture(alignment(weights, source, target, title=model.title), given.attention)
    return 0


def _needs_attention(model, option: str) -> None:
    if model.model.attention is None:
        raise UsageError(
            f"{option} reads what the model attended to, and {model.title} has model.attention=none; name another run."
        )


def _line(text: str) -> str:
    """One line, whatever was written: each line of the output belongs to one of the input."""
    return " ".join(text.splitlines())


def _lines(file: str | None) -> list[str]:
    from grux.data.texts import read_lines

    try:
        lines = read_lines(Path(file)) if file else [line.rstrip("\r") for line in sys.stdin.read().split("\n")]
    except OSError as error:
        raise DataError(f"--file {file} cannot be read ({error.strerror}); name a text file.") from error
    if not file and lines[-1] == "":
        lines.pop()
    if not any(line.strip() for line in lines):
        raise DataError(f"{file or 'standard input'} has no sentence to translate.")
    return lines
