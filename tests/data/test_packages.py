"""Package files: found by path, checked, the package never imported."""

import hashlib
import sys

import pytest

from grux.data.packages import PackageFile
from grux.errors import DataError

CONTENT = b"text,label\n"


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An installed package whose import would fail the test."""
    (tmp_path / "toy_package").mkdir()
    (tmp_path / "toy_package" / "__init__.py").write_text("raise SystemExit('imported')")
    (tmp_path / "toy_package" / "data.csv").write_bytes(CONTENT)
    info = tmp_path / "toy_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-package\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path / "toy_package"


def file(distribution="toy-package"):
    return PackageFile(
        dataset="toy",
        name="data.csv",
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        bytes=len(CONTENT),
        licence="none",
        distribution=distribution,
        version="1.0",
        location="toy_package/data.csv",
    )


def test_found_and_not_imported(package):
    assert file().path() == file().local() == package / "data.csv"
    assert "toy_package" not in sys.modules


def test_changed_file(package):
    (package / "data.csv").write_bytes(CONTENT + b"x")
    with pytest.raises(DataError, match="is expected") as caught:
        file().path()
    for part in (file().sha256, hashlib.sha256(CONTENT + b"x").hexdigest(), 'pip install "grux[samples]"'):
        assert part in str(caught.value)


def test_missing_package():
    assert file("no-such-package").local() is None
    with pytest.raises(DataError, match=r'not installed; run: pip install "grux\[samples\]"'):
        file("no-such-package").path()


def test_package_without_the_file(package):
    (package / "data.csv").unlink()
    with pytest.raises(DataError, match="not installed"):
        file().path()
