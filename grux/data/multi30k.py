"""Multi30k: descriptions of photographs in English, German and French (Elliott et al. 2016, 2017), task 1.

29,000 / 1,014 pairs to train and validate; test is test_2016_flickr, and test_2017_flickr and test_2017_mscoco are
reported too. The raw text is used, cased, so scores compare under their sacreBLEU signature only with such.
"""

from typing import Literal

from grux.arguments import PositiveInt
from grux.data.base import Dataset
from grux.data.card import Card
from grux.data.fetch import File
from grux.data.files import hashes
from grux.data.texts import Pair, read_lines, translation_dataset
from grux.data.tokenise import Kind
from grux.errors import DataError, UsageError

Language = Literal["en", "de", "fr"]
LICENCE = "none stated; for research and education, download only"
ADDRESS = "https://raw.githubusercontent.com/multi30k/dataset/master/data/task1/raw"
PARTS = {
    "train": "train",
    "validation": "val",
    "test": "test_2016_flickr",
    "test_2017_flickr": "test_2017_flickr",
    "test_2017_mscoco": "test_2017_mscoco",
}


def _file(name: str, sha256: str, size: int) -> File:
    return File(dataset="multi30k", name=name, sha256=sha256, bytes=size, licence=LICENCE, url=f"{ADDRESS}/{name}")


FILES = (
    _file("test_2016_flickr.de.gz", "9204244e408ccb38d2a55cfcd344df15005fc42a07a6e55ca6c52b6ababb8cc8", 22890),
    _file("test_2016_flickr.en.gz", "611d361c6334bc7246101d48097c13cf5c4413c5befc793cc629934359d532d9", 21077),
    _file("test_2016_flickr.fr.gz", "6d326e188d259fb1d04ac19eae3af956559b3a0b93d7635e56c90987c40c8b90", 22310),
    _file("test_2017_flickr.de.gz", "a2c89666db00c495cd8513b9d708d5a3acc205d7de312ef2bf5fb7ebc1540aee", 21471),
    _file("test_2017_flickr.en.gz", "76a444ee25172e72695cddb13ae4a3bda59430617be88e0bb46b60504f054074", 19138),
    _file("test_2017_flickr.fr.gz", "3ba671ceb2299f3304ffafefea7a833d08632fbaf0ba18546f8a2ec2391af496", 20434),
    _file("test_2017_mscoco.de.gz", "799e4854c25d601cb6cb6be29eabe5667734c61ace2f495e03e429031a0bc338", 10230),
    _file("test_2017_mscoco.en.gz", "aab300bfb4427697987e02cd0aacd44bfe8aa50456231b6474c08038bbed2b58", 8844),
    _file("test_2017_mscoco.fr.gz", "754f3072ba9f124569ba5258b32730fc1d214bbf8e0c6dfb2b74401676220db0", 9751),
    _file("train.de.gz", "726e39b2fa9eb9ffb6dc763fb35a179f80fae06ffc5d28b6ace5faa883de28a6", 637044),
    _file("train.en.gz", "d79cfa999dd4c51d2cb42499b6796d5a882c3a8a961923c25a898c90f8bbd56f", 568929),
    _file("train.fr.gz", "622e75069e9f4c577425c4f277116ce66e63a2401c0a2312d90073cb12379a3c", 604242),
    _file("val.de.gz", "f0cba2f995189cf5770f29a8a9a537a3ad3f51657ad873405082ff6863a5e75a", 24681),
    _file("val.en.gz", "14f7d25ddd868909a9213e361768460edcacdd6ab9d1e77b92560dc10c10dc28", 21650),
    _file("val.fr.gz", "ca3106f1a72390591d25f6c45cb4cd39dec4cd3f123e099748a3ce5256c160e9", 23001),
)
CARD = Card(
    name="multi30k",
    task="translation",
    summary="Descriptions of photographs, any direction between English, German and French.",
    sizes={"train": 29000, "validation": 1014, "test": 1000, "test_2017_flickr": 1000, "test_2017_mscoco": 461},
    licence=LICENCE,
)


def multi30k(
    *,
    source: Language,
    target: Language,
    tokens: Kind,
    vocabulary_size: PositiveInt | None,
    min_count: PositiveInt,
    lower: bool,
    joint: bool,
    max_length: PositiveInt | None,
    buckets: PositiveInt,
) -> Dataset:
    """Pairs from `source` to `target`; references keep their case whatever `lower` says."""
    if source == target:
        raise UsageError(f"source={source} and target={target} are one language; choose two of en, de, fr.")
    used = {(part, language): file_of(part, language) for part in PARTS.values() for language in (source, target)}
    return translation_dataset(
        name=CARD.name,
        splits={split: read_pairs(used[part, source], used[part, target]) for split, part in PARTS.items()},
        files=hashes(tuple(used.values())),
        tokens=tokens,
        vocabulary_size=vocabulary_size,
        min_count=min_count,
        lower=lower,
        joint=joint,
        max_length=max_length,
        buckets=buckets,
    )


def file_of(part: str, language: str) -> File:
    """The file of one part in one language."""
    (file,) = (file for file in FILES if file.name == f"{part}.{language}.gz")
    return file


def read_pairs(source: File, target: File) -> list[Pair]:
    """Lines of two files that belong together by their number."""
    sources, targets = read_lines(source.path()), read_lines(target.path())
    if len(sources) != len(targets):
        raise DataError(
            f"{source.name} has {len(sources)} lines and {target.name} has {len(targets)}; they must be aligned."
        )
    return list(zip(sources, targets, strict=True))
