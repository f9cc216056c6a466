"""Every data set loads from its yaml, has the sizes of its card, and no example stands in two splits.

Those that need a mirror (`GRUX_MIRROR`) or the extra `samples` skip where there is none.
"""

import importlib
from pathlib import Path

import numpy as np
import pytest
import yaml

from grux.data.catalogue import catalogue
from grux.data.exchange_rate import FILES, read_rates
from grux.data.first_token import first_token
from grux.data.packages import PackageFile
from grux.data.tatoeba import families
from grux.data.texts import plain
from grux.errors import DataError, UsageError

SHIPPED = [name for name, entry in catalogue().items() if not entry.own]
CONFIGS = Path(__file__).parents[2] / "configs" / "data"


@pytest.fixture
def load(request):
    """load(name, **changes): the data set of a yaml; skips where its files are not at hand."""

    def load(name, /, **changes):
        for file in catalogue()[name].files:
            if not isinstance(file, PackageFile):
                request.getfixturevalue("mirror")
            elif file.local() is None:
                pytest.skip(f"{name} needs {file.origin}")
        config = yaml.safe_load((CONFIGS / f"{name}.yaml").read_text())
        del config["defaults"]
        module, _, function = config.pop("_target_").rpartition(".")
        return getattr(importlib.import_module(module), function)(**config | changes)

    return load


def rows(split):
    """The examples of a split in its original order, as tuples."""
    found = {}
    for bucket in split.buckets:
        batch = bucket.take(bucket.arrays, np.arange(bucket.size))
        for i, inputs, mask in zip(bucket.ids, batch.inputs, batch.mask, strict=True):
            found[int(i)] = tuple(inputs[mask].ravel().tolist())
    return [found[i] for i in range(split.size)]


@pytest.mark.parametrize("name", SHIPPED)
def test_sizes_of_the_card_and_few_shapes(load, name):
    dataset = load(name)
    entry = catalogue()[name]
    assert {key: split.size for key, split in dataset.splits.items()} == entry.card.sizes
    assert (dataset.info.name, dataset.info.task) == (name, entry.card.task)
    pinned = {file.name: file.sha256 for file in entry.files}
    assert dataset.files.items() <= pinned.items()
    assert all(len(split.buckets) <= 5 for split in dataset.splits.values())
    shapes = {b.shape for key, split in dataset.splits.items() if key != "train" for b in split.buckets}
    assert len(shapes) <= 6  # three of the lengths of training, three of longer tests
    assert bool(dataset.decode) == (dataset.info.task in ("translation", "dialogue", "transcription"))


@pytest.mark.parametrize("name", ["rotten_tomatoes", "jupyterlab_fr"])
def test_hash_splits_share_no_input(load, name):
    splits = load(name, tokens="characters", vocabulary_size=None, max_length=None).splits
    train, validation, test = (set(rows(splits[key])) for key in ("train", "validation", "test"))
    assert not train & validation
    assert not train & test
    assert not validation & test


def test_jupyterlab_has_its_pairs(load):
    dataset = load("jupyterlab_fr", max_length=None)
    assert sum(split.size for split in dataset.splits.values()) == 3006


def test_rotten_tomatoes_is_balanced(load):
    splits = load("rotten_tomatoes").splits.values()
    labels = np.concatenate([bucket.arrays["labels"] for split in splits for bucket in split.buckets])
    assert np.bincount(labels).tolist() == [4265, 4265]


@pytest.mark.parametrize("name", ["multi30k", "jupyterlab_fr"])
@pytest.mark.parametrize("tokens", ["words", "characters", "bytes", "bpe"])
def test_references_survive_tokenisation(load, name, tokens):
    """Texts made of known tokens decode to the reference."""
    split = (dataset := load(name, tokens=tokens, max_length=None)).splits["train"]
    assert dataset.decode and split.references
    bucket = split.buckets[0]
    for target, i in list(zip(bucket.arrays["targets"], bucket.ids, strict=True))[:50]:
        if 1 not in target:
            assert dataset.decode(target).split() == split.references[i].split()


def test_multi30k_directions(load):
    forward = load("multi30k", source="fr", target="de", joint=False, tokens="words", vocabulary_size=5000)
    assert forward.info.vocabulary == forward.info.target_vocabulary == 5000
    assert set(forward.files) == {f"{part}.{lang}.gz" for part in PARTS for lang in ("fr", "de")}
    assert forward.splits["test"].references[0] == "Ein Mann mit einem orangefarbenen Hut, der etwas anstarrt."


def test_no_sentence_of_tatoeba_stands_in_two_splits(load):
    """In neither direction, and both have the same splits, whatever else is left out."""
    texts = {}
    for source, target in (("en", "fr"), ("fr", "en")):
        dataset = load("tatoeba", source=source, target=target, max_words=5, tokens="words", vocabulary_size=500)
        texts[target] = {split: {plain(text) for text in part.references} for split, part in dataset.splits.items()}
    for parts in texts.values():
        train, validation, test = (parts[split] for split in ("train", "validation", "test"))
        assert not (train & validation or train & test or validation & test)
    assert dataset.info.max_target_length <= 16 and "pairs with more than 5 words" in dataset.notes[0]
    with pytest.raises(UsageError, match="are one language"):
        load("tatoeba", source="fr")


