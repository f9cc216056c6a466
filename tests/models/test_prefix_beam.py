"""Prefix beam search against the sum over every path."""

import itertools
import math

import numpy as np
import pytest

from grux.errors import UsageError
from grux.models.prefix_beam import prefix_beam_search


def random_scores(steps, classes, seed):
    logits = np.random.default_rng(seed).normal(size=(steps, classes)) * 2
    return logits - np.log(np.exp(logits).sum(1, keepdims=True))


def all_texts(scores):
    """The probability of each text that any path collapses to, one path at a time."""
    found = {}
    for path in itertools.product(range(scores.shape[1]), repeat=len(scores)):
        text = tuple(each for each, _ in itertools.groupby(path) if each)
        found[text] = found.get(text, 0.0) + math.exp(sum(scores[step, each] for step, each in enumerate(path)))
    return found


@pytest.mark.parametrize("seed", range(8))
def test_with_room_for_all_it_is_exact(seed):
    scores = random_scores(5, 3, seed)
    truth = all_texts(scores)
    found = prefix_beam_search(scores, beam=1000)
    assert {text: math.exp(value) for text, value in found if value > -np.inf} == pytest.approx(truth)
    assert found[0][0] == max(truth, key=lambda text: truth[text])
    assert [value for _, value in found] == sorted((value for _, value in found), reverse=True)


def test_it_finds_a_text_that_no_likeliest_path_shows():
    """Blank is likeliest at each of two steps, and yet "a" has more paths: Graves et al. 2006, section 3.2."""
    scores = np.log(np.array([[0.6, 0.4], [0.6, 0.4]]))
    ((text, value), *_) = prefix_beam_search(scores, beam=4)
    assert text == (1,) and math.exp(value) == pytest.approx(0.4 * 0.4 + 2 * 0.6 * 0.4)


def test_a_narrow_beam_keeps_so_many_and_a_wide_one_is_no_worse():
    scores = random_scores(12, 6, 1)
    best = [prefix_beam_search(scores, beam=beam)[0][1] for beam in (1, 4, 64)]
    assert len(prefix_beam_search(scores, beam=4)) == 4 and best[0] <= best[2] and best[1] <= best[2] + 1e-12


def test_two_equal_characters_need_a_blank():
    """Without a blank two steps of the same character are one."""
    scores = np.log(np.array([[0.02, 0.98], [0.96, 0.04], [0.02, 0.98]]))
    assert prefix_beam_search(scores, beam=8)[0][0] == (1, 1)
    assert prefix_beam_search(scores[[0, 0, 2]], beam=8)[0][0] == (1,)


def test_another_blank_and_nothing_at_all():
    scores = random_scores(4, 3, 2)
    turned = scores[:, [1, 2, 0]]
    one, other = prefix_beam_search(scores, beam=50)[0], prefix_beam_search(turned, beam=50, blank=2)[0]
    assert tuple(each - 1 for each in one[0]) == other[0] and one[1] == pytest.approx(other[1])
    assert prefix_beam_search(np.zeros((0, 3)), beam=2) == [((), 0.0)]
    with pytest.raises(UsageError, match="beam=0 keeps no text"):
        prefix_beam_search(scores, beam=0)
