"""Fetching: mirror folder, mirror address, public address (a server of our own), cache, and every way to fail."""

import hashlib
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from grux.data import fetch as fetching
from grux.data.fetch import File, fetch
from grux.errors import DataError, StorageError

CONTENT = b"date,value\n" * 5000
NOWHERE = "http://127.0.0.1:9/data.csv"  # the discard port: nothing listens


def file(url=NOWHERE, content=CONTENT, name="data.csv"):
    digest = hashlib.sha256(content).hexdigest()
    return File(dataset="toy", name=name, sha256=digest, bytes=len(content), licence="none", url=url)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GRUX_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("GRUX_MIRROR", raising=False)
    monkeypatch.setattr(fetching, "WAIT", 0.01)
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "cache" / "data" / "toy"


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    folder = tmp_path / "mirror"
    (folder / "toy").mkdir(parents=True)
    (folder / "toy" / "data.csv").write_bytes(CONTENT)
    monkeypatch.setenv("GRUX_MIRROR", str(folder))
    return folder / "toy"


@pytest.fixture
def server():
    """Answers GET from `answers`: path to a list of (status, content), the last one for ever."""
    answers, asked = {}, []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            queue = answers.get(self.path, [(404, b"")])
            status, content = queue.pop(0) if len(queue) > 1 else queue[0]
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", answers, asked
    server.shutdown()
    thread.join()
    server.server_close()


def only_the_file(cache):
    return [p.name for p in cache.iterdir()] == ["data.csv"]


def test_mirror_folder_then_cache(cache, mirror):
    assert fetch(file()).read_bytes() == CONTENT
    assert only_the_file(cache)
    (mirror / "data.csv").unlink()
    assert fetch(file()) == cache / "data.csv" == file().local()


def test_wrong_mirror_file(cache, mirror):
    (mirror / "data.csv").write_bytes(b"replaced")
    with pytest.raises(DataError, match=r"has SHA-256 .* but .* is expected") as caught:
        fetch(file())
    for part in (file().sha256, hashlib.sha256(b"replaced").hexdigest(), str(mirror / "data.csv")):
        assert part in str(caught.value)
    assert list(cache.iterdir()) == []


def test_the_good_copy_stays_when_the_mirror_turns_bad(cache, mirror):
    fetch(file())
    (mirror / "data.csv").write_bytes(b"replaced")
    assert fetch(file()).read_bytes() == CONTENT
    with pytest.raises(DataError, match="is expected"):
        fetch(file(content=b"the next version"))
    assert (cache / "data.csv").read_bytes() == CONTENT
    assert only_the_file(cache)


def test_a_damaged_cache_is_repaired(cache, mirror):
    fetch(file()).write_bytes(CONTENT[:-1] + b"?")
    assert fetch(file()).read_bytes() == CONTENT


def test_public_address(cache, server):
    address, answers, asked = server
    answers["/data.csv"] = [(503, b"busy"), (200, CONTENT)]
    assert fetch(file(f"{address}/data.csv")).read_bytes() == CONTENT
    assert asked == ["/data.csv"] * 2
    assert only_the_file(cache)


def test_mirror_address(cache, server, monkeypatch):
    address, answers, asked = server
    answers["/m/toy/data.csv"] = [(200, CONTENT)]
    monkeypatch.setenv("GRUX_MIRROR", f"{address}/m/")
    assert fetch(file()).read_bytes() == CONTENT
    assert asked == ["/m/toy/data.csv"]


def test_mirror_without_the_file_falls_back_to_the_address(cache, server, monkeypatch):
    address, answers, asked = server
    answers["/data.csv"] = [(200, CONTENT)]
    monkeypatch.setenv("GRUX_MIRROR", f"{address}/m")
    assert fetch(file(f"{address}/data.csv")).read_bytes() == CONTENT
    assert asked == ["/m/toy/data.csv", "/data.csv"]  # a 404 is not asked for again


def test_download_with_a_wrong_hash(cache, server):
    address, answers, _ = server
    answers["/data.csv"] = [(200, b"<html>not found</html>")]
    with pytest.raises(DataError, match=f"{address}/data.csv has SHA-256"):
        fetch(file(f"{address}/data.csv"))
    assert list(cache.iterdir()) == []


def test_offline_without_mirror(cache):
    with pytest.raises(DataError) as caught:
        fetch(file())
    for part in (NOWHERE, "no connection", "GRUX_MIRROR is not set", "toy/data.csv"):
        assert part in str(caught.value)
    assert list(cache.iterdir()) == []


def test_offline_with_a_mirror_that_lacks_it(cache, mirror):
    with pytest.raises(DataError, match=f"GRUX_MIRROR={mirror.parent} does not have it"):
        fetch(file(name="other.csv"))


def test_many_at_once(cache, mirror):
    with ThreadPoolExecutor(8) as pool:
        paths = set(pool.map(lambda _: fetch(file()), range(16)))
    assert paths == {cache / "data.csv"}
    assert only_the_file(cache)


def test_unwritable_cache(tmp_path, mirror, monkeypatch):
    blocker = tmp_path / "a file"
    blocker.write_text("")
    monkeypatch.setenv("GRUX_CACHE", str(blocker))
    with pytest.raises(StorageError, match="set GRUX_CACHE"):
        fetch(file())


def test_default_cache_is_the_platforms(monkeypatch):
    import platformdirs

    monkeypatch.delenv("GRUX_CACHE", raising=False)
    assert os.fspath(fetching.cache_folder()).startswith(platformdirs.user_cache_dir("grux"))


def test_progress_bar_speaks_to_pooch(cache, server, monkeypatch, capsys):
    address, answers, _ = server
    answers["/data.csv"] = [(200, CONTENT)]
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert fetch(file(f"{address}/data.csv")).read_bytes() == CONTENT
    assert "download data.csv" in capsys.readouterr().err
