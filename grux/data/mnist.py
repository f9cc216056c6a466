"""Sequential MNIST: handwritten digits read pixel by pixel (Le, Jaitly and Hinton 2015, arXiv 1504.00941).

An image of 28 x 28 pixels is a sequence: of 784 steps of one pixel, or, where that is too long, of 28 steps of one row.
`order: permuted` mixes the pixels by one permutation for all images, so that neighbours stand far apart. Papers drew
permutations of their own; only here is it fixed by its seed on every machine. Of the 60,000 training images of LeCun et
al. 1998 ("Gradient-based learning applied to document recognition") the last 5,000 are validation; the 10,000 of the
test set are as given. Pixels are scaled to 0 .. 1.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from grux.batch import Batch, Info
from grux.data.base import Bucket, Dataset, Split
from grux.data.card import Card
from grux.data.extract import decompress
from grux.data.fetch import File
from grux.data.files import hashes
from grux.data.permutation import permutation
from grux.errors import DataError

LICENCE = "none stated; cite LeCun et al. 1998"
ADDRESS = "https://storage.googleapis.com/cvdf-datasets/mnist"
SIDE = 28
HELD_OUT = 5_000
CLASSES = tuple("0123456789")
WHITE = 255


def _file(name: str, sha256: str, size: int, other: str) -> File:
    url = f"{ADDRESS}/{name.replace('.idx', '-idx')}"
    return File(dataset="mnist", name=name, sha256=sha256, bytes=size, licence=LICENCE, url=url, others=(other,))


# Each first as packed again, then as published; both hold the same bytes.
FILES = (
    _file(
        "train-images.idx3-ubyte.gz",
        "0b367032e93c5d0cea0925647cfdb18614af8ee15f83e6f2fc2ad904a6835971",
        9719438,
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    ),
    _file(
        "train-labels.idx1-ubyte.gz",
        "1787548bbe0bff1ec2ecdc0ef292b02df999e2d1a6002d27500982c652b17203",
        28857,
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    ),
    _file(
        "t10k-images.idx3-ubyte.gz",
        "1a1a05eab793c14bb050b398624a11b0ffd1a2953baed553b1b9bd079e2a20be",
        1616508,
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    ),
    _file(
        "t10k-labels.idx1-ubyte.gz",
        "b91679a0acfe4ba0e50a2437a903084cba1f5f92592b016a25a7dfd00455798b",
        4517,
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    ),
)
CARD = Card(
    name="mnist",
    task="classification",
    summary="Handwritten digits as sequences of 784 pixels or 28 rows, in order or permuted (sequential MNIST).",
    sizes={"train": 55000, "validation": 5000, "test": 10000},
    licence=LICENCE,
)


class ImageSequences(Bucket):
    """Images read in steps, with one class each. Pixels stay one byte each on the device, and are scaled in a batch."""

    def __init__(self, *, pixels: np.ndarray, labels: np.ndarray, ids: np.ndarray):
        """pixels uint8 [n, T, D]; labels and ids int32 [n]."""
        self.arrays = {"pixels": pixels, "labels": labels}
        self.ids = ids

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.arrays["pixels"].shape[1],)

    def take(self, arrays: Mapping[str, Any], index: Any) -> Batch:
        inputs = arrays["pixels"][index].astype(np.float32) * np.float32(1 / WHITE)
        return Batch(inputs, np.ones(inputs.shape[:2], bool), arrays["labels"][index], index >= 0)

    def check(self, info: Info, where: str) -> None:
        pixels, labels = self.arrays["pixels"], self.arrays["labels"]
        if pixels.ndim != 3 or pixels.shape[2] != info.features or pixels.dtype != np.uint8:
            raise DataError(
                f"{where}: pixels are {pixels.dtype} {pixels.shape}, but bytes of {info.features} a step are declared."
            )
        if len(labels) != len(pixels):
            raise DataError(f"{where}: {len(labels)} classes for {len(pixels)} images.")
        bad = np.flatnonzero((labels < 0) | (labels >= len(info.classes or ())))
        if len(bad):
            raise DataError(f"{where}: example {self.ids[bad[0]]} has class {labels[bad[0]]}, which is none.")


def mnist(*, order: Literal["raster", "permuted"], seed: int, step: Literal["pixel", "row"]) -> Dataset:
    """Sequences float32 of 0 to 1: [784, 1] for pixels, [28, 28] for rows.

    `seed` is that of the permutation, which `permuted` alone has; its rows are 28 pixels in the mixed order.
    """
    images, labels, test_images, test_labels = (read_idx(file.path()) for file in FILES)
    for file, found, count in ((FILES[0], images, labels), (FILES[2], test_images, test_labels)):
        if found.shape != (len(count), SIDE, SIDE) or count.ndim != 1:
            raise DataError(f"{file.path()}: images {found.shape} for labels {count.shape}; get good copies.")
    end = len(images) - HELD_OUT
    parts = {
        "train": (images[:end], labels[:end]),
        "validation": (images[end:], labels[end:]),
        "test": (test_images, test_labels),
    }
    notes = ()
    if order == "permuted":
        mixed = permutation(SIDE * SIDE, seed=seed, epoch=0, stream="pixels")
        parts = {split: (found.reshape(len(found), -1)[:, mixed], own) for split, (found, own) in parts.items()}
        notes = (f"Pixels are mixed by the permutation of seed {seed}.",)
    width = SIDE if step == "row" else 1
    made = {
        split: Split((image_sequences(found.reshape(len(found), -1, width), own),))
        for split, (found, own) in parts.items()
    }
    info = Info(name=CARD.name, task="classification", classes=CLASSES, features=width)
    return Dataset(info, made, hashes(FILES), notes=notes)


def image_sequences(pixels: np.ndarray, labels: np.ndarray) -> ImageSequences:
    """One bucket of uint8 [n, T, D] and labels [n]."""
    return ImageSequences(
        pixels=np.ascontiguousarray(pixels), labels=labels.astype(np.int32), ids=np.arange(len(pixels), dtype=np.int32)
    )


def read_idx(path: Path) -> np.ndarray:
    """The uint8 array of a gzip file in the format of LeCun et al. 1998: zero, zero, 8, axes, sizes, bytes.

    Raises `DataError` for anything else, also for a byte too few or too many.
    """
    content = decompress(path)
    axes = content[3] if len(content) > 3 else 0
    if content[:3] != b"\0\0\x08" or not axes or len(content) < 4 * (1 + axes):
        raise DataError(
            f"{path} does not begin as an IDX file of bytes does ({content[:4].hex(' ')}); get a good copy."
        )
    shape = tuple(np.frombuffer(content, ">u4", axes, offset=4).tolist())
    values = np.frombuffer(content, np.uint8, offset=4 * (1 + axes))
    if len(values) != int(np.prod(shape, dtype=object)):
        raise DataError(f"{path} holds {len(values)} values where its header says {shape}; get a good copy.")
    return values.reshape(shape)
