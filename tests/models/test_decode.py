"""Beam search against all that could be written and against a plain loop; and the model's own decoding with it."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support import arch
from test_encoder_decoder import awake, batch, decode, model

from grux.batch import BOS, EOS, PAD, UNKNOWN
from grux.errors import UsageError
from grux.models.decode import beam, drawn, greedy

V, LONGEST = 6, 4
WRITTEN = [token for token in range(V) if token not in (PAD, BOS)]
TABLE = np.random.default_rng(0).normal(size=(LONGEST, V, V)) * 2
GIVEN = jax.nn.softmax(jnp.asarray(np.random.default_rng(1).normal(size=(LONGEST, V, 3)), jnp.float32))


def step(carry, token):
    """Scores by the position and the token before; so is what it gives to a source of three steps."""
    return carry + 1, jnp.asarray(TABLE, jnp.float32)[carry, token], GIVEN[carry, token]


def search(rows=1, size=1, **options):
    options = {"source": jnp.ones((rows, 3), bool), "max_length": LONGEST, **options}
    return jax.jit(lambda: beam(step, jnp.zeros(rows * size, int), size=size, **options))()


def probability(tokens):
    logits = [TABLE[i, before] for i, before in enumerate([BOS, *tokens[:-1]])]
    return sum(row[token] - np.log(np.exp(row).sum()) for row, token in zip(logits, tokens, strict=True))


def score(tokens, a, b):
    """Equation 14 of Wu et al. 2016."""
    given = sum(np.asarray(GIVEN[i, before]) for i, before in enumerate([BOS, *tokens[:-1]]))
    return probability(tokens) / ((5 + len(tokens)) / 6) ** a + b * sum(math.log(min(float(g), 1)) for g in given)


def everything():
    """All that can be written in LONGEST tokens and ends."""
    inner = [token for token in WRITTEN if token != EOS]
    return [(*words, EOS) for n in range(LONGEST) for words in itertools.product(inner, repeat=n)]


@pytest.mark.parametrize(("a", "b"), [(0.0, 0.0), (1.0, 0.0), (0.6, 0.7)])
def test_a_beam_that_holds_all_finds_the_best_of_all(a, b):
    size = len(everything()) + 3**LONGEST  # those that end, and those that the length cuts
    found = search(size=size, length_penalty=a, coverage_penalty=b)
    ranked = sorted(everything(), key=lambda tokens: -score(tokens, a, b))
    ended = int(found.ended[0].sum())
    assert ended == len(ranked)
    for tokens, wanted in zip(np.asarray(found.tokens[0]), ranked, strict=False):
        assert tuple(tokens[tokens != PAD].tolist()) == wanted
    np.testing.assert_allclose(found.scores[0, :ended], [score(tokens, a, b) for tokens in ranked], rtol=1e-4)
    np.testing.assert_allclose(found.log_probabilities[0, :ended], [probability(t) for t in ranked], rtol=1e-4)
    cut = np.asarray(found.tokens[0, ended:])
    assert EOS not in cut and PAD not in cut and len({tuple(row) for row in cut.tolist()}) == 3**LONGEST


def plain_beam(size):
    """The hypotheses in the order of their probability, by lists."""
    alive, ended = [()], []
    for _ in range(LONGEST):
        grown = sorted(((*t, w) for t in alive for w in WRITTEN), key=lambda t: -probability(t))[: size - len(ended)]
        alive = [t for t in grown if t[-1] != EOS]
        ended += [t for t in grown if t[-1] == EOS]
    return [sorted(part, key=lambda t: -probability(t)) for part in (ended, alive)]


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_a_small_beam_is_the_plain_loop(size):
    ended, cut = plain_beam(size)
    found = search(rows=2, size=size, source=jnp.asarray([[True] * 3, [False] * 3]))
    rows = [tuple(row[row != PAD].tolist()) for row in np.asarray(found.tokens[0])]
    assert rows[: len(ended) + len(cut)] == [*ended, *cut] and int(found.ended[0].sum()) == len(ended)
    assert not found.tokens[1].any() and (found.scores[1] == -jnp.inf).all() and not found.ended[1].any()


def test_fewer_hypotheses_than_the_beam_has_room_for():
    found = search(size=9, max_length=1)
    assert found.ended[0].tolist() == [True] + [False] * 8
    assert int((found.scores[0] > -jnp.inf).sum()) == len(WRITTEN)
    assert not found.tokens[0, len(WRITTEN) :].any()


MODELS = [("none", {}), ("bahdanau", {"bidirectional": True}), ("luong", {"depth": 2}), ("luong_concat+feeding", {})]


def searched(net, data, **options):
    options = {"length_penalty": 0.0, "coverage_penalty": 0.0, **options}
    return jax.jit(lambda data: net.search(data, 9, **options))(data)


@pytest.mark.parametrize(("kind", "options"), MODELS)
def test_a_beam_of_one_is_greedy_whatever_the_penalties(kind, options):
    net, data = awake(model(attention=kind, **options), seed=3), batch(lengths=(5, 3, 4, 1, 2, 5, 0))
    one = searched(net, data, size=1, length_penalty=1.0, coverage_penalty=0.5)
    np.testing.assert_array_equal(one.tokens[:, 0], decode(net, data, 9))


@pytest.mark.parametrize(("kind", "options"), MODELS)
def test_probabilities_are_those_of_the_model(kind, options):
    """A hypothesis that moved between slots took its state along: its tokens, taught, have the same probability."""
    check_probabilities(awake(model(attention=kind, **options), seed=3), places=4)


def check_probabilities(net, places):
    data = batch(lengths=(5, 3))
    found = searched(net, data, size=places)
    for place in range(places):
        tokens = found.tokens[:, place]
        logits = jax.jit(net)(data._replace(targets=tokens, target_mask=tokens != PAD))
        each = jnp.take_along_axis(jax.nn.log_softmax(logits), tokens[..., None], -1)[..., 0]
        wanted = jnp.where(tokens != PAD, each, 0.0).sum(1)
        np.testing.assert_allclose(found.log_probabilities[:, place], wanted, rtol=1e-3, atol=1e-3)


def test_what_was_attended_to_is_summed_over_the_tokens():
    net, data = awake(model(attention="luong"), seed=3), batch(lengths=(5, 3))
    plain, covered = (searched(net, data, size=3, coverage_penalty=b) for b in (0.0, 1.0))
    for place in range(3):
        tokens = covered.tokens[:, place]
        given = net.alignment(data._replace(targets=tokens, target_mask=tokens != PAD))
        np.testing.assert_allclose(given.sum(-1), 1.0, atol=1e-5)
        total = jnp.where((tokens != PAD)[..., None], given, 0.0).sum(1)
        wanted = jnp.where(data.mask, jnp.log(jnp.clip(total, 1e-9, 1.0)), 0.0).sum(1)
        penalty = covered.scores[:, place] - covered.log_probabilities[:, place]
        np.testing.assert_allclose(penalty, wanted, rtol=1e-2, atol=1e-2)
    assert not np.array_equal(plain.scores, covered.scores)
    with pytest.raises(UsageError, match="attends to nothing"):
        awake(model(attention="none")).alignment(data)


def test_drawn_tokens_follow_their_probabilities():
    def flat(carry, token):
        return carry, jnp.broadcast_to(jnp.asarray(TABLE[0, BOS], jnp.float32), (len(token), V))

    rows = 4000
    for temperature in (1.0, 0.3):
        tokens = drawn(*(flat, 0, jax.random.key(1)), live=jnp.ones(rows, bool), max_length=1, temperature=temperature)
        raised = np.exp(TABLE[0, BOS] / temperature) * np.isin(np.arange(V), [t for t in WRITTEN if t != UNKNOWN])
        np.testing.assert_allclose(np.bincount(tokens[:, 0], minlength=V) / rows, raised / raised.sum(), atol=0.03)

    def pair(carry, token):
        return step(carry, token)[:2]

    given = {"live": jnp.ones(3, bool), "max_length": 4}

    def known(carry, token):
        carry, logits = pair(carry, token)
        return carry, logits.at[..., UNKNOWN].set(-jnp.inf)

    cold = drawn(pair, jnp.zeros(3, int), jax.random.key(2), **given, temperature=1e-4)
    np.testing.assert_array_equal(cold, greedy(known, jnp.zeros(3, int), **given))


def test_every_row_of_a_beam_has_the_carry_of_its_parent():
    """A window of last steps moves with its hypothesis as a state does."""
    check_probabilities(awake(model(layer=arch("transformer"), attention="luong")), places=3)
