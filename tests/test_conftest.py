"""The strictness of the test environment itself: each guard is seen to hold."""

import os
import socket
import subprocess
import sys
import urllib.request
import warnings
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest
from flax import nnx
from jaxtyping import TypeCheckError

from grux.cells.gru import GRUCell
from grux.engine.run import run


def test_shapes_are_checked():
    cell = GRUCell(in_features=3, features=4, rngs=nnx.Rngs(0))
    y, _ = run(cell, jnp.ones((2, 5, 3)), mask=jnp.ones((2, 5), bool))
    assert y.shape == (2, 5, 4)
    with pytest.raises(TypeCheckError):
        run(cell, jnp.ones((2, 5, 3)), mask=jnp.ones((2, 6), bool))


def test_ranks_are_not_promoted():
    with pytest.raises(ValueError, match="rank_promotion"):
        jnp.ones((2, 3)) + jnp.ones(3)


def test_two_cpu_devices():
    assert [device.platform for device in jax.devices()] == ["cpu", "cpu"]


def test_a_warning_is_an_error():
    with pytest.raises(UserWarning):
        warnings.warn("seen", stacklevel=1)


def test_no_network():
    with pytest.raises(OSError, match="tests have no network"):
        socket.create_connection(("example.invalid", 80), timeout=1)
    with pytest.raises(OSError), socket.socket() as s:
        s.settimeout(1)
        s.connect(("192.0.2.1", 80))  # reserved for documentation: RFC 5737


def test_no_network_in_a_child():
    code = "import urllib.request\nurllib.request.urlopen('http://example.invalid', timeout=5)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert done.returncode != 0 and "refused" in done.stderr.lower()


def test_a_server_of_the_test_answers():
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), timeout=1).close()
    assert urllib.request.getproxies()["no"] == "localhost,127.0.0.1"


def test_files_stay_in_the_tests_own_folder(tmp_path_factory):
    base = tmp_path_factory.getbasetemp()
    assert all(Path(path).is_relative_to(base) for path in (os.environ["GRUX_CACHE"], os.environ["HOME"], Path.cwd()))


def test_float64(float64):
    assert jnp.ones(()).dtype == jnp.float64


def test_the_mirror_is_found(mirror):
    assert mirror.is_absolute() and mirror.is_dir()
