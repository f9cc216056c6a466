"""`grux demo NAME`: trains a small model on real data, shows what it does, and opens it to one's own input."""

import importlib.util
import io
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from grux.commands import examples
from grux.commands.words import Parser
from grux.errors import UsageError

EXAMPLES = """\
  grux demo                          what there is
  grux demo classify                 trains, classifies two sentences, then what is typed
  grux demo generate arch=lstm       further words go to `grux train`
"""
FURTHER = "Your own, a line each; an empty one ends:"


@dataclass(frozen=True)
class Demo:
    """`train` are words of `grux train`; in `use` and `own`, the words of another command, RUN is the trained run."""

    about: str
    train: tuple[str, ...]
    use: tuple[str, ...]
    says: tuple[str, ...] = ()
    """Lines of standard input, for a command that reads some."""
    own: tuple[str, ...] = ()
    """What is done with each line that is typed on a terminal, LINE, or with the terminal itself; (): nothing."""
    example: Callable[[Path], Path] | None = None
    """Makes the file that INPUT stands for in `use`, in the folder of the run."""
    needs: tuple[str, str] | None = None
    """A package that `use` imports, and the extra that brings it: asked for before minutes of training."""


SHAKESPEARE = (
    *("data=tinyshakespeare", "steps=800", "batch_size=64", "eval_every=200"),
    *("model.embedding=64", "model.features=192", "learning_rate=4e-3", "schedule=cosine"),
)
DEMOS = {
    "generate": Demo(
        "a play, written on character by character (Tiny Shakespeare)",
        SHAKESPEARE,
        ("generate", "RUN", "--prompt", "ROMEO:", "--temperature", "0.7"),
        own=("generate", "RUN", "--temperature", "0.7", "--prompt", "LINE"),
    ),
    "suggest": Demo(
        "the characters that are likely to come next (Tiny Shakespeare)",
        SHAKESPEARE,
        ("suggest", "RUN", "--prompt", "ROMEO: I pra"),
        own=("suggest", "RUN", "--prompt", "LINE"),
    ),
    "classify": Demo(
        "is a film review good or bad (Rotten Tomatoes, from a pip package)",
        ("experiment=quickstart_sentiment", "seeds=1"),
        ("classify", "RUN", "a warm , funny and moving film .", "a dull , lifeless and tedious mess ."),
        own=("classify", "RUN", "LINE"),
    ),
    "translate": Demo(
        "JupyterLab's interface in French (from pip packages)",
        ("experiment=quickstart_translation", "seeds=1"),
        ("translate", "RUN", "--beam", "4", "Open a new terminal", "Delete this cell"),
        own=("translate", "RUN", "--beam", "4", "LINE"),
    ),
    "chat": Demo(
        "a conversation with a memory of two turns (generated)",
        ("experiment=dialogue", "hydra.mode=RUN", "seeds=1", "data.context=3"),
        ("chat", "RUN"),
        says=("the red key is in the kitchen", "where is the key"),
        own=("chat", "RUN"),
    ),
    "forecast": Demo(
        "next week's temperatures in Seattle, with intervals and a picture (from a pip package)",
        ("experiment=quickstart_forecasting", "seeds=1"),
        ("forecast", "RUN", "--input", "INPUT", "--picture", "demo_forecast.png"),
        example=examples.weather,
        needs=("matplotlib", "plot"),
    ),
    "detect": Demo(
        "which heart beats are unusual (ECG5000)",
        ("experiment=anomaly", "hydra.mode=RUN", "seeds=1", "steps=600"),
        ("detect", "RUN", "--input", "INPUT", "--picture", "demo_detect.png"),
        example=examples.beats,
        needs=("matplotlib", "plot"),
    ),
    "compose": Demo(
        "a chorale as a MIDI file (Bach's, quarter notes)",
        ("data=polyphonic_music", "batch_size=16", "steps=600", "eval_every=150", "learning_rate=1e-2"),
        ("compose", "RUN", "--steps", "64", "--temperature", "0.8", "--output", "demo.mid"),
        needs=("mido", "music"),
    ),
    "transcribe": Demo(
        "spoken digits to text, while they are said (FSDD)",
        ("experiment=speech", "hydra.mode=RUN", "seeds=1", "epochs=12"),
        ("transcribe", "RUN", "--stream", "INPUT"),
        example=examples.digits,
        needs=("soundfile", "speech"),
    ),
    "probe": Demo(
        "what of a rule that was learned on short sequences holds on long ones (generated)",
        ("experiment=probes", "hydra.mode=RUN", "seeds=1", "steps=1000", "eval_every=250"),
        ("probe", "RUN", "--lengths", "5,10,20,40", "--picture", "demo_probe.png"),
        needs=("matplotlib", "plot"),
    ),
}


