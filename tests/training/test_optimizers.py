"""Every optimiser yaml descends; the mask, clipping and the plateau do what they say."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from grux.batch import Info
from grux.config import build, compose
from grux.training.optimizers import decay_mask, make_optimizer
from grux.training.schedules import at_peak, constant, plateau

NAMES = sorted(path.stem for path in (Path(__file__).resolve().parents[2] / "configs" / "optimizer").glob("*.yaml"))
TARGET = jnp.array([1.0, -2.0, 3.0])


def quadratic(params: dict) -> jax.Array:
    return 0.5 * jnp.sum((params["w"] - TARGET) ** 2)


@pytest.mark.parametrize("name", NAMES)
def test_every_optimizer_descends(name: str):
    rate = 1.0 if name == "adadelta" else 0.02
    optimizer = make_optimizer(
        build(compose([f"optimizer={name}"]).config["optimizer"]),
        constant(learning_rate=rate, total_steps=400),
        clip=1.0,
    )
    params = {"w": jnp.zeros(3)}
    state = optimizer.init(params)

    @jax.jit
    def step(params: dict, state: optax.OptState):
        loss, gradients = jax.value_and_grad(quadratic)(params)
        updates, state = optimizer.update(gradients, state, params, value=loss)
        return optax.apply_updates(params, updates), state, loss

    losses = []
    for _ in range(400):
        params, state, loss = step(params, state)
        losses.append(float(loss))
    assert losses[-1] < 0.5 * losses[0] and all(np.isfinite(losses))
    assert step._cache_size() == 1  # pyright: ignore[reportFunctionMemberAccess]


def test_only_weight_matrices_decay():
    params = {
        "cell": {"w_hh": 1, "b_hn": 1, "gates": [1, 1]},
        "head": {"kernel": {"value": 1}, "bias": {"value": 1}},
        "norm": {"scale": 1, "bias": 1},
        "embedding": {"embedding": 1},
    }
    mask = decay_mask(params)
    assert mask["cell"] == {"w_hh": True, "b_hn": False, "gates": [True, True]}
    assert mask["head"] == {"kernel": {"value": True}, "bias": {"value": False}}
    assert mask["norm"] == {"scale": False, "bias": False} and mask["embedding"] == {"embedding": False}


def test_what_decays_in_a_real_model():
    info = Info(name="x", task="classification", vocabulary=10, classes=("a", "b"))
    config = compose(["arch=gru", "model.pooling=attention"]).config
    make, layer = build(config["model"]), build(config["arch"])
    params = nnx.state(nnx.eval_shape(lambda: make(info=info, layer=layer, rngs=nnx.Rngs(0))), nnx.Param)
    paths = jax.tree_util.tree_leaves_with_path(decay_mask(params))
    kept = {jax.tree_util.keystr(path, simple=True, separator=".") for path, decays in paths if not decays}
    decayed = {jax.tree_util.keystr(path, simple=True, separator=".") for path, decays in paths if decays}
    assert any("embedding" in path for path in kept) and any("b_hn" in path for path in kept)
    assert any("w_hh" in path for path in decayed) and any("head" in path for path in decayed)
    assert not any("bias" in path or "b_" in path or "embedding" in path for path in decayed)


def test_decay_moves_weights_and_leaves_biases():
    optimizer = make_optimizer(
        build({"_target_": "optax.adamw", "_partial_": True, "weight_decay": 0.1}),
        constant(learning_rate=0.1, total_steps=1),
    )
    params = {"w": jnp.ones(2), "b_w": jnp.ones(2)}
    updates, _ = optimizer.update(jax.tree.map(jnp.zeros_like, params), optimizer.init(params), params)
    np.testing.assert_allclose(updates["w"], -0.01, rtol=1e-5)
    np.testing.assert_array_equal(updates["b_w"], 0.0)


def test_clip_bounds_the_global_norm():
    sgd = build({"_target_": "optax.sgd", "_partial_": True})
    optimizer = make_optimizer(sgd, constant(learning_rate=1.0, total_steps=1), clip=1.0)
    params = {"a": jnp.zeros(2), "b": jnp.zeros(2)}
    gradients = {"a": jnp.array([3.0, 0.0]), "b": jnp.array([0.0, 4.0])}
    updates, _ = optimizer.update(gradients, optimizer.init(params), params)
    np.testing.assert_allclose(optax.tree.norm(updates), 1.0, rtol=1e-6)
    np.testing.assert_allclose(updates["a"][0], -0.6, rtol=1e-6)


def test_plateau_halves_each_seed_by_its_own_losses():
    options = {"factor": 0.5, "patience": 2, "window": 2, "cooldown": 0, "minimum_fraction": 0.01}
    schedule = plateau(learning_rate=1.0, total_steps=20, **options)
    optimizer = make_optimizer(build({"_target_": "optax.sgd", "_partial_": True}), schedule)
    params = {"w": jnp.zeros((2, 1))}
    losses = jnp.stack([jnp.linspace(1.0, 0.1, 12), jnp.ones(12)])  # seed 0 keeps improving, seed 1 stands still
    state = jax.vmap(optimizer.init)(params)
    update = jax.jit(jax.vmap(lambda g, s, p, v: optimizer.update(g, s, p, value=v)))
    for i in range(12):
        updates, state = update({"w": jnp.ones((2, 1))}, state, params, losses[:, i])
    assert float(updates["w"][0, 0]) == -1.0
    assert float(updates["w"][1, 0]) == pytest.approx(-0.25)  # means 1 | 1 1 (halved) | 1 1 (halved) | 1


@pytest.mark.parametrize("name", NAMES)
def test_every_number_may_be_an_array(name: str):
    """Each option of each yaml, the peak of the schedule and the clip: as in the program of several runs."""
    node = compose([f"optimizer={name}"]).config["optimizer"]
    numbers = {key: float(value) for key, value in node.items() if type(value) in (int, float)}
    numbers |= {"learning_rate": 0.1, "clip": 0.5}
    unit = constant(learning_rate=1.0, total_steps=1)

    def steps(values: dict) -> jax.Array:
        own = {key: values[key] for key in numbers if key in node}
        schedule = at_peak(unit, values["learning_rate"])
        optimizer = make_optimizer(build({**node, **own}), schedule, clip=values["clip"])
        params = {"w": jnp.ones(3)}
        state = optimizer.init(params)
        for _ in range(3):
            loss, gradients = jax.value_and_grad(quadratic)(params)
            updates, state = optimizer.update(gradients, state, params, value=loss)
            params = optax.apply_updates(params, updates)
        return params["w"]

    changed = [numbers] + [{**numbers, key: 0.9 * value} for key, value in numbers.items()]
    together = {key: jnp.array([each[key] for each in changed]) for key in numbers}
    expected = jnp.stack([steps(each) for each in changed])
    np.testing.assert_allclose(jax.jit(jax.vmap(steps))(together), expected, rtol=1e-4, atol=1e-6)
    # eps and Lion's rates move the first steps by less than rounding, or not at all.
    moved = {key for key, row in zip(numbers, expected[1:], strict=True) if not np.array_equal(row, expected[0])}
    assert moved >= {"learning_rate"} | ({"weight_decay"} & set(numbers))
