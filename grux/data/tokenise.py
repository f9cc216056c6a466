"""Text to token ids and back: words, what stands between blanks, characters, bytes, or byte-pair encoding.

A vocabulary is learned from the training split only and saved with the run. The first ids are `SPECIAL_TOKENS` of
`grux.batch`; `encode` adds none of them (an unknown token is UNKNOWN), `decode` stops at EOS and skips the others.
"""

import io
import json
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from grux.batch import EOS, SPECIAL_TOKENS, UNKNOWN
from grux.errors import DataError, UsageError

Kind = Literal["words", "blanks", "characters", "bytes", "bpe"]

# An apostrophe stays with the letters before it: "l'" "homme", "it'" "s".
WORD = re.compile(r"[^\W\d_]+['’](?=\w)|\w+|[^\w\s]")
# Marks a token that follows the one before it without a space, so that decoding restores the text.
JOINER = "￭"


class Tokenizer(ABC):
    """Text to ids and back; `lower` is applied before anything else."""

    lower: bool
    file_name: str
    """What the saved file is called."""

    @property
    @abstractmethod
    def size(self) -> int:
        """How many ids there are, special tokens included."""

    @abstractmethod
    def save(self) -> bytes:
        """The content of its file: the same training text and settings give the same bytes."""

    @abstractmethod
    def encode(self, text: str) -> list[int]:
        """Token ids, without BOS and EOS."""

    def unknown(self, text: str) -> list[str]:
        """The tokens of a text that `encode` has no id for, as they stand in it; none where every text can be told."""
        return []

    @abstractmethod
    def _join(self, ids: list[int]) -> str:
        """Text of ids that are no special tokens (UNKNOWN excepted)."""

    def decode(self, ids: Iterable[int]) -> str:
        """Text up to the first EOS."""
        kept = []
        for token in ids:
            if token == EOS:
                break
            if token == UNKNOWN or token >= len(SPECIAL_TOKENS):
                kept.append(int(token))
        return self._join(kept)

    def text(self, ids: Iterable[int]) -> str:
        """Text that goes on beyond EOS, each of which is the end of a line."""
        lines: list[list[int]] = [[]]
        for token in ids:
            if token == EOS:
                lines.append([])
            else:
                lines[-1].append(token)
        return "\n".join(self.decode(line) for line in lines)

    def name(self, token: int) -> str:
        """One token for a person to read."""
        return SPECIAL_TOKENS[token] if token < len(SPECIAL_TOKENS) else self._join([token])

    def _prepare(self, text: str) -> str:
        return text.lower() if self.lower else text


class _Vocabulary(Tokenizer):
    """A list of tokens, most frequent first."""

    file_name = "vocabulary.json"
    kind: str

    def __init__(self, tokens: Sequence[str], *, lower: bool):
        self.lower = lower
        self.tokens = (*SPECIAL_TOKENS, *tokens)
        self._ids = {token: number for number, token in enumerate(self.tokens)}

    @property
    def size(self) -> int:
        return len(self.tokens)

    def save(self) -> bytes:
        content = {"kind": self.kind, "lower": self.lower, "tokens": self.tokens}
        return json.dumps(content, ensure_ascii=False, indent=0).encode()

    @staticmethod
    @abstractmethod
    def split(text: str) -> list[str]:
        """The tokens of a text."""

    def encode(self, text: str) -> list[int]:
        return [self._ids.get(token, UNKNOWN) for token in self.split(self._prepare(text))]

    def unknown(self, text: str) -> list[str]:
        return [token.removeprefix(JOINER) for token in self.split(self._prepare(text)) if token not in self._ids]


class Words(_Vocabulary):
    """Words and punctuation marks; a token glued to the one before carries a joiner.

    Decoding gives the text back but for runs of blanks, which become one.
    """

    kind = "words"

    @staticmethod
    def split(text: str) -> list[str]:
        tokens, end = [], None
        for match in WORD.finditer(text):
            tokens.append(JOINER + match[0] if match.start() == end else match[0])
            end = match.end()
        return tokens

    def _join(self, ids: list[int]) -> str:
        return " ".join(self.tokens[number] for number in ids).replace(f" {JOINER}", "").removeprefix(JOINER)


class Characters(_Vocabulary):
    """Unicode code points."""

    kind = "characters"

    @staticmethod
    def split(text: str) -> list[str]:
        return list(text)

    def _join(self, ids: list[int]) -> str:
        return "".join("�" if number == UNKNOWN else self.tokens[number] for number in ids)


class Blanks(_Vocabulary):
    """What stands between blanks, for texts that were cut into tokens before; a written <unk> is UNKNOWN."""

    kind = "blanks"

    @staticmethod
    def split(text: str) -> list[str]:
        return text.split()

    def _join(self, ids: list[int]) -> str:
        return " ".join(self.tokens[number] for number in ids)


