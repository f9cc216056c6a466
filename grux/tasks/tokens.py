"""What tasks whose targets are tokens share: cross-entropy of each token, and perplexity."""

import jax
import jax.numpy as jnp
import numpy as np

from grux.batch import Batch

MOST_EXPONENT = 700.0  # exp of more is no float: an untrained model may be as bad as that


def cross_entropy(logits: jax.Array, batch: Batch, smoothing: float) -> tuple[jax.Array, jax.Array]:
    """-(1 - e) log p(target) - e mean_v log p(v), summed over real tokens."""
    logits = logits.astype(jnp.float32)
    # A product with the wanted distribution, not a gather: XLA need not store it, and its gradient is one elementwise
    # pass where that of a gather is a scatter into [B, S, V]. On CPU the two take the same time.
    tokens = logits.shape[-1]
    wanted = (1 - smoothing) * jax.nn.one_hot(batch.targets, tokens) + smoothing / tokens
    values = jax.nn.logsumexp(logits, axis=-1) - (wanted * logits).sum(-1)
    return jnp.where(batch.target_mask, values, 0.0).sum(), batch.target_mask.sum()


def perplexity(loss: float) -> float:
    """exp of the mean cross-entropy in nats."""
    return float(np.exp(min(loss, MOST_EXPONENT)))
