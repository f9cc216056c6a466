"""Sequences as they come in: T steps say what one call on the T steps says, for every arch."""

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from support import ARCHS, arch, randomise

from grux.batch import Batch, Info
from grux.errors import UsageError
from grux.models.autoregressive_forecaster import AutoregressiveForecaster
from grux.models.classifier import Classifier
from grux.models.ctc import CTC
from grux.models.encoder_decoder_forecaster import EncoderDecoderForecaster
from grux.models.forecaster import Forecaster
from grux.models.next_step import NextStep
from grux.models.stepper import Stepper
from grux.models.tagger import Tagger

B, T = 2, 7
INFOS = {
    "tokens": Info(name="toy", task="classification", vocabulary=11, classes=("a", "b", "c")),
    "frames": Info(name="toy", task="classification", features=3, classes=("a", "b", "c")),
}
WIDTHS = dict(embedding=5, features=8, depth=2, residual=False, dropout=0.2, dtype="float32", rngs=nnx.Rngs(0))


def assert_equal_steps(got, wanted, atol):
    """To `atol`, and beyond that to a millionth of the largest value: a sum of large terms is as exact as they are."""
    np.testing.assert_allclose(got, wanted, atol=atol + 1e-6 * float(np.abs(wanted).max()))


def next_step(name, info):
    return randomise(NextStep(info=info, layer=arch(name), tied=False, **WIDTHS), 0)


def classifier(name, pooling, info=INFOS["tokens"], bidirectional=False):
    made = Classifier(info=info, layer=arch(name), bidirectional=bidirectional, pooling=pooling, **WIDTHS)
    return randomise(made, 0)


def inputs(info, seed=0):
    random = np.random.default_rng(seed)
    if info.vocabulary:
        return jnp.asarray(random.integers(4, info.vocabulary, (B, T)), jnp.int32)
    return jnp.asarray(random.normal(size=(B, T, info.features)), jnp.float32)


def batch(x):
    return Batch(x, jnp.ones((B, x.shape[1]), bool), None, None)


def streamed(model, x):
    step = Stepper(model, B)
    carry, outputs = step.initial_carry, []
    for t in range(x.shape[1]):
        output, carry = step(x[:, t], carry)
        outputs.append(output)
    return jnp.stack(outputs, 1)


@pytest.mark.parametrize("name", ARCHS)
def test_steps_equal_one_call(name):
    info = INFOS["frames"]
    model, x = next_step(name, info), inputs(info)
    assert_equal_steps(streamed(model, x), model(batch(x)), atol=1e-5)


@pytest.mark.parametrize("pooling", ["last", "mean", "max", "attention"])
@pytest.mark.parametrize("info", INFOS.values(), ids=INFOS)
def test_a_classifier_says_after_each_step_what_it_says_of_the_beginning(pooling, info):
    model, x = classifier("gru", pooling, info), inputs(info)
    got = streamed(model, x)
    for steps in (1, 4, T):
        assert_equal_steps(got[:, steps - 1], model(batch(x[:, :steps])), atol=1e-5)


def test_high_scores_of_an_attention_do_not_overflow():
    model, x = classifier("gru", "attention"), inputs(INFOS["tokens"])
    model.attention.score.kernel[...] *= 1e4
    assert_equal_steps(streamed(model, x)[:, -1], model(batch(x)), atol=1e-4)


def test_a_carry_can_be_gone_on_from_twice():
    model, x = next_step("gru", INFOS["tokens"]), inputs(INFOS["tokens"])
    step = Stepper(model, B)
    _, carry = step(x[:, 0], step.initial_carry)
    one, other, again = (step(x[:, t], carry)[0] for t in (1, 2, 1))
    assert jnp.array_equal(one, again) and not jnp.array_equal(one, other)


def test_a_step_is_compiled_once():
    model, x = next_step("gru", INFOS["tokens"]), inputs(INFOS["tokens"])
    step = Stepper(model, B)
    _, carry = step(x[:, 0], step.initial_carry)
    for t in range(1, T):
        _, carry = step(x[:, t], carry)
    assert step._step._cache_size() == 1


def test_models_without_a_step_are_refused():
    with pytest.raises(UsageError, match="bidirectional=false"):
        Stepper(classifier("gru", "last", bidirectional=True), B)
    for kind in FORECASTERS:
        with pytest.raises(UsageError, match="normalise=none"):
            Stepper(forecaster(kind, normalise="last"), B)
    with pytest.raises(UsageError, match="bidirectional=false"):
        Stepper(forecaster("encoder_decoder", bidirectional=True), B)
    with pytest.raises(UsageError, match="bidirectional=false"):
        Stepper(listener(bidirectional=True), B)
    with pytest.raises(UsageError, match="Module reads a whole input"):
        Stepper(nnx.Module(), B)


FORECASTERS = {
    "forecaster": Forecaster,
    "autoregressive": AutoregressiveForecaster,
    "encoder_decoder": EncoderDecoderForecaster,
}


def forecaster(kind="forecaster", name="gru", **options):
    info = Info(name="toy", task="forecasting", features=3, window=4, horizon=2, lead=2)
    usual = dict(bidirectional=False, normalise="none", channels="together", quantiles=None)
    widths = {key: value for key, value in WIDTHS.items() if key != "embedding"}
    given = {**widths, **usual, **options}
    if kind == "autoregressive":
        del given["bidirectional"]
    return randomise(FORECASTERS[kind](info=info, layer=arch(name), **given), 0)


@pytest.mark.parametrize("channels", ["together", "independent"])
@pytest.mark.parametrize("quantiles", [None, [0.1, 0.5, 0.9]])
@pytest.mark.parametrize("kind", FORECASTERS)
def test_a_forecaster_forecasts_from_all_rows_so_far(kind, channels, quantiles):
    model, x = forecaster(kind, channels=channels, quantiles=quantiles), inputs(INFOS["frames"])
    check_beginnings(model, x)


@pytest.mark.parametrize("name", ["lstm", "elman", "mingru", "transformer", "tcn", "gru_attention"])
@pytest.mark.parametrize("kind", ["autoregressive", "encoder_decoder"])
def test_a_forecast_that_is_made_in_steps(kind, name):
    # A forecast that is fed back widens roundings.
    check_beginnings(forecaster(kind, name), inputs(INFOS["frames"]), atol=1e-4)


def check_beginnings(model, x, atol=1e-5):
    got = streamed(model, x)
    for steps in (1, 4, T):
        assert_equal_steps(got[:, steps - 1], model(batch(x[:, :steps])), atol=atol)


def listener(bidirectional):
    info = Info(name="toy", task="transcription", features=3, target_vocabulary=9)
    options = {key: value for key, value in WIDTHS.items() if key != "embedding"}
    return randomise(CTC(info=info, layer=arch("gru"), bidirectional=bidirectional, **options), 0)


@pytest.mark.parametrize("kind", ["ctc", "tagger"])
def test_what_answers_at_each_step_answers_step_by_step(kind):
    info = Info(name="toy", task="probe", vocabulary=11, classes=("a", "b", "c"))
    model = listener(False) if kind == "ctc" else randomise(Tagger(info=info, layer=arch("gru"), **WIDTHS), 0)
    x = inputs(INFOS["frames"] if kind == "ctc" else info)
    assert_equal_steps(streamed(model, x), model(batch(x)), atol=1e-5)
