"""Scores by the length of the input: bins of as many examples each, so that their points are equally sure.

A bin is scored like a split of its own, by the programs that have scored the whole split: same shapes, nothing new to
compile, and together one more pass over the examples. Sums of examples are exact; a corpus metric (BLEU) is computed on
the texts of the bin, as in figure 2 of Bahdanau et al. 2015 (arXiv 1409.0473).
"""

from dataclasses import dataclass

import numpy as np

from grux.data.base import Split, Subset

RULE = "best weights; bins of about equally many examples by length"
MOST_BINS = 8


@dataclass(frozen=True)
class Bin:
    """The examples of one range of lengths."""

    shortest: int
    longest: int
    ids: np.ndarray
    """int32 [n]: which examples of the split."""


def length_bins(split: Split) -> list[Bin]:
    """At most MOST_BINS ranges of lengths that cover the split, ascending; [] where all are equally long."""
    ids, lengths = (np.concatenate(part) for part in zip(*((b.ids, b.lengths) for b in split.buckets), strict=True))
    values, counts = np.unique(lengths, return_counts=True)
    if len(values) < 2:
        return []
    wanted = len(ids) / MOST_BINS
    # A length belongs to the bin in which the middle of its examples falls: each bin gets about what is wanted.
    middle = np.cumsum(counts) - counts / 2
    number = np.minimum((middle / wanted).astype(int), MOST_BINS - 1)
    bins = []
    for group in np.unique(number):
        shortest, longest = (int(end) for end in values[number == group][[0, -1]])
        bins.append(Bin(shortest, longest, np.sort(ids[(lengths >= shortest) & (lengths <= longest)])))
    return bins


def part_of(split: Split, ids: np.ndarray) -> Split:
    """The examples `ids` of a split, in the same shapes."""
    buckets = [Subset(bucket, np.flatnonzero(np.isin(bucket.ids, ids))) for bucket in split.buckets]
    return Split(tuple(bucket for bucket in buckets if bucket.size))
