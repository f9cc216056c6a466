"""Tiny Shakespeare: 40,000 lines of his plays, character by character (Karpathy 2015, "char-rnn")."""

from grux.arguments import PositiveInt
from grux.data.base import Dataset
from grux.data.card import Card
from grux.data.fetch import File
from grux.data.files import hashes
from grux.data.streams import cut_by_share, language_dataset
from grux.data.texts import read_text
from grux.data.tokenise import Kind

LICENCE = "public domain"
FILES = (
    File(
        dataset="tinyshakespeare",
        name="input.txt",
        sha256="86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
        bytes=1115394,
        licence=LICENCE,
        url="https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
    ),
)
CARD = Card(
    name="tinyshakespeare",
    task="language_modelling",
    summary="Plays of Shakespeare, 1.1 million characters, 65 symbols.",
    sizes={"train": 15686, "validation": 872, "test": 872},  # windows of 64 characters
    licence=LICENCE,
)


def tinyshakespeare(
    *,
    tokens: Kind,
    vocabulary_size: PositiveInt | None,
    steps: PositiveInt,
    evaluation_streams: PositiveInt,
) -> Dataset:
    """The first 90 % to train on, 5 % for validation, 5 % for the test."""
    (file,) = FILES
    parts = cut_by_share(read_text(file.path()), validation=0.05, test=0.05, where=file.name)
    return language_dataset(
        name=CARD.name,
        splits={name: [part] for name, part in parts.items()},
        files=hashes(FILES),
        tokens=tokens,
        vocabulary_size=vocabulary_size,
        min_count=1,
        lower=False,
        end_of_line=False,
        steps=steps,
        evaluation_streams=evaluation_streams,
    )
