"""A text file of one's own, to write on from: the beginning to train on, the middle for validation, the end for the test."""

from pathlib import Path

from grux.arguments import PositiveInt, Probability
from grux.data.base import Dataset
from grux.data.files import digest_of
from grux.data.streams import cut_by_share, language_dataset
from grux.data.text import read_text
from grux.data.tokenise import Kind
from grux.errors import DataError, UsageError
