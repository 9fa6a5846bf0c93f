"""Are the book's images what the chapters take them for?"""

import doctest
import gzip
import hashlib
import importlib.util
from urllib.error import URLError

import numpy as np
import pytest

from tests.course import ROOT


def module_at(path):
    """A module of the book, which runs in its own folder and is no package."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def datasets():
    """The module that the chapters import."""
    return module_at(ROOT / "book/datasets.py")


@pytest.fixture(scope="module")
def maker():
    """The script that made the committed subset."""
    return module_at(ROOT / "book/data/make_fashion_mnist.py")


def test_examples_in_the_docstrings_run(datasets):
    """Do the documented examples give what they say? The book is no package that pytest looks into."""
    results = doctest.testmod(datasets)
    assert results.attempted >= 4 and results.failed == 0


SIZES = {"digits": (1347, 450, 64), "fashion": (6000, 2000, 784)}


@pytest.mark.parametrize("name", SIZES)
def test_images_are_float32_in_0_to_1_and_labels_int64(datasets, name):
    """Have the arrays the promised shapes, types and ranges?"""
    x_train, y_train, x_test, y_test = getattr(datasets, name)()
    train, test, pixels = SIZES[name]
    assert x_train.shape == (train, pixels) and y_train.shape == (train,)
    assert x_test.shape == (test, pixels) and y_test.shape == (test,)
    for x, y in ((x_train, y_train), (x_test, y_test)):
        assert x.dtype == np.float32 and x.min() == 0 and x.max() == 1
        assert y.dtype == np.int64 and set(y) == set(range(10))


def test_classes_of_fashion_are_balanced_and_named(datasets):
    """Has every class as many images as every other, and a name?"""
    _, y_train, _, y_test = datasets.fashion()
    assert np.bincount(y_train).tolist() == [600] * 10
    assert np.bincount(y_test).tolist() == [200] * 10
    assert len(set(datasets.FASHION_CLASSES)) == 10


def test_classes_of_digits_are_in_proportion(datasets):
    """Is the share of each digit in the test set that of the training set?"""
    _, y_train, _, y_test = datasets.digits()
    shares = np.bincount(y_train) / len(y_train), np.bincount(y_test) / len(y_test)
    assert np.abs(shares[0] - shares[1]).max() < 1 / len(y_test)


@pytest.mark.parametrize("name", SIZES)
def test_no_test_image_is_in_the_training_set(datasets, name):
    """Is each test image one that training has not seen?"""
    x_train, _, x_test, _ = getattr(datasets, name)()
    seen = {image.tobytes() for image in x_train}
    assert not any(image.tobytes() in seen for image in x_test)


@pytest.mark.parametrize("name", SIZES)
def test_split_is_always_the_same(datasets, name):
    """Does a second call give the same arrays?"""
    for first, second in zip(getattr(datasets, name)(), getattr(datasets, name)(), strict=True):
        assert np.array_equal(first, second)


def test_committed_subset_is_the_one_that_was_made():
    """Are the bytes of the arrays those that the script made from the original files?"""
    path = ROOT / "book/data/fashion_mnist.npz"
    digest = hashlib.sha256()
    with np.load(path) as stored:
        for name in sorted(stored.files):
            digest.update(stored[name].tobytes())
    assert digest.hexdigest() == "325712312ba1d03eb3aff87c3de5f260924e01e3ea4cb9ceeadd6871fe608c00"
    assert path.stat().st_size < 6e6


def test_script_makes_a_balanced_subset_from_idx_files(maker, tmp_path, monkeypatch):
    """Does it read the original format, keep image and label together, and choose by its seed?"""
    monkeypatch.setattr(maker, "PER_CLASS", {"train": 3, "test": 2})
    labels = np.arange(50, dtype=np.uint8) % 10
    images = np.repeat(labels, 784)  # each pixel tells the class
    for prefix in ("train", "t10k"):
        for kind, header, values in (
            ("images-idx3", np.array([50, 28, 28], ">i4"), images),
            ("labels-idx1", np.array([50], ">i4"), labels),
        ):
            raw = bytes([0, 0, 8, len(header)]) + header.tobytes() + values.tobytes()
            (tmp_path / f"{prefix}-{kind}-ubyte.gz").write_bytes(gzip.compress(raw))

    first, second = maker.subset(tmp_path), maker.subset(tmp_path)

    assert np.bincount(first["y_train"]).tolist() == [3] * 10
    assert np.bincount(first["y_test"]).tolist() == [2] * 10
    assert first["x_train"].shape == (30, 784)
    assert np.array_equal(first["x_train"][:, 0], first["y_train"])
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_script_refuses_what_is_no_idx_file(maker, tmp_path):
    """Does a wrong file give an error that names it?"""
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(gzip.compress(b"<html>"))
    with pytest.raises(ValueError, match="train-images"):
        maker.read_idx(path)


def test_full_set_is_split_after_60000(datasets, monkeypatch):
    """Are the first 60,000 of what OpenML gives the training set, in the book's types?"""
    pixels = np.repeat([[255], [0]], [60_000, 10_000], axis=0)
    given = pixels, np.array(["3"] * 60_000 + ["7"] * 10_000)
    monkeypatch.setattr(datasets, "fetch_openml", lambda *args, **options: given)

    x_train, y_train, x_test, y_test = datasets.full("mnist")

    assert x_train.shape == (60_000, 1) and x_test.shape == (10_000, 1)
    assert x_train.dtype == np.float32 and x_train.min() == 1 and x_test.max() == 0
    assert set(y_train) == {3} and set(y_test) == {7} and y_test.dtype == np.int64


def test_full_set_without_network_says_what_to_do(datasets, monkeypatch):
    """Does the error name the set, and the data that need no network?"""

    def unreachable(*args, **options):
        raise URLError("Name or service not known")

    monkeypatch.setattr(datasets, "fetch_openml", unreachable)
    with pytest.raises(ConnectionError, match=r"Fashion-MNIST .*network.*fashion\(\) or digits\(\)"):
        datasets.full("fashion")


def test_full_set_of_an_unknown_name_is_refused(datasets):
    """Does the error repeat the name and list those there are?"""
    with pytest.raises(ValueError, match="'cifar', expected one of fashion, mnist"):
        datasets.full("cifar")
