"""Images as sequences: the format, what is refused, the order of pixels, and batches that are scaled where they are."""

import gzip
import struct

import jax.numpy as jnp
import numpy as np
import pytest

from grux.batch import Info
from grux.data import mnist
from grux.data.base import check_split, take_rows
from grux.errors import DataError


def idx(path, array):
    header = b"\0\0\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(gzip.compress(header + array.tobytes()))
    return path


def test_arrays_come_back_whole(tmp_path):
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    np.testing.assert_array_equal(mnist.read_idx(idx(tmp_path / "a.gz", array)), array)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"\0\0\x08\x01\0\0\0\x03ab", "holds 2 values where its header says"),
        (b"\0\0\x08\x01\0\0\0\x03abcd", "holds 4 values"),
        (b"\0\0\x0d\x01\0\0\0\x01abcd", "does not begin as an IDX file"),  # 0x0d: floats
        (b"\0\0\x08\x02\0\0\0\x01", "does not begin as an IDX file"),
        (b"\0\0\x08\0", "does not begin as an IDX file"),
        (b"", "does not begin as an IDX file"),
        (b"\0\0\x08\x02\xff\xff\xff\xff\xff\xff\xff\xffa", "holds 1 values"),
    ],
)
def test_other_files_are_refused(tmp_path, content, complaint):
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(content))
    with pytest.raises(DataError, match=complaint):
        mnist.read_idx(path)
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"cannot be decompressed|does not begin"):
        mnist.read_idx(path)


@pytest.fixture
def digits(tmp_path, monkeypatch):
    """make(**changes): the data set of 30 drawn images, 20 of them to train on, and the images."""
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (30, 28, 28)).astype(np.uint8)
    labels = random.integers(0, 10, 30).astype(np.uint8)
    files = {"train-images": images[:25], "train-labels": labels[:25], "t10k-images": images[25:]}
    files |= {"t10k-labels": labels[25:]}
    made = [idx(tmp_path / f"{name}.gz", array) for name, array in files.items()]
    paths = dict(zip([file.name for file in mnist.FILES], made, strict=True))
    monkeypatch.setattr(mnist.File, "path", lambda self: paths[self.name])
    monkeypatch.setattr(mnist, "HELD_OUT", 5)

    def make(**changes):
        return mnist.mnist(**{"order": "raster", "seed": 0, "step": "pixel", **changes}), images, labels

    return make


def test_splits_and_scale(digits):
    dataset, images, labels = digits()
    assert [split.size for split in dataset.splits.values()] == [20, 5, 5]
    (bucket,) = dataset.splits["validation"].buckets
    assert bucket.arrays["pixels"].dtype == np.uint8 and bucket.shape == (784,)
    batch = take_rows(bucket, {name: jnp.asarray(x) for name, x in bucket.arrays.items()}, jnp.array([4, -1, 0]))
    assert batch.inputs.dtype == jnp.float32 and batch.inputs.shape == (3, 784, 1)
    np.testing.assert_allclose(batch.inputs[0, :, 0], images[24].reshape(-1) / 255, rtol=1e-6)
    assert np.asarray(batch.targets)[[0, 2]].tolist() == [labels[24], labels[20]]
    assert batch.mask.all(1).tolist() == batch.target_mask.tolist() == [True, False, True]


def test_rows_are_lines_of_the_image(digits):
    dataset, images, _ = digits(step="row")
    assert dataset.info.features == 28
    np.testing.assert_array_equal(dataset.splits["test"].buckets[0].arrays["pixels"], images[25:])


def test_permuted_pixels_are_mixed_alike_in_every_image_and_by_their_seed(digits):
    (raster, images, _), (mixed, *_), (other, *_) = digits(), digits(order="permuted"), digits(order="permuted", seed=1)
    flat = {name: made.splits["train"].buckets[0].arrays["pixels"][..., 0] for name, made in
            {"raster": raster, "mixed": mixed, "other": other}.items()}  # fmt: skip
    test = mixed.splits["test"].buckets[0].arrays["pixels"][..., 0]
    place = [int(np.flatnonzero((flat["raster"] == column[:, None]).all(0))[0]) for column in flat["mixed"].T]
    assert sorted(place) == list(range(784)) and place != list(range(784))
    np.testing.assert_array_equal(test, images[25:].reshape(5, -1)[:, place])
    assert not np.array_equal(flat["mixed"], flat["other"])
    assert mixed.notes == ("Pixels are mixed by the permutation of seed 0.",) and not raster.notes


def test_the_permutation_is_the_same_on_every_machine():
    assert mnist.permutation(784, seed=0, epoch=0, stream="pixels")[:5].tolist() == GOLDEN


GOLDEN = [344, 119, 51, 524, 383]


def test_what_does_not_fit_is_refused(digits):
    bucket = mnist.image_sequences(np.zeros((2, 4, 1), np.uint8), np.array([3, 10]))
    info = Info(name="mnist", task="classification", classes=mnist.CLASSES, features=1)
    with pytest.raises(DataError, match="example 1 has class 10"):
        check_split(mnist.Split((bucket,)), info, "mnist train")
    with pytest.raises(DataError, match="1 classes for 2 images"):
        mnist.image_sequences(np.zeros((2, 4, 1), np.uint8), np.array([3])).check(info, "mnist train")
    with pytest.raises(DataError, match="bytes of 2 a step"):
        bucket.check(Info(name="mnist", task="classification", classes=mnist.CLASSES, features=2), "mnist train")


def test_images_and_labels_must_agree(digits, monkeypatch):
    monkeypatch.setattr(mnist, "read_idx", lambda path: np.zeros((3, 28, 28) if "images" in path.name else 4, np.uint8))
    with pytest.raises(DataError, match=r"images \(3, 28, 28\) for labels \(4,\)"):
        digits()
