"""Extraction: good archives come out whole, hostile ones leave nothing behind."""

import gzip
import io
import stat
import tarfile
import zipfile

import pytest

from grux.data.extract import contents, decompress, extract, read_member
from grux.errors import DataError

CONTENT = {"readme.txt": b"hello", "deep/er/data.bin": bytes(range(256)) * 40}


def tar(path, members, mode="w:gz"):
    """members: (name, content) or a TarInfo."""
    with tarfile.open(path, mode) as bundle:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                bundle.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                bundle.addfile(info, io.BytesIO(member[1]))
    return path


def zipped(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, content in members:
            bundle.writestr(name, content)
    return path


@pytest.mark.parametrize("kind", ["w", "w:gz", "w:bz2", "w:xz", "zip"])
def test_good_archives(tmp_path, kind):
    make = zipped if kind == "zip" else lambda path, members: tar(path, members, kind)
    archive = make(tmp_path / "archive", CONTENT.items())
    folder = extract(archive, tmp_path / "out" / "here")
    found = {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    assert found == CONTENT
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["here"]


@pytest.mark.parametrize("kind", ["w:gz", "zip"])
def test_contents_of_some_members(tmp_path, kind):
    make = zipped if kind == "zip" else lambda path, members: tar(path, members, kind)
    archive = make(tmp_path / "archive", CONTENT.items())
    assert dict(contents(archive, ".bin")) == {"deep/er/data.bin": CONTENT["deep/er/data.bin"]}
    assert dict(contents(archive, (".bin", ".txt"))) == CONTENT
    with pytest.raises(DataError, match="more than 1 members"):
        list(contents(archive, ".none", max_members=1))
    with pytest.raises(DataError, match="grows beyond its size limit"):
        list(contents(archive, ".none", max_bytes=1000))


def special(kind, name="x", link=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


HOSTILE = {
    "parent": [("../evil", b"x")],
    "inner parent": [("a/../../evil", b"x")],
    "backslash parent": [("..\\evil", b"x")],
    "absolute": [("/tmp/grux-evil", b"x")],
    "drive": [("C:evil", b"x")],
    "drive path": [("C:\\evil", b"x")],
    "newline": [("a\nb", b"x")],
    "long": [("n" * 256, b"x")],
    "twice": [("a", b"x"), ("a", b"y")],
    "twice but for case": [("Data", b"x"), ("dAtA", b"y")],
    "twice but for dots": [("a", b"x"), ("./a", b"y")],
    "file as folder": [("a", b"x"), ("a/b", b"y")],
    "only a dot": [(".", b"x")],
    "symlink": [special(tarfile.SYMTYPE, link="/etc/passwd")],
    "symlink then through": [special(tarfile.SYMTYPE, "d", ".."), ("d/evil", b"x")],
    "hard link": [("a", b"x"), special(tarfile.LNKTYPE, "b", "a")],
    "fifo": [special(tarfile.FIFOTYPE)],
    "device": [special(tarfile.CHRTYPE)],
    "folder above": [special(tarfile.DIRTYPE, "../up")],
}


def check_refused(archive, tmp_path, in_memory=True, **caps):
    folder = tmp_path / "safe" / "out"
    before = set(tmp_path.iterdir()) | {folder.parent}
    with pytest.raises(DataError, match="archive"):
        extract(archive, folder, **caps)
    if in_memory:
        with pytest.raises(DataError, match="archive"):
            list(contents(archive, "", **caps))
    assert list(folder.parent.iterdir()) == []
    assert set(tmp_path.iterdir()) == before


@pytest.mark.parametrize("members", HOSTILE.values(), ids=HOSTILE)
def test_hostile_tar(tmp_path, members):
    # In memory a file may be called like a folder: there are no folders.
    check_refused(tar(tmp_path / "archive.tar.gz", members), tmp_path, members is not HOSTILE["file as folder"])


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    "members",
    [m for name, m in HOSTILE.items() if all(isinstance(x, tuple) for x in m) and name != "only a dot"],
)
def test_hostile_zip(tmp_path, members):
    check_refused(zipped(tmp_path / "archive.zip", members), tmp_path, members is not HOSTILE["file as folder"])


def test_zip_symlink(tmp_path):
    info = zipfile.ZipInfo("link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    check_refused(zipped(tmp_path / "archive.zip", [(info, b"/etc/passwd")]), tmp_path)


def test_zip_name_cut_at_nul(tmp_path):
    archive = zipped(tmp_path / "archive.zip", [("good__evil", b"x")])
    archive.write_bytes(archive.read_bytes().replace(b"good__evil", b"good\0_evil"))
    check_refused(archive, tmp_path)


def test_bombs(tmp_path):
    zeros = b"\0" * (4 << 20)
    check_refused(tar(tmp_path / "archive.tar.gz", [("zeros", zeros)]), tmp_path)
    check_refused(zipped(tmp_path / "archive.zip", [("zeros", zeros)]), tmp_path)
    check_refused(tar(tmp_path / "archive.tar", [("zeros", zeros)], "w"), tmp_path, max_bytes=1000)
    check_refused(tar(tmp_path / "archive.tgz", [(str(i), b"") for i in range(5)]), tmp_path, max_members=4)
    bomb = tmp_path / "archive.gz"
    bomb.write_bytes(gzip.compress(zeros))
    with pytest.raises(DataError, match="grows beyond"):
        decompress(bomb)


def test_damaged(tmp_path):
    whole = tar(tmp_path / "archive.tar.gz", CONTENT.items()).read_bytes()
    for number, content in enumerate([whole[:-40], b"", b"no archive at all" * 100]):
        path = tmp_path / f"archive-{number}"
        path.write_bytes(content)
        check_refused(path, tmp_path)
    path = tmp_path / "archive.gz"
    path.write_bytes(gzip.compress(b"x" * 1000)[:-9])
    with pytest.raises(DataError, match="cannot be decompressed"):
        decompress(path)


def test_an_existing_folder_is_not_touched(tmp_path):
    archive = tar(tmp_path / "archive.tar", CONTENT.items(), "w")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("kept")
    with pytest.raises(DataError, match="cannot be extracted"):
        extract(archive, tmp_path / "out")
    assert (tmp_path / "out" / "mine").read_text() == "kept"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["archive.tar", "out"]


@pytest.mark.parametrize("kind", ["w:gz", "zip"])
def test_one_member_is_read_and_nothing_written(tmp_path, kind):
    make = zipped if kind == "zip" else lambda path, members: tar(path, members, kind)
    archive = make(tmp_path / "archive", CONTENT.items())
    assert read_member(archive, "deep/er/data.bin") == CONTENT["deep/er/data.bin"]
    assert [path.name for path in tmp_path.iterdir()] == ["archive"]
    with pytest.raises(DataError, match=r"has no other\.txt"):
        read_member(archive, "other.txt")
    (tmp_path / "torn").write_bytes(archive.read_bytes()[:-30])
    with pytest.raises(DataError):
        read_member(tmp_path / "torn", "deep/er/data.bin")


@pytest.mark.parametrize("name", ["../evil", "/tmp/grux-evil", "C:evil"])
def test_a_member_of_a_hostile_archive_is_not_read(tmp_path, name):
    archive = zipped(tmp_path / "archive", [(name, b"x"), ("good", b"y")])
    with pytest.raises(DataError, match="not a plain relative path"):
        read_member(archive, "good")
