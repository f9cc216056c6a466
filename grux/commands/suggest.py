"""`grux suggest`: what a trained language model expects next, ranked."""

from collections.abc import Sequence

from grux.commands.generate import prompt_tokens
from grux.commands.use import parser, trained, within

EXAMPLES = """\
  grux suggest lstm-ptb-1a2b3c4d --prompt "the president of the"
  grux suggest gru-tinyshakespeare-1a2b3c4d --prompt "ROMEO" --count 3 --json
"""


def run(arguments: Sequence[str]) -> int:
    made = parser("suggest", "The likeliest next tokens after a text, with their probabilities.", EXAMPLES)
    made.add_argument("--prompt", required=True, metavar="TEXT", help="what stands before")
    made.add_argument("--count", type=within(int, 1), default=5, metavar="N", help="how many (default: %(default)s)")
    made.add_argument("--json", action="store_true", help="an array of objects with token and probability")
    given = made.parse_args(arguments)

    model = trained(given, "language_modelling")

    import json

    import jax
    import jax.numpy as jnp
    import numpy as np

    from grux.models.sample import written

    tokens, tokenizer = prompt_tokens(model, given.prompt)
    logits, _ = model.model.run(jnp.asarray(tokens[None]), mask=None, carry=model.model.initial_carry(1), key=None)
    shares = np.asarray(jax.nn.softmax(written(logits[:, -1]))[0])
    best = np.argsort(-shares, kind="stable")[: min(given.count, int((shares > 0).sum()))]
    found = [{"token": tokenizer.name(int(token)), "probability": float(shares[token])} for token in best]
    if given.json:
        print(json.dumps(found, ensure_ascii=False))
    else:
        print("\n".join(f"{row['probability']:.4f}  {row['token']!r}" for row in found))
    return 0