def test_pairs_that_share_a_sentence_are_a_family():
    pairs = [("Go.", "Va !"), ("Run!", "Cours !"), ("go. ", "Pars !"), ("Leave.", "PARS !"), ("Hi.", "Salut !")]
    assert families(pairs) == ["go.", "run!", "go.", "go.", "hi."]
    assert families(pairs[::-1]) == families(pairs)[::-1]


PARTS = ("train", "val", "test_2016_flickr", "test_2017_flickr", "test_2017_mscoco")


@pytest.mark.parametrize(("name", "season", "train"), [("h2", 24, 8449), ("m1", 96, 34369)])
def test_ett_variants(load, name, season, train):
    dataset = load("ett", name=name, channels="univariate")
    assert dataset.info.features == 1
    assert dataset.info.season == season
    assert dataset.splits["train"].size == train
    assert set(dataset.files) == {f"ETT{name}.csv"}


LTSF = {  # rows of train, validation and test, as the code of Autoformer cuts them; channels; season
    "weather": ((36887, 5270, 10539), 21, 144),
    "exchange_rate": ((5311, 760, 1517), 8, 1),
    "ili": ((676, 97, 193), 7, 52),
}


@pytest.mark.parametrize("name", LTSF)
def test_ltsf_protocol(load, name):
    (train, validation, test), channels, season = LTSF[name]
    dataset = load(name, window=36, horizon=24)
    sizes = {key: split.size for key, split in dataset.splits.items()}
    assert sizes == {"train": train - 59, "validation": validation - 23, "test": test - 23}
    assert (dataset.info.features, dataset.info.season) == (channels, season)
    assert load(name, channels="univariate").info.features == 1
    series = dataset.splits["train"].buckets[0].arrays["series"].astype(float)
    np.testing.assert_allclose(series.mean(0), 0, atol=1e-4)
    np.testing.assert_allclose(series.std(0), 1, atol=1e-4)


def test_lstnet_protocol(load):
    """Every row of the last fifth is forecast once, from 168 rows that end `horizon` rows before it."""
    dataset = load("exchange_rate", protocol="lstnet", window=168, horizon=12)
    sizes = {key: split.size for key, split in dataset.splits.items()}
    assert sizes == {"train": 4552 - 168 - 11, "validation": 1518, "test": 1518}
    assert (dataset.info.horizon, dataset.info.lead, dataset.info.season) == (1, 12, 1)
    (bucket,) = dataset.splits["test"].buckets
    rates = (read_rates(FILES[0].path()).values - dataset.info.means) / np.array(dataset.info.deviations)
    got = bucket.take(bucket.arrays, np.array([0, 1517]))
    np.testing.assert_allclose(got.targets[:, 0], rates[[6070, 7587]], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(got.inputs[:, -1], rates[[6058, 7575]], rtol=1e-4, atol=1e-5)


CALENDARS = {"ett": 4, "weather": 5, "ili": 2}  # weeks begin on one day, and only some readings come in the hour


@pytest.mark.parametrize("name", CALENDARS)
def test_the_calendar_of_a_data_set(load, name):
    dataset, plain = load(name, calendar=True), load(name)
    assert len(dataset.info.covariates) == CALENDARS[name] and plain.info.covariates is None
    for split in ("train", "test"):
        with_places, without = (d.splits[split].buckets[0].arrays["series"] for d in (dataset, plain))
        np.testing.assert_array_equal(with_places[:, : plain.info.features], without)
        assert np.abs(with_places[:, plain.info.features :]).max() <= 0.5


def test_weather_says_what_its_faults_are(load):
    assert load("weather").notes == ("81 readings of -9999, which a failed sensor gave, are taken as they stand.",)


@pytest.mark.parametrize("row", ["1,2,3", "1,2,3,4,5,6,7,x", "1,2,3,4,5,6,7,nan", ""])
def test_exchange_rates_are_read_strictly(tmp_path, row):
    (tmp_path / "rates.txt").write_text(f"1,2,3,4,5,6,7,8\n{row}\n")
    with pytest.raises(DataError, match=r"rates.txt, line 2: .* are not 8 numbers"):
        read_rates(tmp_path / "rates.txt")


GOLDEN = (7, 7, 4, 7, 6, 5, 5, 6)


def small(**changes):
    given = {"symbols": 4, "shortest": 3, "longest": 9, "train": 300, "validation": 20, "test": 30, "data_seed": 0}
    return first_token(**given | changes)


def test_first_token_asks_for_the_first_token():
    splits = small().splits
    for split in splits.values():
        for bucket in split.buckets:
            np.testing.assert_array_equal(bucket.arrays["tokens"][:, 0] - 4, bucket.arrays["labels"])
            assert 3 <= bucket.arrays["lengths"].min() <= bucket.arrays["lengths"].max() <= 9
    assert len({len(row) for row in rows(splits["train"])}) == 7
    assert rows(splits["train"])[:20] != rows(splits["test"])[:20]


def test_first_token_is_a_function_of_its_settings():
    assert rows(small().splits["train"]) == rows(small().splits["train"])
    assert rows(small().splits["train"]) != rows(small(data_seed=1).splits["train"])
    assert rows(small().splits["train"])[0] == GOLDEN


def test_first_token_bad_settings():
    with pytest.raises(UsageError, match="symbols=1"):
        small(symbols=1)
    with pytest.raises(UsageError, match="shortest=10 is above longest=9"):
        small(shortest=10)
