"""Tokenisers: exact inverses, vocabularies from the training text alone, the same bytes every time."""

import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grux.batch import BOS, EOS, PAD, SPECIAL_TOKENS, UNKNOWN
from grux.data.tokenise import learn_tokenizer, read_tokenizer
from grux.errors import DataError, UsageError

TEXTS = (
    "A man, in an orange hat (42), starring at something.",
    "L'homme s'est-il arrêté ? Oui…",
    'She said: "it isn\'t 3.5 %".',
    "Zwei Männer   stehen am Herd.",
)


def learn(kind, texts=TEXTS, size=None, min_count=1, lower=False):
    if kind == "bpe":
        pytest.importorskip("sentencepiece")
        size = size or 120
    return learn_tokenizer(kind, texts, size=size, min_count=min_count, lower=lower)


@pytest.mark.parametrize("kind", ["words", "characters", "bytes", "bpe"])
def test_decoding_restores_the_text(kind):
    tokenizer = learn(kind)
    for text in TEXTS:
        ids = tokenizer.encode(text)
        assert all(len(SPECIAL_TOKENS) <= number < tokenizer.size for number in ids)
        assert " ".join(tokenizer.decode(ids).split()) == " ".join(text.split())


@pytest.mark.parametrize("kind", ["words", "characters", "bytes", "bpe"])
def test_decoding_stops_at_the_end(kind):
    tokenizer = learn(kind)
    ids = tokenizer.encode(TEXTS[0])
    assert tokenizer.decode([BOS, *ids, EOS, *ids, PAD]) == TEXTS[0]
    assert tokenizer.decode([EOS]) == tokenizer.decode([]) == ""


@settings(deadline=None, max_examples=100, derandomize=True)
@given(st.lists(st.text(alphabet="abé1 .,'’()-?", max_size=20), min_size=1, max_size=3))
def test_words_are_exact_but_for_white_space(texts):
    tokenizer = learn("words", [*texts, "x"])
    for text in texts:
        assert tokenizer.decode(tokenizer.encode(text)) == " ".join(text.split())


@pytest.mark.parametrize("kind", ["words", "characters", "bytes", "bpe"])
def test_saved_bytes_are_a_function_of_the_text(kind):
    assert learn(kind).save() == learn(kind).save()
    if kind != "bpe":
        assert learn(kind).save() != learn(kind, lower=True).save()


def test_words_by_frequency_then_alphabet():
    tokenizer = learn("words", ["b b a a c"])
    assert tokenizer.tokens == (*SPECIAL_TOKENS, "a", "b", "c")
    assert learn("words", ["b b a a c"], min_count=2).tokens == (*SPECIAL_TOKENS, "a", "b")
    assert learn("words", ["b b a a c"], size=5).tokens == (*SPECIAL_TOKENS, "a")


@pytest.mark.parametrize("kind", ["words", "characters"])
def test_unknown(kind):
    tokenizer = learn(kind, ["a b"])
    assert UNKNOWN in tokenizer.encode("a z")
    assert tokenizer.decode([UNKNOWN])


def test_lower():
    tokenizer = learn("words", ["The the"], lower=True)
    assert tokenizer.tokens == (*SPECIAL_TOKENS, "the")
    assert tokenizer.encode("THE") == [len(SPECIAL_TOKENS)]


def test_apostrophe_stays_with_the_word_before():
    tokenizer = learn("words", ["l'homme"])
    assert tokenizer.tokens[len(SPECIAL_TOKENS) :] == ("l'", "￭homme")


def test_bad_settings():
    with pytest.raises(UsageError, match="vocabulary_size=4 leaves no room"):
        learn("words", size=4)
    with pytest.raises(UsageError, match="tokens=bpe needs vocabulary_size"):
        learn_tokenizer("bpe", TEXTS, size=None, min_count=1, lower=False)
    with pytest.raises(DataError, match="min_count=9"):
        learn("words", min_count=9)


def test_bpe_too_small_for_its_characters():
    with pytest.raises(DataError, match="vocabulary_size=8"):
        learn("bpe", size=8)


def test_without_sentencepiece(monkeypatch):
    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    with pytest.raises(UsageError, match=r'pip install "grux\[text\]"'):
        learn_tokenizer("bpe", TEXTS, size=100, min_count=1, lower=False)


@pytest.mark.parametrize("kind", ["words", "blanks", "characters", "bytes", "bpe"])
def test_a_saved_tokenizer_reads_as_it_was(kind):
    tokenizer = learn(kind, lower=True)
    again = read_tokenizer(f"source.{tokenizer.file_name}", tokenizer.save(), lower=True)
    for text in TEXTS:
        assert again.encode(text) == tokenizer.encode(text) and again.size == tokenizer.size
        assert again.decode(again.encode(text)) == tokenizer.decode(tokenizer.encode(text))
    with pytest.raises(DataError, match="holds no vocabulary of this version"):
        read_tokenizer("vocabulary.json", b'{"kind": "runes"}', lower=False)


def test_blanks_take_tokens_as_they_are_written():
    tokenizer = learn("blanks", ["the <unk> of N 's", "the N"])
    ids = tokenizer.encode("the <unk> of new N 's")
    assert ids[1] == ids[3] == UNKNOWN and tokenizer.size == len(SPECIAL_TOKENS) + 4
    assert tokenizer.decode([i for i in ids if i != UNKNOWN]) == "the of N 's"
    assert tokenizer.text([ids[0], EOS, ids[2]]) == "the\nof"
    assert [tokenizer.name(EOS), tokenizer.name(ids[0])] == ["</s>", "the"]
