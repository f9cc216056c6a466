"""Widths for a budget: real models of every arch, each quantity and rule, and budgets that cannot be met."""

import pytest
from small_runs import SMALL

from grux.config import build, compose
from grux.config.settings import MATCH_RULES, SETTINGS
from grux.counting.match import MEASURES, Matching, deviation, number
from grux.data.base import Dataset
from grux.errors import UsageError
from grux.matching import matched, of_width
from grux.tasks.base import Task

# One of each way to be built: gated, peepholes, a reset before the product, vectors alone, linear, complex, wrapped;
# layers without a cell, and one with a cell inside.
ARCHS = (
    *("gru", "lstm_peephole", "gru_reset_before", "indrnn", "minlstm", "lru", "lstm_layernorm_zoneout", "mut3"),
    *("transformer", "tcn", "gru_attention"),
)


@pytest.fixture(scope="module")
def parts() -> tuple[Dataset, Task]:
    config = compose(SMALL).config
    dataset = build(config["data"])
    return dataset, build(config["task"])(info=dataset.info)


def never(width: int) -> list[float]:
    raise AssertionError("counting measures nothing")


def solve(parts: tuple[Dataset, Task], *overrides: str) -> tuple[dict, Matching]:
    config = compose([*SMALL, *overrides]).config
    matching = matched(config, *parts, never)
    assert matching is not None
    return config, matching


def cost(config: dict, parts: tuple[Dataset, Task], by: str, rule: str, features: int) -> float:
    from flax import nnx

    config = of_width(config, features)
    make, layer = build(config["model"]), build(config["arch"])
    return MEASURES[by][rule].count(
        nnx.eval_shape(lambda: make(info=parts[0].info, layer=layer, rngs=nnx.Rngs(0))), parts[1], parts[0]
    )


@pytest.mark.parametrize("arch", ARCHS)
def test_every_arch_has_a_width_for_a_number_of_parameters(arch: str, parts):
    config, found = solve(parts, f"arch={arch}", "match=parameters", "budget=20000")
    assert found.reached == cost(config, parts, "parameters", "all", found.features)
    assert abs(found.reached - 20000) < 0.05 * 20000 and (found.by, found.rule, found.target) == (
        "parameters",
        "all",
        20000,
    )
    others = (cost(config, parts, "parameters", "all", found.features + step) for step in (-1, 1))
    assert all(abs(other - 20000) >= abs(found.reached - 20000) for other in others)


def test_chung_et_al_counted_the_layer_alone(parts):
    """Their sizes on speech (input of 20): 195 units of LSTM, 227 of GRU, 400 of tanh, all near 169 thousand."""
    for arch, features in (("lstm_peephole", 195), ("gru", 227), ("elman", 400)):
        words = (f"arch={arch}", "model.embedding=20", "match=parameters", "match_rule=chung", "budget=168700")
        _, found = solve(parts, *words)
        assert found.features == features and found.rule == "chung" and "Chung" in found.meaning


@pytest.mark.parametrize(("by", "rule"), [(by, rule) for by in MEASURES for rule in MEASURES[by]])
def test_every_quantity_by_every_rule(by: str, rule: str, parts):
    """The budget is what a known width costs, so that width is the answer."""
    words = ("arch=lstm", "model.depth=2", "data.longest=4")
    config = compose([*SMALL, *words]).config
    budget = cost(config, parts, by, rule, 11)
    _, found = solve(parts, *words, f"match={by}", f"match_rule={rule}", f"budget={budget}")
    assert (found.features, found.reached, found.rule) == (11, budget, rule)
    _, found = solve(parts, *words, f"match={by}", f"budget={budget}", "match_tolerance=1000")
    assert found.rule == next(iter(MEASURES[by]))


def test_two_directions_share_a_width_that_is_even(parts):
    config, found = solve(parts, "model.bidirectional=true", "match=parameters", "budget=5000")
    assert found.features % 2 == 0 and found.reached == cost(config, parts, "parameters", "all", found.features)
    assert cost(config, parts, "parameters", "all", found.features + 2) > 5000


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("match=parameters", "budget=50"), "the narrowest possible model has 81 at model.features=1 (+62 %)"),
        (
            ("match=state", "budget=5", "arch=lstm", "match_tolerance=0.1"),
            "the nearest are 4 at model.features=2 (-20 %) and 6 at model.features=3 (+20 %)",
        ),
        (("match=parameters", "budget=1e15"), "the widest has"),
    ],
)
def test_a_budget_that_no_width_meets_is_answered_with_the_nearest(words: tuple, sentence: str, parts):
    with pytest.raises(UsageError) as caught:
        solve(parts, *words)
    assert sentence in str(caught.value) and "\n" not in str(caught.value)
    assert "choose a budget that can be met, or a larger match_tolerance" in str(caught.value)


def test_the_tolerance_is_the_users(parts):
    _, found = solve(parts, "match=state", "budget=5", "arch=lstm", "match_tolerance=0.2")
    assert found.features == 2 and found.tolerance == 0.2


def test_a_model_without_a_width_is_refused(parts):
    config = compose([*SMALL, "match=parameters", "budget=100"]).config
    del config["model"]["features"]
    with pytest.raises(UsageError, match=r"match=parameters solves model\.features"):
        matched(config, *parts, never)


def test_the_settings_know_the_rules_that_there_are():
    assert {by: tuple(rules) for by, rules in MEASURES.items()} == {
        by: rules for by, rules in MATCH_RULES.items() if by in MEASURES
    }
    names = {name for rules in MATCH_RULES.values() for name in rules}
    assert all(name in str(SETTINGS["match_rule"]) for name in names)


def test_numbers_read_well():
    assert (number(100000.0), number(0.123456), number(1e15)) == ("100,000", "0.1235", "1e+15")
    assert (deviation(101, 100), deviation(100, 100), deviation(99.5, 100)) == ("+1 %", "exactly", "-0.5 %")