class Bytes(Tokenizer):
    """The 256 bytes of UTF-8: nothing to learn and nothing unknown."""

    file_name = "vocabulary.json"

    def __init__(self, *, lower: bool):
        self.lower = lower

    @property
    def size(self) -> int:
        return len(SPECIAL_TOKENS) + 256

    def save(self) -> bytes:
        return json.dumps({"kind": "bytes", "lower": self.lower}).encode()

    def encode(self, text: str) -> list[int]:
        return [len(SPECIAL_TOKENS) + byte for byte in self._prepare(text).encode()]

    def _join(self, ids: list[int]) -> str:
        known = bytes(number - len(SPECIAL_TOKENS) for number in ids if number != UNKNOWN)
        return known.decode(errors="replace")


class BytePairs(Tokenizer):
    """Byte-pair encoding (Sennrich et al. 2016) by sentencepiece, with the text left as it is."""

    file_name = "bpe.model"

    def __init__(self, model: bytes, *, lower: bool):
        self.lower = lower
        self._model = model
        self._processor: Any = _sentencepiece().SentencePieceProcessor(model_proto=model)

    @property
    def size(self) -> int:
        return self._processor.get_piece_size()

    def save(self) -> bytes:
        return self._model

    def encode(self, text: str) -> list[int]:
        return self._processor.encode(self._prepare(text))

    def _join(self, ids: list[int]) -> str:
        return self._processor.decode(ids)


VOCABULARIES: dict[str, type[_Vocabulary]] = {family.kind: family for family in (Words, Blanks, Characters)}


def read_tokenizer(file_name: str, content: bytes, *, lower: bool) -> Tokenizer:
    """The inverse of `save`; `file_name` tells the kinds of file apart. Raises DataError for what is none.

    `lower` is what the tokeniser was learned with: a file of byte pairs does not say it.
    """
    if file_name.endswith(BytePairs.file_name):
        return BytePairs(content, lower=lower)
    try:
        saved = json.loads(content)
        if saved["kind"] == "bytes":
            return Bytes(lower=saved["lower"])
        return VOCABULARIES[saved["kind"]](saved["tokens"][len(SPECIAL_TOKENS) :], lower=saved["lower"])
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{file_name} holds no vocabulary of this version ({error}); train the run again.") from error


def learn_tokenizer(kind: Kind, texts: Iterable[str], *, size: int | None, min_count: int, lower: bool) -> Tokenizer:
    """A tokeniser from the training texts.

    `size` limits the ids, special tokens included (None: no limit; needed for bpe); words and characters seen less
    than `min_count` times are unknown.
    """
    if size is not None and size <= len(SPECIAL_TOKENS):
        raise UsageError(
            f"vocabulary_size={size} leaves no room beside {len(SPECIAL_TOKENS)} special tokens; raise it."
        )
    if kind == "bytes":
        return Bytes(lower=lower)
    if kind == "bpe":
        return _learn_byte_pairs(texts, size=size, lower=lower)
    family = VOCABULARIES[kind]
    counts = Counter(token for text in texts for token in family.split(text.lower() if lower else text))
    kept = {token: count for token, count in counts.items() if count >= min_count and token not in SPECIAL_TOKENS}
    ranked = sorted((-count, token) for token, count in kept.items())
    if not ranked:
        raise DataError(f"No token occurs min_count={min_count} times in the training text; lower min_count.")
    room = None if size is None else size - len(SPECIAL_TOKENS)
    return family([token for _, token in ranked[:room]], lower=lower)


def _learn_byte_pairs(texts: Iterable[str], *, size: int | None, lower: bool) -> BytePairs:
    if size is None:
        raise UsageError("tokens=bpe needs vocabulary_size; choose one, for example vocabulary_size=4000.")
    library, model = _sentencepiece(), io.BytesIO()
    try:
        library.SentencePieceTrainer.train(
            sentence_iterator=iter([text.lower() if lower else text for text in texts]),
            model_writer=model,
            model_type="bpe",
            vocab_size=size,
            character_coverage=1.0,
            normalization_rule_name="identity",  # the text is ours to change, not the library's
            hard_vocab_limit=False,  # a small text may have fewer pairs than asked for
            **{f"{name}_id": number for number, name in enumerate(("pad", "unk", "bos", "eos"))},
            **{f"{name}_piece": SPECIAL_TOKENS[i] for i, name in enumerate(("pad", "unk", "bos", "eos"))},
            minloglevel=2,
        )
    except RuntimeError as error:
        raise DataError(
            f"sentencepiece could not learn vocabulary_size={size} pieces from this text ({str(error).strip()[:200]}); "
            "choose another size."
        ) from error
    return BytePairs(model.getvalue(), lower=lower)


def _sentencepiece() -> Any:
    try:
        import sentencepiece
    except ImportError:
        raise UsageError('tokens=bpe needs the package sentencepiece; run: pip install "grux[text]"') from None
    return sentencepiece
