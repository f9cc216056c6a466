"""Shared by the text sets: strict reading, splits by hash, padding, and the two shapes of a text data set."""

import csv
import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from itertools import compress
from pathlib import Path
from typing import Literal

import numpy as np

from grux.batch import EOS, Info
from grux.data.base import Dataset, LabelledSequences, Split, TokenPairs
from grux.data.batching import assign_buckets, grow, length_buckets
from grux.data.extract import decompress
from grux.data.tokenise import Kind, Tokenizer, learn_tokenizer
from grux.errors import DataError

Labelled = tuple[str, int]
Pair = tuple[str, str]
Kept = Literal["start", "end"]
"""Which end of a text that is too long is kept."""


REMEDY = "convert the file, or read it with another encoding"


def read_text(path: Path, encoding: str = "utf-8", *, remedy: str = REMEDY) -> str:
    """The text of a file (of its content, if it is named *.gz), decoded strictly, without a byte order mark.

    `remedy`: what to do where the bytes are of another encoding, for the error.
    """
    content = decompress(path) if path.suffix == ".gz" else path.read_bytes()
    try:
        return content.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path}, line {line}: byte {error.start} (0x{content[error.start]:02x}) is not {encoding}; {remedy}."
        ) from None


def read_lines(path: Path, encoding: str = "utf-8") -> list[str]:
    """The lines of a file; only line feeds end a line, so that files aligned by line stay aligned."""
    return [line.rstrip("\r") for line in read_text(path, encoding).removesuffix("\n").split("\n")]


def read_table(path: Path, encoding: str = "utf-8") -> Iterator[tuple[int, list[str]]]:
    """The rows of a CSV file with the line each ends on; raises `DataError` for a row that cannot be read."""
    yield from cut_table(read_text(path, encoding), path)


def cut_table(text: str, path: Path, delimiter: str = ",") -> Iterator[tuple[int, list[str]]]:
    """The rows of a text with the line each ends on; `path` is where it stands, for the error."""
    # Only line feeds end a row outside quotes: `splitlines` would also cut at characters such as U+0085.
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for row in rows:
            yield rows.line_num, row
    except csv.Error as error:
        raise DataError(f"{path}, line {rows.line_num}: {error}; repair the row.") from None


def plain(text: str) -> str:
    """The text without case and superfluous white space: what must be equal for texts to count as the same."""
    return " ".join(text.casefold().split())


def hash_splits(keys: Sequence[str], *, validation: float, test: float) -> dict[str, list[int]]:
    """Positions of train, validation and test, decided by a hash of each key alone.

    Case and white space do not count, so equal texts stand in one split, on every machine and in every order.
    """
    splits: dict[str, list[int]] = {"train": [], "validation": [], "test": []}
    for position, key in enumerate(keys):
        share = int.from_bytes(hashlib.blake2b(plain(key).encode(), digest_size=8).digest(), "big") / 2**64
        name = "test" if share < test else "validation" if share < test + validation else "train"
        splits[name].append(position)
    return splits


def pad(sequences: Sequence[Sequence[int]], length: int) -> tuple[np.ndarray, np.ndarray]:
    """Tokens int32 [n, length], zeros (PAD) on the right, and lengths int32 [n]."""
    tokens = np.zeros((len(sequences), length), np.int32)
    for row, sequence in zip(tokens, sequences, strict=True):
        row[: len(sequence)] = sequence
    return tokens, np.array([len(sequence) for sequence in sequences], np.int32)


def cut(tokens: list[int], max_length: int, keep: Kept) -> list[int]:
    """The first or the last `max_length` tokens of a text, or all of it where it has no more."""
    return tokens[:max_length] if keep == "start" else tokens[-max_length:]


def classification_dataset(
    *,
    name: str,
    splits: Mapping[str, Sequence[Labelled]],
    classes: tuple[str, ...],
    files: dict[str, str],
    tokens: Kind,
    vocabulary_size: int | None,
    min_count: int,
    lower: bool,
    max_length: int | None,
    buckets: int,
    notes: tuple[str, ...] = (),
    vocabulary_of: Sequence[str] | None = None,
    keep: Kept | None = None,
) -> Dataset:
    """Texts with a class, padded to `buckets` shapes.

    `max_length`: training texts are cut to so many tokens, others never; with `keep` all are, to their start or end.
    `vocabulary_of`: the texts that the vocabulary is learned from, where they are not those of training.
    """
    if vocabulary_of is None:
        vocabulary_of = [text for text, _ in splits["train"]]
    tokenizer = learn_tokenizer(tokens, vocabulary_of, size=vocabulary_size, min_count=min_count, lower=lower)
    coded = {key: [tokenizer.encode(text) for text, _ in rows] for key, rows in splits.items()}
    if max_length is not None:
        for key in coded if keep else ("train",):
            long = sum(len(sequence) > max_length for sequence in coded[key])
            coded[key] = [cut(sequence, max_length, keep or "start") for sequence in coded[key]]
            end = f"the {'first' if keep == 'start' else 'last'} " if keep else ""
            which = "training" if key == "train" else key
            notes += (f"{long} of {len(coded[key])} {which} texts were cut to {end}{max_length} tokens.",)
    _check_not_empty(coded, f"{name}: text")
    lengths = {key: np.array([len(sequence) for sequence in sequences]) for key, sequences in coded.items()}
    shapes = _shapes(lengths, buckets)
    parts = {}
    for key, sequences in coded.items():
        labels = np.array([label for _, label in splits[key]], np.int32)
        made = []
        for (steps,), ids in assign_buckets(lengths[key], shapes[key]):
            padded, real = pad([sequences[i] for i in ids], steps)
            made.append(LabelledSequences(tokens=padded, lengths=real, labels=labels[ids], ids=ids.astype(np.int32)))
        parts[key] = Split(tuple(made))
    info = Info(name=name, task="classification", vocabulary=tokenizer.size, classes=classes)
    return Dataset(info, parts, files, artifacts={tokenizer.file_name: tokenizer.save()}, notes=notes)


