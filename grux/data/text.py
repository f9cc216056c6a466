"""A text of one's own for a language model: its beginning trains, its middle is for validation, its end is the test."""

from grux.arguments import PositiveInt, Probability
from grux.data.base import Dataset
from grux.data.card import Card
from grux.data.own import own_hashes, own_paths, own_text
from grux.data.streams import cut_by_share, language_dataset
from grux.data.tokenise import Kind
from grux.errors import UsageError

CARD = Card(
    name="text",
    task="language_modelling",
    summary="Your own text file: data.path=FILE.",
    sizes={},
    licence="your own",
)


def text(
    *,
    path: str | None,
    validation: str | None,
    test: str | None,
    share: Probability,
    encoding: str,
    tokens: Kind,
    vocabulary_size: PositiveInt | None,
    min_count: PositiveInt,
    lower: bool,
    steps: PositiveInt,
    evaluation_streams: PositiveInt,
) -> Dataset:
    """`share`: how much of the one file, by characters, is validation and as much again test.

    Line ends are part of the text: the character "\\n", or EOS where words stand for themselves.
    """
    paths = own_paths(path, validation, test, CARD.name)
    texts = {part: own_text(file, encoding).replace("\r\n", "\n") for part, file in paths.items()}
    if len(texts) == 1:
        if not 0 < share < 0.5:
            raise UsageError(f"data.share={share} of the text is validation and as much test; choose 0 < share < 0.5.")
        texts = cut_by_share(texts["train"], validation=share, test=share, where=str(paths["train"]))
    # Words know no line ends: each line is one, so that a model learns where lines stop.
    by_line = tokens in ("words", "blanks")
    return language_dataset(
        name=CARD.name,
        splits={part: content.split("\n") if by_line else [content] for part, content in texts.items()},
        files=own_hashes(list(paths.values())),
        tokens=tokens,
        vocabulary_size=vocabulary_size,
        min_count=min_count,
        lower=lower,
        end_of_line=by_line,
        steps=steps,
        evaluation_streams=evaluation_streams,
    )
