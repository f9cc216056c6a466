"""AN4: spelled words, numbers and short commands, recorded at Carnegie Mellon University in 1991, as Sphinx features.

13 mel-frequency cepstra, 100 frames a second, of sound of 16 kHz; the sound itself is not there. 948 utterances of 74
speakers and 130 test utterances of 10 others. Validation here is what every tenth training speaker says (in the order
of their names, the tenth first), so that no voice stands in two splits. Channels are standardised by the training
frames; `stack` frames are one step.

A file of features is an int32 count and as many float32, both big-endian. The archive comes from a mirror: at the
public address lie other forms of the corpus.
"""

import re
from pathlib import Path

import numpy as np

from grux.arguments import PositiveInt
from grux.data.base import Dataset
from grux.data.card import Card
from grux.data.extract import contents
from grux.data.fetch import File
from grux.data.files import hashes
from grux.data.frontend import stacked, standardised, statistics
from grux.data.utterances import transcribed
from grux.errors import DataError

CEPSTRA = 13
EVERY = 10  # of the training speakers, one is validation
LINE = re.compile(r"(?:<s> )?(.*?)(?: </s>)? *\(([^()\s]+)\)")
LICENCE = "BSD-style of Carnegie Mellon University, any purpose"
FILES = (
    File(
        dataset="an4",
        name="an4_mfcc.tar.gz",
        sha256="aefbbf5b5807033df98fc841058c251557aca71a444ba21ea836019a3110f2ec",
        bytes=14138442,
        licence=LICENCE,
        url="http://www.speech.cs.cmu.edu/databases/an4/",
    ),
)
CARD = Card(
    name="an4",
    task="transcription",
    summary="Spelled words, numbers and commands as mel-frequency cepstra (CMU AN4, 84 speakers).",
    sizes={"train": 857, "validation": 91, "test": 130},
    licence=LICENCE,
)
Utterance = tuple[str, np.ndarray, str]
"""Speaker, cepstra float64 [F, 13], what is said."""


def an4(*, stack: PositiveInt, buckets: PositiveInt) -> Dataset:
    """What is said, in capital letters and blanks."""
    parts = read_utterances(FILES[0].path())
    speakers = sorted({speaker for speaker, _, _ in parts["train"]})
    apart = set(speakers[EVERY - 1 :: EVERY])
    parts = {
        "train": [each for each in parts["train"] if each[0] not in apart],
        "validation": [each for each in parts["train"] if each[0] in apart],
        "test": parts["test"],
    }
    means, deviations = statistics([frames for _, frames, _ in parts["train"]])
    return transcribed(
        name=CARD.name,
        spoken={
            name: [(stacked(standardised(frames, means, deviations), stack), text) for _, frames, text in rows]
            for name, rows in parts.items()
        },
        files=hashes(FILES),
        buckets=buckets,
    )


def read_utterances(path: Path) -> dict[str, list[Utterance]]:
    """The utterances of "train" and "test", in the order of their lists. Raises DataError for what does not fit."""
    files = dict(contents(path, (".mfc", ".fileids", ".transcription")))
    found = {}
    for split in ("train", "test"):
        lists = [files.get(f"an4/etc/an4_{split}.{ending}") for ending in ("fileids", "transcription")]
        if lists[0] is None or lists[1] is None:
            raise DataError(f"{path}: the list or the transcripts of {split} are missing; get a good copy.")
        texts = read_transcripts(lists[1].decode(), f"{path}, {split}")
        rows = []
        for place in lists[0].decode().split():
            speaker, name = place.split("/")[-2:]
            content = files.get(f"an4/feat/{place}.mfc")
            if content is None or name not in texts:
                raise DataError(f"{path}: {place} has no features or no transcript; get a good copy.")
            rows.append((speaker, read_cepstra(content, f"{path}, {place}"), texts[name]))
        found[split] = rows
    return found


def read_transcripts(text: str, where: str) -> dict[str, str]:
    """What is said, by name of the utterance, of lines `WORDS (name)`; marks of start and end are left out."""
    found = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not (match := LINE.fullmatch(line.strip())) or not match[1].strip():
            raise DataError(f"{where}, line {number}: {line[:80]!r} is not `WORDS (name)`; get a good copy.")
        found[match[2]] = " ".join(match[1].split())
    return found


def read_cepstra(content: bytes, where: str) -> np.ndarray:
    """float64 [F, 13] of a file of features. Raises DataError where the count or a value is not what it must be."""
    values = np.frombuffer(content[4:], ">f4") if len(content) % 4 == 0 else np.zeros(0)
    count = int.from_bytes(content[:4], "big", signed=True)
    if count != len(values) or not count or count % CEPSTRA or not np.isfinite(values).all():
        raise DataError(
            f"{where}: {len(content)} bytes with a count of {count} are not frames of {CEPSTRA} finite numbers; get a "
            "good copy."
        )
    return values.astype(np.float64).reshape(-1, CEPSTRA)
