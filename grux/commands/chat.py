"""`grux chat`: a conversation with a trained model of dialogues."""

import sys
from collections.abc import Iterator, Sequence

from grux.commands.use import add_seed, parser, trained, within
from grux.errors import UsageError

EXAMPLES = """\
  grux chat gru-tsv_turns-1a2b3c4d                 type, and it answers; /help says how to stop
  grux chat RUN --beam 5 < questions.txt           an answer for each line with words
  grux chat RUN --temperature 0.8 --seed 3         drawn answers; another --seed is another conversation
"""
COMMANDS = "/reset forgets what was said, /quit or Ctrl-D ends, /help says this."


def run(arguments: Sequence[str]) -> int:
    made = parser("chat", "A conversation with a trained model, which remembers the last turns.", EXAMPLES)
    made.add_argument("--beam", type=within(int, 1, 1000), metavar="N", help="hypotheses; 1 is greedy (default)")
    made.add_argument(
        "--temperature",
        type=within(float, 0, above=True),
        metavar="T",
        help="draw the words of an answer; below 1: surer",
    )
    add_seed(made)
    given = made.parse_args(arguments)
    if given.beam and given.temperature:
        raise UsageError("--beam takes the likeliest answer and --temperature draws one; give one of the two.")

    model = trained(given, "dialogue")

    from grux.commands.classify import unknown_of
    from grux.commands.translations import Translator
    from grux.data.turns import SEPARATOR, joined

    context = model.run.config["data"]["context"]
    # What a source has of earlier turns was told when it was said.
    speaker = Translator(model, beam=given.beam or 1, tells_unknown=False)
    turns: list[str] = []
    spoken = 0
    for said in _lines():
        if said == "/reset":
            turns = []
        elif said == "/quit":
            break
        elif said == "/help":
            print(COMMANDS, file=sys.stderr)
        elif text := _turn(said, SEPARATOR):
            turns = [*turns, text][-context:]
            for note in unknown_of(speaker.source, [text]):
                print(f"grux: {note}", file=sys.stderr)
            if given.temperature:
                draws = (given.seed, spoken)
                answer = speaker.draw(joined(turns, context), temperature=given.temperature, draws=draws)
            else:
                answer = speaker.translate([joined(turns, context)])[0][0].text
            spoken += 1
            answer = _turn(answer, SEPARATOR)
            print(answer, flush=True)
            turns.append(answer)
    return 0


def _turn(text: str, separator: str) -> str:
    """What is said in one line, without what stands between turns."""
    return " ".join(text.replace(separator, " ").split())


def _lines() -> Iterator[str]:
    """What is typed, or the lines of standard input, up to their end; a prompt where somebody sees it."""
    typed = sys.stdin.isatty() and sys.stdout.isatty()
    if typed:
        import readline  # noqa: F401  (the keys that edit a line)

        print(COMMANDS, file=sys.stderr)
    while True:
        if typed:
            try:
                line = input("> ")
            except EOFError:
                print()
                return
        else:
            line = sys.stdin.readline()
            if not line:
                return
        yield line.strip()
