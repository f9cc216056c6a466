"""safetensors files: whole, exact, without a pickle."""

import importlib.util

import numpy as np
import pytest
from sides import equal, stack

from grux.cells.gru import GRUCell
from grux.errors import DataError, StorageError, UsageError
from grux.interop import from_torch, read_safetensors, to_torch, write_safetensors

safetensors = pytest.importorskip("safetensors", reason='safetensors is not installed: pip install "grux[interop]"')


def test_there_and_back_is_exact(tmp_path):
    arrays = to_torch(stack(GRUCell, depth=2, directions=2))
    arrays["turned"] = np.arange(6, dtype=np.float32).reshape(2, 3).T  # not in the order of memory
    write_safetensors(tmp_path / "a.safetensors", arrays)
    equal(read_safetensors(tmp_path / "a.safetensors"), arrays)
    assert [path.name for path in tmp_path.iterdir()] == ["a.safetensors"]


def test_a_prefix_picks_a_part_of_a_model(tmp_path):
    arrays = to_torch(stack(GRUCell))
    whole = {f"encoder.rnn.{name}": array for name, array in arrays.items()} | {"head.bias": np.zeros(2)}
    write_safetensors(tmp_path / "a.safetensors", whole)
    equal(read_safetensors(tmp_path / "a.safetensors", prefix="encoder.rnn."), arrays)
    with pytest.raises(DataError, match=r"no names that start with 'rnn\.'; it has encoder\.rnn\.bias_hh_l0"):
        read_safetensors(tmp_path / "a.safetensors", prefix="rnn.")


def test_pytorch_reads_and_writes_the_same_files(tmp_path):
    if importlib.util.find_spec("torch") is None:
        pytest.skip("PyTorch is not installed")
    import torch
    from safetensors.torch import load_file, save_file

    ours, theirs = stack(GRUCell, depth=2), torch.nn.GRU(3, 2, num_layers=2)
    write_safetensors(tmp_path / "ours.safetensors", to_torch(ours))
    theirs.load_state_dict(load_file(tmp_path / "ours.safetensors"))
    save_file(theirs.state_dict(), tmp_path / "theirs.safetensors")
    back = from_torch(read_safetensors(tmp_path / "theirs.safetensors"), like=stack(GRUCell, depth=2, seed=1))
    equal(to_torch(back), to_torch(ours))


@pytest.mark.parametrize("name", ["model.pt", "model.PTH", "pytorch_model.bin", "last.ckpt"])
def test_a_pickle_is_not_opened(name, tmp_path, monkeypatch):
    (tmp_path / name).mkdir()  # opening it would be an error of another kind
    with pytest.raises(UsageError, match=r"is a pickle.*safetensors\.torch\.save_file.*weights_only=True"):
        read_safetensors(tmp_path / name)


def test_a_file_that_is_none_is_said(tmp_path):
    with pytest.raises(DataError, match="There is no file"):
        read_safetensors(tmp_path / "a.safetensors")
    for content in (b"", b"PK\x03\x04 a pickle in a zip file", b"\x80\x02}q\x00."):
        (tmp_path / "a.safetensors").write_bytes(content)
        with pytest.raises(DataError, match="cannot be read as safetensors"):
            read_safetensors(tmp_path / "a.safetensors")


def test_a_place_that_cannot_be_written_is_said(tmp_path):
    with pytest.raises(StorageError, match=r"nowhere.a\.safetensors cannot be written"):
        write_safetensors(tmp_path / "nowhere" / "a.safetensors", {"a": np.zeros(1)})


def test_without_the_package_the_sentence_says_what_to_install(tmp_path, monkeypatch):
    import sys

    (tmp_path / "a.safetensors").touch()
    monkeypatch.setitem(sys.modules, "safetensors", None)
    with pytest.raises(UsageError, match=r'pip install "grux\[interop\]"'):
        read_safetensors(tmp_path / "a.safetensors")
