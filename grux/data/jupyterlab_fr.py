"""JupyterLab interface strings, English to French, from the pip package jupyterlab-language-pack-fr-FR.

3,006 pairs: each source once with its first translation, singular form, without those that differ in nothing but case.
No split comes with it: a hash of the source decides (80 / 10 / 10 %), so no source stands in two splits.
"""

import json
from pathlib import Path

from grux.arguments import PositiveInt
from grux.data.base import Dataset
from grux.data.card import Card
from grux.data.files import hashes
from grux.data.packages import PackageFile
from grux.data.texts import Pair, hash_splits, read_text, translation_dataset
from grux.data.tokenise import Kind
from grux.errors import DataError

LICENCE = "BSD-3-Clause (Project Jupyter)"
CONTEXT = "\x04"  # gettext writes "context\x04source"


def _file(name: str, sha256: str, size: int) -> PackageFile:
    return PackageFile(
        dataset="jupyterlab_fr",
        name=f"{name}.json",
        sha256=sha256,
        bytes=size,
        licence=LICENCE,
        distribution="jupyterlab-language-pack-fr-FR",
        version="4.5.post3",
        location=f"jupyterlab_language_pack_fr_FR/locale/fr_FR/LC_MESSAGES/{name}.json",
    )


FILES = (
    _file("dask_labextension", "873fa81f39cd2e794ae391dffbadb4a135511a9a4a06f8f3aa8931f0cd23538d", 4446),
    _file("jupyter_archive", "2e43953dbece7abb64df6f04f5befe49594e668c2c27592c5eb50eb4270b9e46", 2295),
    _file("jupyter_collaboration", "5428b1593fac031f452a1819fe59374d6ce364ddcbdadad6d74b5b13883469c5", 6268),
    _file("jupyter_resource_usage", "a1470c2992c83ebdc4c5b8b431ba53c379a02adce7150012f25d40805e5e18af", 4915),
    _file("jupyterlab", "0b71f8c020838aef8ff8bef4d8d0baa3c7951cdb3078e5c308fa887a4975eb0e", 228087),
    _file("jupyterlab_git", "e5f5f579b269789c4bc2da2f2625bf1345895c57cbb2f6e11e61f910323d8fb8", 56220),
    _file("jupyterlab_lsp", "808650ba10b8d5ea24af24cc21cbd2cce58547f24c9fa0817d725c16e8ac480d", 38123),
    _file("jupyterlab_recents", "2c8834360e70c87fc6b8c4de806292135502d3923881b77bef2da5679c55e5cd", 1544),
    _file("jupyterlab_search_replace", "1719423f1f7150884ea5501ddcfe55d5406e60acce1b48d70cfae66d992b10dc", 4283),
    _file("jupyterlab_spreadsheet_editor", "3bc42bf44543ac25cd237ba542df021604dbdb2202af1cfc87c31f231069f41c", 2772),
    _file("jupyterlab_tour", "d500394e82b3ff8c2dc02d637a6f9d2271660ad7b79ec093eaf85b382283cafa", 15597),
    _file("jupyterlab_widgets", "a65f2bbac14094499e7fb06555693fc7014641831d6f4bd57e914dafce727422", 802),
    _file("jupytext", "1628925ead77dabc1bcda06aa1ea691deed3e1f1e4065feea644f15b5c5e6980", 3638),
    _file("nbdime", "e95ad81503c340280eb559a83369b540f3384cf3364688f701575e1592e23ddd", 4657),
    _file("notebook", "28db699fd46b67fdc312620645aaa5be184911f510ed30748bb51d043f43da23", 10114),
    _file("retrolab", "4ef4f0fa4f53ac4759e030cb1e79365183f514e997c3e4a33a84aaf1ca7023ca", 3174),
    _file("spellchecker", "9b26ec88c579fbf90409d9e8f2cfd8cf175c8000c30ef92abb90f20fabd5671c", 5207),
)
CARD = Card(
    name="jupyterlab_fr",
    task="translation",
    summary="Interface strings of JupyterLab and its extensions, English to French.",
    sizes={"train": 2318, "validation": 276, "test": 326},
    licence=LICENCE,
)


def jupyterlab_fr(
    *,
    tokens: Kind,
    vocabulary_size: PositiveInt | None,
    min_count: PositiveInt,
    lower: bool,
    joint: bool,
    max_length: PositiveInt | None,
    buckets: PositiveInt,
) -> Dataset:
    """Pairs from English to French; references keep their case whatever `lower` says."""
    found: dict[str, str] = {}
    for file in FILES:
        for source, target in read_messages(file.path()):
            found.setdefault(source, target)
    pairs = list(found.items())
    parts = hash_splits(list(found), validation=0.1, test=0.1)
    return translation_dataset(
        name=CARD.name,
        splits={split: [pairs[i] for i in positions] for split, positions in parts.items()},
        files=hashes(FILES),
        tokens=tokens,
        vocabulary_size=vocabulary_size,
        min_count=min_count,
        lower=lower,
        joint=joint,
        max_length=max_length,
        buckets=buckets,
    )


def read_messages(path: Path) -> list[Pair]:
    """Translated messages of a catalogue {source: [singular, plural, ...]}, in its order."""
    try:
        catalogue = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise DataError(f"{path}, line {error.lineno}: {error.msg}; get a good copy.") from None
    if not isinstance(catalogue, dict):
        raise DataError(f"{path}: a table of messages is needed, but it holds a {type(catalogue).__name__}.")
    pairs = []
    for key, forms in catalogue.items():
        source = key.rpartition(CONTEXT)[2]
        if not source:  # the header
            continue
        if not isinstance(forms, list) or not forms or not isinstance(forms[0], str):
            raise DataError(f"{path}: message {key[:60]!r} has no list of translations.")
        if source.strip() and forms[0].strip() and source.lower() != forms[0].lower():
            pairs.append((source, forms[0]))
    return pairs