def translation_dataset(
    *,
    name: str,
    splits: Mapping[str, Sequence[Pair]],
    files: dict[str, str],
    tokens: Kind,
    vocabulary_size: int | None,
    min_count: int,
    lower: bool,
    joint: bool,
    max_length: int | None,
    buckets: int,
    notes: tuple[str, ...] = (),
    task: str = "translation",
) -> Dataset:
    """Pairs of source and target, both ended by EOS. `joint`: one vocabulary for both languages.

    Training pairs with more than `max_length` tokens on a side are left out, as half a target would teach a false
    end; pairs of other splits never are.
    """
    settings = {"size": vocabulary_size, "min_count": min_count, "lower": lower}
    source_texts, target_texts = ([pair[side] for pair in splits["train"]] for side in (0, 1))
    if joint:
        source_tokenizer = target_tokenizer = learn_tokenizer(tokens, source_texts + target_texts, **settings)
        artifacts = {source_tokenizer.file_name: source_tokenizer.save()}
    else:
        source_tokenizer = learn_tokenizer(tokens, source_texts, **settings)
        target_tokenizer = learn_tokenizer(tokens, target_texts, **settings)
        artifacts = {
            f"source.{source_tokenizer.file_name}": source_tokenizer.save(),
            f"target.{target_tokenizer.file_name}": target_tokenizer.save(),
        }
    kept = dict(splits)
    coded = {key: _encode(rows, source_tokenizer, target_tokenizer) for key, rows in splits.items()}
    longest_target = max((len(target) for _, target in coded["train"]), default=0)
    if max_length is not None:
        fits = [max(len(source), len(target)) <= max_length for source, target in coded["train"]]
        kept["train"] = list(compress(splits["train"], fits))
        coded["train"] = list(compress(coded["train"], fits))
        notes = (
            *notes,
            f"{len(fits) - sum(fits)} of {len(fits)} training pairs with more than {max_length} tokens on a side were "
            "left out.",
        )
    if not coded["train"]:
        raise DataError(f"{name}: max_length={max_length} leaves no training pair; raise it.")
    lengths = {key: np.array([(len(s), len(t)) for s, t in rows]).reshape(-1, 2) for key, rows in coded.items()}
    shapes = _shapes(lengths, buckets)
    made = {}
    for key, rows in coded.items():
        pairs = tuple(
            _pair_bucket([rows[i] for i in ids], shape, ids) for shape, ids in assign_buckets(lengths[key], shapes[key])
        )
        made[key] = Split(pairs, references=tuple(target for _, target in kept[key]))
    info = Info(
        name=name,
        task=task,
        vocabulary=source_tokenizer.size,
        target_vocabulary=target_tokenizer.size,
        max_source_length=max(len(source) for source, _ in coded["train"]),
        max_target_length=longest_target,  # of the pairs left out too: decoding may meet such a text again
    )
    return Dataset(info, made, files, artifacts=artifacts, decode=target_tokenizer.decode, notes=notes)


def _shapes(lengths: Mapping[str, np.ndarray], limit: int) -> dict[str, tuple[tuple[int, ...], ...]]:
    """The shapes of each split: those of the training split, and one set more that all evaluation splits share."""
    shapes = length_buckets(lengths["train"], limit=limit)
    grown = shapes
    for key, found in lengths.items():
        if key != "train" and len(found):
            grown = grow(grown, found)
    return {key: shapes if key == "train" else grown for key in lengths}


def _encode(rows: Sequence[Pair], source: Tokenizer, target: Tokenizer) -> list[tuple[list[int], list[int]]]:
    return [([*source.encode(a), EOS], [*target.encode(b), EOS]) for a, b in rows]


def _pair_bucket(rows: Sequence[tuple[list[int], list[int]]], shape: tuple[int, ...], ids: np.ndarray) -> TokenPairs:
    sources, source_lengths = pad([source for source, _ in rows], shape[0])
    targets, target_lengths = pad([target for _, target in rows], shape[1])
    return TokenPairs(
        sources=sources,
        source_lengths=source_lengths,
        targets=targets,
        target_lengths=target_lengths,
        ids=ids.astype(np.int32),
    )


def _check_not_empty(coded: Mapping[str, Sequence[Sequence[int]]], where: str) -> None:
    for key, sequences in coded.items():
        for position, sequence in enumerate(sequences):
            if not sequence:
                raise DataError(f"{where} {position + 1} of {key} has no token; remove it or give it text.")
