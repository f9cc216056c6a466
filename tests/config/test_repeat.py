"""The command of a run makes the same run again."""

import shlex

import pytest

from grux.config.compose import compose
from grux.config.identity import run_id
from grux.config.repeat import repeat


def again(overrides: list[str]) -> tuple[str, str]:
    made = compose(overrides)
    return repeat(made.config, made.choices)


@pytest.mark.parametrize(
    "overrides",
    [
        ["arch=lstm", "data=first_token", "seeds=3"],
        ["arch=gru", "data=sst2", "model.features=64", "model.dropout=0.5", "optimizer=sgd", "schedule=cosine"],
        ["arch=gru", "data=sst2", "clip=null", "learning_rate=1e-2", "model.bidirectional=true", "group=my-group"],
        ["arch=gru", "data=sst2", "group='a b, c: [d] \\' e'", "steps=100"],
        ["arch=gru", "data=sst2", "group='größe'"],
        ["arch=gru", "data=csv_series", "data.path='my \"own\".csv'", "data.target=['W/m²','a \\'b\\'',load]"],
        ["experiment=quickstart_sentiment", "arch=elman"],
    ],
)
def test_the_command_composes_to_the_same_run(overrides):
    command, remark = again(overrides)
    first, second, *words = shlex.split(command)
    assert (first, second, remark) == ("grux", "train", "")
    one, other = compose(overrides), compose(words)
    assert run_id(one.config, one.choices) == run_id(other.config, other.choices)
    assert one.config["group"] == other.config["group"]


def test_only_what_differs_is_said():
    assert again(["arch=lstm", "data=first_token", "seeds=3"])[0] == "grux train arch=lstm data=first_token seeds=3"


def test_a_config_of_another_version_or_of_ones_own_files():
    made = compose(["arch=gru", "data=first_token"])
    older = {key: value for key, value in made.config.items() if key != "accumulate"}
    command, remark = repeat(older, made.choices)
    assert command == "grux train arch=gru data=first_token" and "another id" in remark
    command, remark = repeat(made.config, made.choices | {"arch": "of_my_own"})
    assert command == "" and "of_my_own" in remark
