"""`grux transcribe`: what is said in files of sound, by a trained model; with --stream while it is said."""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grux.commands.use import parser, trained, within
from grux.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

    from grux.commands.listen import Listener

EXAMPLES = """\
  grux transcribe gru-fsdd_strings-1a2b3c4d number.wav         what is said in it
  grux transcribe RUN one.wav two.flac --decode beam --json    the likeliest texts over all alignments
  grux transcribe gru-fsdd-1a2b3c4d seven.wav                  a classifier: one word, with its probability
  grux transcribe RUN --stream number.wav                      letter by letter, as the sound comes
  arecord -t raw -f S16_LE -r 8000 | grux transcribe RUN --stream - --rate 8000
"""
BEAM = 16
CHUNK = 0.1


def run(arguments: Sequence[str]) -> int:
    made = parser("transcribe", "What is said in files of sound, by a model that was trained on sound.", EXAMPLES)
    made.add_argument(
        "files", nargs="+", metavar="FILE", help="sound; with --stream also -, raw sound of standard input"
    )
    made.add_argument(
        "--decode", choices=("greedy", "beam"), help="of a text: the likeliest path (default), or prefix beam search"
    )
    made.add_argument(
        "--beam", type=within(int, 1), metavar="N", help=f"texts that --decode beam keeps (default: {BEAM})"
    )
    made.add_argument("--stream", action="store_true", help="write each letter as soon as it is certain (greedy)")
    made.add_argument(
        "--chunk", type=within(float, 0.001, 60), metavar="S", help=f"seconds that --stream reads (default: {CHUNK})"
    )
    made.add_argument("--rate", type=within(int, 1000), metavar="HZ", help="of raw sound, 16 bits, one channel")
    made.add_argument("--json", action="store_true", help="an array of objects: file, text, probabilities of classes")
    given = made.parse_intermixed_args(arguments)
    _check(given)

    model = trained(given, None)

    from grux.commands.listen import Listener

    listener = Listener(model)
    if given.stream:
        listener.check_stream()
        _stream(given, listener)
        return 0
    if given.decode and not listener.writes:
        raise UsageError(f"--decode is for texts, and {model.title} tells one of its classes; leave it out.")
    rows = [_row(given, listener, name) for name in given.files]
    if given.json:
        print(json.dumps(rows, ensure_ascii=False, indent=1))
    for row in [] if given.json else rows:
        sure = [f"{max(row['probabilities'].values()):.4f}"] if "probabilities" in row else []
        print("\t".join([row["text"], *sure, row["file"]]))
    return 0


def _check(given: argparse.Namespace) -> None:
    """Raises UsageError for options that would change nothing."""
    raw = "-" in given.files
    for wrong, sentence in (
        (given.stream and len(given.files) > 1, "--stream hears one sound; name one file, or -."),
        (
            given.stream and given.decode == "beam",
            "--stream writes what is certain, and --decode beam may change its mind; leave out one of them.",
        ),
        (
            given.stream and given.json,
            "--stream writes letters as they come, and --json an array at the end; leave out one of them.",
        ),
        (raw and not given.stream, "raw sound of standard input (-) is heard with --stream; add it."),
        (raw and given.rate is None, "raw sound does not say its rate; add --rate, for example --rate 8000."),
        (
            given.rate is not None and not raw,
            "--rate is for raw sound of standard input (-), and a file says its own; leave it out.",
        ),
        (given.beam is not None and given.decode != "beam", "--beam is for --decode beam; add that, or leave it out."),
        (given.chunk is not None and not given.stream, "--chunk is for --stream; add that, or leave it out."),
    ):
        if wrong:
            raise UsageError(sentence)


def _row(given: argparse.Namespace, listener: "Listener", name: str) -> dict[str, Any]:
    samples = _opened(name, listener.front.rate).samples(listener.front.rate)
    if listener.writes:
        text = listener.text(samples, name, decode=given.decode or "greedy", beam=given.beam or BEAM)
        return {"file": name, "text": text}
    shares = listener.probabilities(samples, name)
    return {"file": name, "text": max(shares, key=lambda each: shares[each]), "probabilities": shares}


def _stream(given: argparse.Namespace, listener: "Listener") -> None:
    name, seconds, rate = given.files[0], given.chunk or CHUNK, listener.front.rate
    blocks, other = _blocks(name, given.rate, seconds, rate)
    late = f"at most {seconds + listener.front.delay:.3f} seconds"
    print(f"grux: letters follow the sound by {late}{', and what changing the rate takes' * other}", file=sys.stderr)
    for letters in listener.stream(blocks):
        print(letters, end="", flush=True)
    print()


def _blocks(name: str, raw: int | None, seconds: float, rate: int) -> tuple[Iterator["np.ndarray"], bool]:
    """Blocks of so many seconds at `rate`, and whether the sound has another one."""
    from grux.sound import raw_blocks

    if raw is not None:
        return raw_blocks(sys.stdin.buffer, raw, rate, _samples(seconds, raw)), raw != rate
    sound = _opened(name, rate)
    return sound.blocks(rate, _samples(seconds, sound.rate)), sound.rate != rate


def _samples(seconds: float, rate: int) -> int:
    return max(round(seconds * rate), 1)


def _opened(name: str, rate: int) -> Any:
    """The file; says on stderr what has to be done to it."""
    from grux.commands.listen import describe
    from grux.sound import Sound

    sound = Sound(Path(name))
    if done := describe(sound.path, sound.channels, sound.rate, rate):
        print(f"grux: {done}", file=sys.stderr)
    return sound
