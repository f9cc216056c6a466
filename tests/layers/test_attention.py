"""Attention against plain loops over steps; padding and rows without a real step."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from grux.errors import UsageError
from grux.layers.attention import AdditiveAttention, AttentionPooling, MultiplicativeAttention, masked_softmax
from grux.layers.embedding import Embedding
from grux.layers.linear import Linear

B, S, T, Q, M = 3, 2, 4, 5, 6
MASK = jnp.asarray(np.arange(T)[None, :] < np.array([4, 2, 0])[:, None])


def normal(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


def make(kind):
    rngs = nnx.Rngs(0)
    if kind == "additive":
        attention = AdditiveAttention(query_features=Q, memory_features=M, features=7, rngs=rngs)
        attention.query.bias[...] = normal(7, seed=5)
        return (
            attention,
            lambda q, m: (
                np.tanh(q @ attention.query.kernel[...] + attention.query.bias[...] + m @ attention.key.kernel[...])
                @ attention.score.kernel[...][:, 0]
            ),
        )
    if kind == "general":
        attention = MultiplicativeAttention(query_features=Q, memory_features=M, score="general", rngs=rngs)
        return attention, lambda q, m: q @ (m @ attention.key.kernel[...])
    return MultiplicativeAttention(query_features=M, memory_features=M, score="dot", rngs=rngs), lambda q, m: q @ m


@pytest.mark.parametrize("kind", ["additive", "general", "dot"])
def test_contexts_equal_a_loop_over_real_steps(kind):
    attention, score = make(kind)
    query, memory = normal(B, S, M if kind == "dot" else Q), normal(B, T, M, seed=1)
    context, weights = attention(query, attention.keys(memory), memory, MASK)
    for row, length in enumerate([4, 2, 0]):
        for step in range(S):
            scores = np.array([float(score(query[row, step], memory[row, t])) for t in range(length)])
            expected = np.exp(scores) / np.exp(scores).sum() if length else np.zeros(0)
            np.testing.assert_allclose(weights[row, step, :length], expected, atol=1e-5)
            np.testing.assert_array_equal(weights[row, step, length:], 0)
            np.testing.assert_allclose(context[row, step], expected @ np.asarray(memory[row, :length]), atol=1e-5)


@pytest.mark.parametrize("kind", ["additive", "general", "dot"])
def test_padding_and_empty_rows_have_no_gradient_and_no_nan(kind):
    attention, _ = make(kind)
    query, memory = normal(B, S, M if kind == "dot" else Q), 1e3 * normal(B, T, M, seed=1)

    def total(query, memory):
        return (attention(query, attention.keys(memory), memory, MASK)[0] ** 2).sum()

    to_query, to_memory = jax.grad(total, argnums=(0, 1))(query, memory)
    assert jnp.isfinite(to_query).all() and jnp.isfinite(to_memory).all()
    assert not to_query[2].any()
    assert not jnp.where(MASK[..., None], 0.0, to_memory).any()


def test_masked_softmax_gradient_is_that_of_a_softmax():
    scores = normal(1, 1, 4)
    ours = jax.jacobian(lambda s: masked_softmax(s, jnp.array([[[True, True, True, False]]])))(scores)
    theirs = jax.jacobian(lambda s: jax.nn.softmax(s[..., :3]))(scores)
    np.testing.assert_allclose(ours[..., :3, :, :, :], theirs, atol=1e-6)
    alone = jax.grad(lambda s: masked_softmax(s, jnp.array([[[True, False, False, False]]]))[0, 0, 0])(scores)
    np.testing.assert_array_equal(alone, 0)  # one real step has weight 1, whatever its score


def test_bfloat16_memory_gives_bfloat16_context_and_float32_weights():
    attention, _ = make("additive")
    query, memory = normal(B, S, Q).astype(jnp.bfloat16), normal(B, T, M).astype(jnp.bfloat16)
    context, weights = attention(query, attention.keys(memory), memory, MASK)
    assert context.dtype == jnp.bfloat16 and weights.dtype == jnp.float32


def test_dot_attention_needs_equal_widths():
    with pytest.raises(UsageError, match="5 and 6"):
        MultiplicativeAttention(query_features=5, memory_features=6, score="dot", rngs=nnx.Rngs(0))


def test_pooling_reads_real_steps_only():
    pooling = AttentionPooling(features=M, rngs=nnx.Rngs(0))
    y = normal(B, T, M)
    pooled = pooling(y, MASK)
    np.testing.assert_allclose(pooled[1], pooling(y[1:2, :2], jnp.ones((1, 2), bool))[0], atol=1e-6)
    np.testing.assert_array_equal(pooled[2], 0)


def test_linear_is_affine_in_the_type_of_its_input():
    linear = Linear(in_features=3, features=2, rngs=nnx.Rngs(0))
    linear.bias[...] = jnp.array([1.0, -1.0])
    x = normal(4, 5, 3)
    np.testing.assert_allclose(
        linear(x), np.asarray(x) @ np.asarray(linear.kernel[...]) + np.array([1.0, -1.0]), atol=1e-6
    )
    assert linear(x.astype(jnp.bfloat16)).dtype == jnp.bfloat16
    assert linear(x.astype(jnp.bfloat16), dtype=jnp.float32).dtype == jnp.float32


def test_embedding_reads_rows_and_attend_scores_them():
    embedding = Embedding(vocabulary=9, features=4, rngs=nnx.Rngs(0))
    tokens = jnp.array([[0, 8, 3]])
    np.testing.assert_array_equal(embedding(tokens)[0], embedding.table[...][np.array([0, 8, 3])])
    assert embedding(tokens, dtype=jnp.bfloat16).dtype == jnp.bfloat16
    scores = embedding.attend(embedding(tokens))
    assert scores.shape == (1, 3, 9) and scores.dtype == jnp.float32
    np.testing.assert_allclose(scores[0, 1, 3], embedding.table[...][8] @ embedding.table[...][3], atol=1e-6)
