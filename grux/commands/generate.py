"""`grux generate`: a trained language model writes on."""

import sys
from collections.abc import Sequence

from grux.commands.use import add_seed, parser, trained, within
from grux.errors import UsageError

EXAMPLES = """\
  grux generate gru-tinyshakespeare-1a2b3c4d --prompt "ROMEO:"
  grux generate runs/text/lstm-ptb-1a2b3c4d --prompt "the company said" --length 40 --temperature 0.8 --top-k 20
  grux generate RUN --top-p 0.9 --samples 3 --seed 7      three texts; another --seed gives others
  echo "To be" | grux generate RUN --prompt -            the prompt from standard input
"""


def run(arguments: Sequence[str]) -> int:
    made = parser("generate", "Text that a trained language model writes on from a prompt.", EXAMPLES)
    made.add_argument("--prompt", default="", metavar="TEXT", help="what stands before; - for standard input")
    made.add_argument("--length", type=within(int, 1, 100_000), default=300, metavar="N", help="tokens (default: 300)")
    made.add_argument(
        "--temperature", type=within(float, 0), default=1.0, metavar="T", help="0: always the likeliest (default: 1)"
    )
    made.add_argument("--top-k", type=within(int, 1), metavar="K", help="draw from the K likeliest tokens")
    made.add_argument(
        "--top-p",
        type=within(float, 0, 1, above=True),
        metavar="P",
        help="draw from the fewest that have probability P",
    )
    made.add_argument("--samples", type=within(int, 1, 1000), default=1, metavar="N", help="texts (default: 1)")
    add_seed(made)
    given = made.parse_args(arguments)
    prompt = sys.stdin.read().removesuffix("\n") if given.prompt == "-" else given.prompt

    model = trained(given, "language_modelling")

    import jax
    import jax.numpy as jnp
    import numpy as np

    from grux.models.sample import sample

    tokens, tokenizer = prompt_tokens(model, prompt)
    made_of = sample(
        model.model,
        jnp.asarray(np.tile(tokens, (given.samples, 1))),
        jax.random.key(given.seed, impl="threefry2x32"),
        length=given.length,
        temperature=given.temperature,
        top_k=given.top_k,
        top_p=given.top_p,
    )
    for number, row in enumerate(np.asarray(made_of)):
        if given.samples > 1:
            print(f"--- {number + 1} of {given.samples}")
        print(tokenizer.text([*tokens[1:], *row.tolist()]))
    return 0


def prompt_tokens(model, prompt: str):
    """(EOS and the tokens of the prompt, int32 [T]; the tokeniser). Says on stderr where it reads something unknown."""
    import numpy as np

    from grux.batch import EOS, UNKNOWN

    tokenizer = model.tokenizers[""]
    ids = tokenizer.encode(prompt)
    if UNKNOWN in ids:
        shown = tokenizer.text(ids)
        print(f"grux: {model.title} has never seen a part of the prompt: it reads {shown[:200]!r}", file=sys.stderr)
    if prompt and not ids:
        raise UsageError(f"--prompt {prompt!r} has no token; write some text, or leave it out.")
    return np.array([EOS, *ids], np.int32), tokenizer