def run(arguments: Sequence[str]) -> int:
    import argparse

    parser = Parser(
        prog="grux demo",
        description="Trains a small model in a minute or some, and uses it.",
        epilog=f"Examples:\n{EXAMPLES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="without it: lists what there is")
    parser.add_argument("words", nargs="*", metavar="KEY=VALUE", help="changes of the training, as for `grux train`")
    given = parser.parse_args(arguments)
    if given.name is None:
        print("\n".join(f"  {name:11}{demo.about}" for name, demo in DEMOS.items()))
        return 0
    if given.name not in DEMOS:
        raise UsageError(f"there is no demo {given.name!r}; choose one of {', '.join(DEMOS)}.")
    demo = DEMOS[given.name]
    if demo.needs is not None and importlib.util.find_spec(demo.needs[0]) is None:
        package, extra = demo.needs
        raise UsageError(
            f'grux demo {given.name} needs {package}, which is not installed: pip install "grux[{extra}]".'
        )

    _refuse_other_data(given.name, given.words)

    from grux.launch.jobs import prepare

    words = [*demo.train, "group=demo", *given.words]
    folder = prepare(words).folder  # asked before, as what `force=true` names is another one afterwards
    _call(["train", *words])
    stands_for = {"RUN": str(folder)}
    if demo.example is not None:
        stands_for["INPUT"] = str(demo.example(folder))
    terminal = sys.stdin
    if demo.says:
        print("\n".join(f"> {line}" for line in demo.says))
        sys.stdin = io.StringIO("".join(f"{line}\n" for line in demo.says))
    try:
        _call([stands_for.get(word, word) for word in demo.use])
    finally:
        sys.stdin = terminal
    if demo.own and "LINE" not in demo.own:
        _call([stands_for.get(word, word) for word in demo.own])
    elif demo.own and terminal.isatty():
        print(FURTHER)
        for line in iter(sys.stdin.readline, ""):
            if not line.strip():
                break
            _call([{**stands_for, "LINE": line.strip()}.get(word, word) for word in demo.own])
    return 0


def _refuse_other_data(name: str, words: Sequence[str]) -> None:
    """Raises UsageError for data that the file of the demo does not belong to."""
    demo = DEMOS[name]
    asked = [word.lstrip("+") for word in words if word.lstrip("+").startswith("data=")]
    if demo.example is None or not asked:
        return

    from grux.config.compose import compose

    own = f"data={compose(demo.train).choices['data']}"
    if asked[-1] != own:
        use = " ".join(demo.use[: demo.use.index("INPUT")])
        raise UsageError(
            f"{asked[-1]} was asked for, and `grux demo {name}` uses its run on a file of {own}; leave that out, or "
            f"train with `grux train {asked[-1]} ...` and then use `grux {use} FILE`."
        )


def _call(words: list[str]) -> None:
    """Shows a command line and runs it, as if it had been typed."""
    print(f"$ grux {shlex.join(words)}", flush=True)
    importlib.import_module(f"grux.commands.{words[0]}").run(words[1:])
