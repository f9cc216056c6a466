"""Writing on: draws follow the stated distribution, filters keep what they say, and a step is a step."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from support import arch, randomise

from grux.batch import BOS, PAD, UNKNOWN, Info
from grux.models.next_step import NextStep
from grux.models.sample import kept, sample, sample_notes, written

V = 9
LOGITS = jnp.log(jnp.array([[0.5, 0.25, 0.15, 0.07, 0.03]]))


def model() -> NextStep:
    info = Info(name="toy", task="language_modelling", vocabulary=V, continuous=True)
    options = {"embedding": 5, "features": 6, "depth": 2, "residual": False, "tied": False, "dropout": 0.3}
    return NextStep(info=info, layer=arch("gru"), dtype="float32", rngs=nnx.Rngs(1), **options)


def test_the_likeliest_text_is_that_of_whole_calls():
    made, prompt = model(), jnp.array([[3, 5, 6], [3, 8, 4]])
    found = sample(made, prompt, jax.random.key(0), length=5, temperature=0)
    text = prompt
    for _ in range(5):
        logits, _ = made.run(text, mask=None, carry=made.initial_carry(2), key=None)
        text = jnp.concatenate([text, written(logits[:, -1]).argmax(-1)[:, None].astype(jnp.int32)], axis=1)
    np.testing.assert_array_equal(found, text[:, 3:])


def test_draws_come_as_often_as_they_are_likely_and_never_what_stands_in_no_text():
    made, prompt = model(), jnp.full((4000, 1), 3)
    first = np.asarray(sample(made, prompt, jax.random.key(2), length=1, temperature=2.0))[:, 0]
    logits, _ = made.run(prompt[:1], mask=None, carry=made.initial_carry(1), key=None)
    wanted = np.asarray(jax.nn.softmax(written(logits[:, -1]) / 2.0)[0])
    shares = np.bincount(first, minlength=V) / len(first)
    assert (wanted[[PAD, UNKNOWN, BOS]] == 0).all() and (shares[[PAD, UNKNOWN, BOS]] == 0).all()
    np.testing.assert_allclose(shares, wanted, atol=4 * np.sqrt(0.25 / len(first)))
    assert (np.asarray(sample(made, prompt[:3], jax.random.key(2), length=4)) == np.asarray(
        sample(made, prompt[:3], jax.random.key(2), length=4))).all()  # fmt: skip


@pytest.mark.parametrize(
    ("top_k", "top_p", "left"),
    [(None, None, 5), (2, None, 2), (9, None, 5), (None, 0.5, 1), (None, 0.51, 2), (3, 0.9, 2)],
)
def test_filters_keep_the_likeliest(top_k, top_p, left):
    """Of three with 0.5, 0.25 and 0.15 the first two already have more than 0.9 of what was left: 0.83 and then 1."""
    scores = np.asarray(kept(LOGITS, temperature=1.0, top_k=top_k, top_p=top_p))[0]
    wanted = 3 if (top_k, top_p) == (3, 0.9) else left
    assert np.isfinite(scores).tolist() == [place < wanted for place in range(5)]
    np.testing.assert_allclose(scores[:wanted], LOGITS[0, :wanted], rtol=1e-6)


def test_the_temperature_divides_and_the_likeliest_always_stays():
    np.testing.assert_allclose(kept(LOGITS, temperature=0.5, top_k=None, top_p=None), LOGITS * 2, rtol=1e-6)
    scores = kept(LOGITS, temperature=1.0, top_k=None, top_p=1e-6)
    assert np.isfinite(scores).tolist() == [[True, False, False, False, False]]


def test_notes_are_drawn_each_for_itself_given_all_steps_before():
    info = Info(name="toy", task="polyphony", features=4)
    options = {"embedding": 5, "features": 6, "depth": 1, "residual": False, "tied": False, "dropout": 0.0}
    made = randomise(NextStep(info=info, layer=arch("gru"), dtype="float32", rngs=nnx.Rngs(1), **options), 5)
    roll = sample_notes(made, jax.random.key(3), steps=6)
    assert roll.shape == (6, 4) and np.isin(roll, (0, 1)).all()
    # What was drawn at a step is the sign of logistic noise against the odds that a whole call gives there.
    before = jnp.concatenate([jnp.zeros((1, 4)), roll[:-1]])[None]
    logits, _ = made.run(before, mask=None, carry=made.initial_carry(1), key=None)
    for step, key in enumerate(jax.random.split(jax.random.key(3), 6)):
        wanted = jax.random.bernoulli(key, jax.nn.sigmoid(logits[:, step : step + 1]))
        np.testing.assert_array_equal(roll[step], wanted[0, 0])
    many = [sample_notes(made, jax.random.key(n), steps=1, temperature=1e-6)[0] for n in range(3)]
    np.testing.assert_array_equal(many[0], (logits[0, 0] > 0).astype(np.float32))
    assert all((one == many[0]).all() for one in many)
