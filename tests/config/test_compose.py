"""Every yaml composes and passes the checks; whatever is misspelt or wrong is refused in a sentence that helps."""

from pathlib import Path

import pytest
import yaml

from grux.config import check_nodes, check_settings, compose, configs_folder, expand, plugins_of
from grux.config.check import check_pair
from grux.config.settings import GROUPS, NODES, SETTINGS
from grux.errors import UsageError

CONFIGS = Path(__file__).resolve().parents[2] / "configs"


def names(group: str) -> list[str]:
    return sorted(path.stem for path in (CONFIGS / group).glob("*.yaml"))


CHOICES = [f"{group}={name}" for group in (*GROUPS, "experiment") for name in names(group)]


def checked(*overrides: str, config_dir: Path | None = None) -> dict:
    composed = compose(overrides, config_dir=config_dir)
    plugins = plugins_of(overrides)
    check_settings(composed.config, plugins)
    check_nodes(composed.config, plugins)
    return composed.config


def refusal(*overrides: str, config_dir: Path | None = None) -> str:
    with pytest.raises(UsageError) as caught:
        checked(*overrides, config_dir=config_dir)
    message = str(caught.value)
    assert "\n" not in message and "Traceback" not in message
    return message


@pytest.fixture
def folder(tmp_path: Path):
    """Writes files laid out like configs/ and gives their folder."""

    def write(**files: str) -> Path:
        for name, content in files.items():
            path = tmp_path / f"{name.replace('__', '/')}.yaml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        return tmp_path

    return write


def test_configs_are_those_of_the_checkout():
    assert configs_folder() == CONFIGS


@pytest.mark.parametrize("choice", CHOICES)
def test_every_file_composes_and_passes(choice: str):
    checked(choice)


def test_train_yaml_declares_exactly_the_settings():
    written = set(yaml.safe_load((CONFIGS / "train.yaml").read_text())) - {"defaults", "hydra"}
    assert written == {*SETTINGS, *NODES}


def test_the_quantiles_of_the_model_follow_the_task():
    words = ("data=ett", "task.loss=pinball", "task.quantiles=[0.1,0.5,0.9]")
    for model in ("forecaster", "autoregressive_forecaster", "encoder_decoder_forecaster"):
        config = checked(*words, f"model={model}")
        assert config["model"]["quantiles"] == [0.1, 0.5, 0.9] and checked("data=ett")["model"]["quantiles"] is None
        check_pair(config)
    with pytest.raises(UsageError, match=r"leave out model\.quantiles"):
        check_pair(checked(*words, "model.quantiles=[0.5]"))


def test_placed_defaults():
    """Data bring their task and the task its model; each can be chosen otherwise."""
    chosen = compose(["data=ett"]).choices
    assert (chosen["task"], chosen["model"]) == ("forecasting", "forecaster")
    chosen = compose(["data=ett", "task=translation", "model=classifier"]).choices
    assert (chosen["data"], chosen["task"], chosen["model"]) == ("ett", "translation", "classifier")
    config = compose(["data=ett", "data.window=48", "model.features=64"]).config
    assert config["data"]["window"] == 48 and config["model"]["features"] == 64


def test_an_experiment_sets_everything_and_yields_to_the_command_line(folder):
    mine = folder(
        experiment__mine="""
# @package _global_
defaults:
  - override /data: ett
  - override /arch: lstm
group: mine
seeds: 3
data: {window: 48}
model: {features: 7}
"""
    )
    composed = compose(["experiment=mine", "model.features=9"], config_dir=mine)
    assert composed.choices["arch"] == "lstm" and composed.choices["model"] == "forecaster"
    config = composed.config
    assert (config["group"], config["seeds"], config["data"]["window"], config["model"]["features"]) == (
        "mine",
        3,
        48,
        9,
    )


