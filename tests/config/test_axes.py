"""Which numbers can differ within one program: found by signature, refused with the names of those that can."""

from typing import Any

import numpy as np
import pytest

from grux.cli import main
from grux.config import build, compose
from grux.config.axes import check_together, possible_axes, rest_of, with_values
from grux.config.values import describe, takes_array, takes_object
from grux.errors import UsageError
from grux.rates import AnyRate, as_float32

EVERYWHERE = ["learning_rate", "clip", "initial_scale", "model.dropout"]


@pytest.mark.parametrize(
    ("overrides", "own"),
    [
        ([], ["optimizer.b1", "optimizer.b2", "optimizer.eps"]),
        (["optimizer=sgd"], ["optimizer.momentum"]),
        (["optimizer=rmsprop"], ["optimizer.decay", "optimizer.eps"]),  # its momentum is null: another program
        (
            ["optimizer=adamw", "arch=gru_variational"],
            ["arch.cell.rate", *(f"optimizer.{name}" for name in ("b1", "b2", "eps", "weight_decay"))],
        ),
        (["optimizer=sgd", "arch=lstm_layernorm_zoneout", "data=multi30k"], ["optimizer.momentum"]),
        (["optimizer=sgd", "arch=lru", "data=ett", "schedule=cosine"], ["optimizer.momentum"]),
    ],
)
def test_what_can_be_an_axis(overrides: list[str], own: list[str]):
    assert sorted(possible_axes(compose(overrides).config)) == sorted([*EVERYWHERE, *own])


@pytest.mark.parametrize("key", ["model.features", "schedule.warmup_fraction", "batch_size", "optimizer.momentum", "x"])
def test_what_cannot_is_refused_with_what_can(key: str, capsys: pytest.CaptureFixture[str]):
    words = ["optimizer=rmsprop", "schedule=warmup", f"together=[learning_rate,{key}]"]
    with pytest.raises(UsageError, match=f"together={key}: .* one program; those that differ in learning_rate, clip"):
        check_together(compose(words).config)
    assert main(["train", "-m", "learning_rate=0.1,0.2", *words]) == 2
    assert f"Leave {key} out of together" in capsys.readouterr().err


def test_what_is_left_when_the_numbers_are_taken_out():
    words = ["together=[model.dropout,clip]"]
    one, other = (
        compose([*words, f"model.dropout={rate}", f"clip={clip}"]).config for rate, clip in ((0, 1), (0.5, "null"))
    )
    assert rest_of(one) == rest_of(other) != rest_of(compose([*words, "model.features=9"]).config)
    changed = with_values(one, {"model.dropout": 0.3})
    assert changed["model"]["dropout"] == 0.3 and one["model"]["dropout"] == 0


def test_a_yaml_may_hold_the_number_alone():
    assert takes_array(AnyRate) and not takes_object(AnyRate) and describe(AnyRate) == "a number >= 0 and < 1"


@pytest.mark.parametrize(
    "rate", [0.0, 1e-9, 0.1, 0.3, 0.5, 0.7, 0.9, 0.999, *np.random.default_rng(0).random(50).tolist()]
)
def test_a_rate_draws_the_masks_of_the_plain_number(rate: float):
    """Uniform draws are multiples of 2^-23: those next to the share are the ones that could move over it."""
    plain, share = np.float32(1.0 - rate), np.float32(1) - as_float32(rate)
    assert share == pytest.approx(plain, abs=2.0**-24)
    near = np.float32(np.floor(plain * 2.0**23) + np.arange(-3, 5)) * np.float32(2.0**-23)
    np.testing.assert_array_equal(near < share, near < plain)
    if rate <= 0.5:
        assert share == plain


def test_a_number_that_decides_is_found_out():
    """Some functions of optax ask for the value of an option that its annotation lets be an array."""
    from grux.assembly import check_axis
    from grux.training.state import Learner

    config = compose(["data=first_token"]).config
    info = build(config["data"]).info
    make, layer = build(config["model"]), build(config["arch"])

    def learner(values: dict[str, Any]) -> Learner:
        import optax

        return Learner(
            build_model=lambda rngs: make(info=info, layer=layer, rngs=rngs),
            optimizer=optax.with_extra_args_support(optax.sgd(0.1) if values["x"] > 1 else optax.adam(0.1)),
        )

    with pytest.raises(UsageError, match="together=x: what takes x decides by its value"):
        check_axis(learner, "x")