def test_own_folder_comes_first(folder):
    mine = folder(optimizer__adam="_target_: optax.adam\n_partial_: true\nb1: 0.5\n")
    assert checked(config_dir=mine)["optimizer"]["b1"] == 0.5
    assert checked()["optimizer"]["b1"] == 0.9


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("seedz=3", "unknown key seedz: did you mean seeds?"),
        ("+seedz=3", "unknown key seedz: did you mean seeds?"),
        ("arc=gru", "did you mean arch?"),
        ("arch=gruu", "did you mean gru?"),
        ("data=stt2", "data=stt2 is unknown: did you mean sst2?"),
        ("task=clasification", "did you mean classification?"),
        ("experiment=nope_at_all", "experiment=nope_at_all is unknown"),
        ("model.feature=3", "did you mean model.features?"),
        ("+model.featurs=3", "did you mean model.features?"),
        ("mdoel.features=3", "did you mean model.features?"),
        ("model.lerning_rate=3", "did you mean learning_rate?"),
        ("data=fsdd data.path=x", "unknown key data.path: data=fsdd has no such setting; there is data.buckets, "),
        ("strategy=gated", "did you mean arch.strategy?"),
        ("+arch.cell.input_initt=glorot", "did you mean arch.cell.input_init?"),
        ("+arch.cell._partial=true", "unknown key arch.cell._partial"),
        ("+arch._recursive_=false", "unknown key arch._recursive_"),
        ("+arch.features=3", "model.features"),
        ("+schedule.learning_rate=3", "learning_rate at the top level"),
        ("seeds=0", "seeds=0 must be a whole number >= 1"),
        ("seeds=1.5", "seeds=1.5 must be a whole number"),
        ("seeds=true", "seeds=true must be a whole number"),
        ("seeds=abc", "seeds='abc' must be a whole number"),
        ("seeds=null", "seeds=null must be"),
        ("first_seed=-1", "first_seed=-1 must be a whole number >= 0"),
        ("first_seed=4294967296", "first_seed=4294967296"),
        ("batch_size=-32", "batch_size=-32"),
        ("learning_rate=nan", "finite"),
        ("learning_rate=inf", "finite"),
        ("learning_rate=0", "> 0"),
        ("clip=x", "clip='x' must be a number > 0 or null"),
        ("seed_strategy=vmapp", "did you mean vmap"),
        ("tensorboard=1", "tensorboard=1 must be true or false"),
        ("group=a/b", "without /"),
        ("group=..", "plain name"),
        ("model.features=-3", "model.features=-3 must be a whole number >= 1"),
        ("model.dropout=1", "model.dropout=1"),
        ("model.pooling=maxx", "did you mean max"),
        ("model.bidirectional=3", "true or false"),
        ("optimizer.b1=true", "optimizer.b1=true must be a number"),
        ("optimizer.b1=x", "optimizer.b1='x' must be a number"),
        ("schedule=step schedule.at=3", "schedule.at=3 must be a list"),
        ("schedule=step schedule.at=[0.5,2]", "each a number >= 0 and <= 1"),
        ("~model.features", "model.features is missing"),
        ("seeds=???", "seeds has no value"),
        ("seeds=${nowhere}", "seeds has no value"),
        ("seeds=[1", "cannot read 'seeds=[1'"),
        ("seeds", "cannot read 'seeds'"),
        ("arch=gru,lstm", "add -m to run them all, or give one."),
        (
            "data=csv_series data.target=a,b",
            "write 'data.target=[a,b]' for a list and \"data.target='a,b'\" for one text",
        ),
        ("seeds=range(1,3)", "add -m to run them all, or give one."),
        ("~arch", "arch"),
    ],
)
def test_what_is_wrong_is_named(override: str, words: str):
    assert words in refusal(*override.split(" "))


def test_a_missing_argument_is_named():
    assert "schedule.factor is missing" in refusal("schedule=step", "~schedule.factor")


@pytest.mark.parametrize(
    ("name", "content", "override", "words"),
    [
        ("experiment__x", "# @package _global_\nseedz: 3\n", "experiment=x", "did you mean seeds?"),
        (
            "experiment__x",
            "# @package _global_\nmodel: {featurez: 3}\n",
            "experiment=x",
            "did you mean model.features?",
        ),
        ("experiment__x", "# @package _global_\nseeds: [3\n", "experiment=x", "x.yaml, line 3"),
        ("experiment__x", "# @package _global_\nseeds: 3\nseeds: 4\n", "experiment=x", "seeds"),
        ("experiment__x", "# @package _global_\nplugins: [os]\n", "experiment=x", "only the command line may admit"),
        ("experiment__x", "# @package _global_\ndata: {train: .nan}\n", "experiment=x", "finite"),
        ("experiment__x", "# @package _global_\ngroup: no\n", "experiment=x", "quote the text"),
        (
            "experiment__x",
            "# @package _global_\ndefaults: [override /arch: gruu]\n",
            "experiment=x",
            "did you mean gru?",
        ),
        ("arch__x", "_target_: grux.layers.recurrent.Recurrent\n_partial_: true\ncel: {}\n", "arch=x", "arch.cell?"),
        ("arch__x", "- 1\n", "arch=x", "grux"),
        (
            "optimizer__x",
            "_target_: optax.adam\n_partial_: true\nnestrov: true\n",
            "optimizer=x",
            "optimizer.nesterov?",
        ),
    ],
)
def test_a_wrong_file_is_refused(folder, name: str, content: str, override: str, words: str):
    assert words in refusal(override, config_dir=folder(**{name: content}))


def test_a_missing_folder_is_named(tmp_path: Path):
    assert "is not a folder" in refusal(config_dir=tmp_path / "none")


def test_whole_numbers_fit_where_a_number_is_needed():
    assert checked("learning_rate=1", "clip=5")["clip"] == 5


def test_expand_gives_every_combination():
    jobs = expand(["arch=gru,lstm", "seeds=range(1,3)", "clip=null"], sweep={})
    assert [tuple(job) for job in jobs] == [
        ("arch=gru", "seeds=1", "clip=null"),
        ("arch=gru", "seeds=2", "clip=null"),
        ("arch=lstm", "seeds=1", "clip=null"),
        ("arch=lstm", "seeds=2", "clip=null"),
    ]


def test_the_command_line_takes_the_place_of_a_declared_grid():
    assert expand(["arch=elman"], sweep={"arch": "gru,lstm"}) == [["arch=elman"]]


def test_a_sweep_without_jobs_is_refused():
    with pytest.raises(UsageError, match="no job"):
        expand(["arch=glob(zz*)"], sweep={})


def test_plugins_come_from_the_command_line_alone():
    assert plugins_of(["plugins=[mylab,other]"]) == ("mylab", "other")
    assert plugins_of(["seeds=3"]) == ()
    with pytest.raises(UsageError, match="names of packages"):
        plugins_of(["plugins=[a.b]"])
